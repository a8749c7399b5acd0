/** AWS credentials as a value that can be kept, signed with, and printed without harm. */

import { Secret } from "../base/secret.ts";

/** What `AwsCredentials` is made of. */
export interface AwsCredentialsInit {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  /** Milliseconds since the epoch; absent for keys that do not expire. */
  readonly expiresAt?: number | undefined;
}

/** An access key with its secret and, for temporary ones, its token. Immutable; inspecting it shows no secret. */
export class AwsCredentials {
  /** Names the key; not a secret: it stands in every signed request. */
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  readonly sessionToken: Secret | undefined;
  /** Milliseconds since the epoch; `Infinity` for keys that do not expire. */
  readonly expiresAt: number;

  constructor(init: AwsCredentialsInit) {
    this.accessKeyId = init.accessKeyId;
    this.secretAccessKey = new Secret(init.secretAccessKey);
    this.sessionToken =
      init.sessionToken === undefined || init.sessionToken === "" ? undefined : new Secret(init.sessionToken);
    this.expiresAt = init.expiresAt ?? Number.POSITIVE_INFINITY;
  }
}
