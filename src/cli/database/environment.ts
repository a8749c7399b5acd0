/** The environment in which AWS's own tools speak to a port of this machine instead of to AWS. */

/** What keys are when nobody looks at them: SDKs want some to sign with. */
export const ANY_KEY = "postern";

export interface EndpointEnvironment {
  /** `127.0.0.1:8000` */
  readonly address: string;
  readonly region: string;
  readonly accessKeyId: string;
}

/** Variables to set, by name. */
export function environmentOf({ address, region, accessKeyId }: EndpointEnvironment): Readonly<Record<string, string>> {
  const url = `http://${address.replace(/^127\.0\.0\.1:/, "localhost:")}`;
  return {
    // Of these two services only: whatever else a program asks of AWS is not ours.
    AWS_ENDPOINT_URL_DYNAMODB: url,
    AWS_ENDPOINT_URL_DYNAMODB_STREAMS: url,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: ANY_KEY,
  };
}

/** Variables that would have a tool use other credentials than those. */
export const UNSET: readonly string[] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"];

/** What no HTTP proxy of the surroundings is to be asked for: AWS's tools would ask it for a port of this machine as well. */
export const UNPROXIED = "localhost,127.0.0.1";

/** Names by which tools are told so; some read one, some the other. */
export const NO_PROXY_NAMES: readonly string[] = ["NO_PROXY", "no_proxy"];
