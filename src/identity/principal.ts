/** Somebody whose identity is settled. */

/** The one on whose behalf a request is decided. */
export interface Principal {
  readonly name: string;
  /** Names of roles, in the order of the user's document. */
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
  /** True when a second factor was shown in this session. */
  readonly mfaVerified: boolean;
}
