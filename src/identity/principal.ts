/** Somebody whose identity is settled. */

/** The trait by which policy tells a bot from a person of the same name; its value is the join token's name. Of the login, not of the user. */
export const BOT_TRAIT = "bot";

/** The one on whose behalf a request is decided. */
export interface Principal {
  readonly name: string;
  /** Names of roles, in the order of the user's document. */
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
  /** True when a second factor was shown in this session. */
  readonly mfaVerified: boolean;
}
