/** What a cluster may ask for beside a password. */

export const SECOND_FACTORS = ["off", "otp", "webauthn"] as const;

/** `otp`: a code of an authenticator app. `webauthn`: a passkey. */
export type SecondFactor = (typeof SECOND_FACTORS)[number];
