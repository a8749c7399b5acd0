/** Whoever administers a cluster, as commands speak to them: the same on its own machine and over the network. */

import type { DatabaseServer } from "./presence.ts";
import type { Secret } from "../base/secret.ts";
import type { JoinRole } from "../identity/join-tokens.ts";
import type { InviteKind } from "../identity/invites.ts";
import type { AuthorityFacts } from "./authority-facts.ts";
import type { Outcome } from "./administration.ts";
import type { PlacedProblem } from "./documents.ts";
import type { ShownResource } from "./shown.ts";

/** As much as people hand in at once, in bytes. */
export const MAX_TEXT_BYTES = 1_048_576;

/** A text that somebody wrote, and what they call it: problems are told with their place in it. */
export interface GivenText {
  readonly file: string;
  readonly text: string;
}

/** A user who is to be. */
export interface NewUser {
  readonly name: string;
  readonly roles: readonly string[];
  /** AWS roles, for the trait `db_users`. */
  readonly dbUsers?: readonly string[] | undefined;
}

/** By what a user gets in from here on: a password, or a link that lasts as long as `ttl` says, in milliseconds. */
export interface Entrance {
  readonly password?: Secret | undefined;
  readonly ttl?: number | undefined;
}

/** A link by which a user sets a password. */
export interface ShownLink {
  readonly kind: InviteKind;
  /** What opens it: shown once. */
  readonly token: Secret;
  /** Milliseconds from now. */
  readonly lasts: number;
  /** `host:port` or a name, where users find the page; undefined when nobody has said. */
  readonly address: string | undefined;
}

/** A join token that is to be. */
export interface NewToken {
  readonly roles: readonly JoinRole[];
  readonly value?: Secret | undefined;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
  readonly maxUses?: number | undefined;
  /** Absent: any database. */
  readonly databases?: readonly string[] | undefined;
}

/** A join token that was made: shown once. */
export interface MadeToken {
  readonly token: Secret;
  readonly roles: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expires: number;
  /** Milliseconds from now. */
  readonly lasts: number;
}

/** What a cluster is. */
export interface ClusterStatus {
  readonly cluster: string;
  readonly id: string;
  /** Of the service that answers. */
  readonly version: string;
  readonly ca_pins: readonly string[];
  readonly authorities: readonly AuthorityFacts[];
}

/** How resources are read. */
export interface Reading {
  /** Whether join tokens are shown whole. */
  readonly withSecrets: boolean;
}

/** What became of documents. */
export interface Created {
  readonly outcomes: readonly Outcome[];
  readonly warnings: readonly PlacedProblem[];
}

/**
 * Somebody who administers. Each act is judged by policy, done whole or not at all, and recorded. Join tokens may be named as
 * they are shown, by their last characters, where only one is meant.
 *
 * Every method throws a `control_denied` where policy says no, and PosternErrors that say what was wrong.
 */
export interface Administrator {
  status(): Promise<ClusterStatus>;
  list(kind: string, reading?: Reading): Promise<readonly ShownResource[]>;
  /** Which agents serve which databases now: one entry for each tunnel. For who may list databases. */
  databaseServers(): Promise<readonly DatabaseServer[]>;
  get(kind: string, name: string, reading?: Reading): Promise<ShownResource>;
  create(given: GivenText, options: { readonly force: boolean }): Promise<Created>;
  /** The one document that was read in this revision. */
  replace(kind: string, name: string, revision: string, given: GivenText): Promise<Outcome>;
  remove(kind: string, name: string): Promise<Outcome>;
  /** @returns the link, unless there is a password */
  addUser(user: NewUser, entrance: Entrance): Promise<ShownLink | undefined>;
  /** What is undefined stays. */
  updateUser(user: string, changes: Partial<Pick<NewUser, "roles" | "dbUsers">>): Promise<void>;
  /** Ends the user's logins and lets them try again. @returns the link, unless there is a password */
  resetUser(user: string, entrance: Entrance): Promise<ShownLink | undefined>;
  addToken(token: NewToken): Promise<MadeToken>;
}
