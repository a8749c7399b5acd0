/** Words of the standards. */

export const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
