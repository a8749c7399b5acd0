/** What a user is, and how its document becomes one or is refused. */

import * as z from "zod";
import { instant, metadata, name } from "./metadata.ts";
import { quoted } from "./names.ts";
import { BOT_TRAIT } from "./principal.ts";
import { DocumentError, type Problem } from "./problem.ts";
import type { Parsed } from "./role.ts";
import { parseShape, yesNo } from "./shape.ts";
import { FOREIGN_USER_KEYS, isMapping, withoutForeign } from "./teleport-keys.ts";

/** A user as the administrator wrote it. */
export interface User {
  readonly name: string;
  readonly description?: string;
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
  /** From when on the user counts as locked, milliseconds since the epoch. */
  readonly expires?: number;
  /** Present for a user whom a login through a connector made; nobody else is this user. */
  readonly origin?: UserOrigin;
  /** Present when the user's own document says that it is locked; `expires` as milliseconds since the epoch. */
  readonly locked?: { readonly message?: string; readonly expires?: number };
}

/** Whose word made a user, and whom they mean by it. */
export interface UserOrigin {
  /** Name of the connector. */
  readonly connector: string;
  /** The provider, as its tokens name it, and the person as it names them: together they are nobody else's. */
  readonly issuer: string;
  readonly subject: string;
}

/**
 * Reads a user's document, as YAML gave it.
 *
 * @throws DocumentError `user_invalid` with every problem
 */
export function parseUser(document: unknown): Parsed<User> {
  const foreign = isMapping(document)
    ? withoutForeign(document["spec"], foreignIn(document["spec"]), ["spec"])
    : { value: undefined, warnings: [] };
  const stripped = isMapping(document) && "spec" in document ? { ...document, spec: foreign.value } : document;
  const shaped = parseShape(SCHEMA, stripped);
  if ("problems" in shaped) throw new DocumentError("user_invalid", "Cannot load a user", shaped.problems);
  const { traits } = shaped.value;
  return {
    value: shaped.value,
    warnings: [...foreign.warnings, ...(Object.hasOwn(traits, BOT_TRAIT) ? [IDLE_BOT] : [])],
  };
}

const IDLE_BOT: Problem = {
  path: ["spec", "traits", BOT_TRAIT],
  at: "key",
  message: `spec.traits.${BOT_TRAIT} is what a login by a join token says, and of a user it counts for nothing`,
  hint: "give the trait another name",
};

/** Reads a user's document from which foreign keys have been taken out. */
export function userSchema(): z.ZodType<User> {
  return z
    .strictObject({
      kind: z.literal("user"),
      version: z.enum(["v2"]),
      metadata: metadata(),
      spec: z.strictObject({
        roles: z.array(name()).nullish().describe("Names of the user's roles."),
        traits: z
          .record(name(), z.array(z.string()).nullable())
          .nullish()
          .describe("Trait → list of values, for templates such as `{{external.team}}`."),
        expires: instant().optional().describe("When the user stops counting, RFC 3339."),
        created_by: createdBy()
          .optional()
          .describe("Written by logins through a connector, whose user this is; of Teleport's own, not used."),
        status: z
          .strictObject({
            is_locked: yesNo().optional().describe("Locks the user."),
            locked_message: z.string().optional().describe("Shown to the user."),
            locked_time: z.unknown().optional().describe("Not used."),
            lock_expires: instant().optional().describe("When the lock ends, RFC 3339."),
            recover_attempt_lock_expires: z.unknown().optional().describe("Not used."),
          })
          .nullish()
          .describe("Teleport's place for a user's own lock."),
      }),
    })
    .transform(({ metadata, spec }) => {
      const ends = [metadata.expires, spec.expires].filter((time) => time !== undefined);
      const { status, created_by: origin } = spec;
      return {
        name: metadata.name,
        ...(metadata.description === undefined ? {} : { description: metadata.description }),
        roles: [...new Set(spec.roles ?? [])],
        traits: Object.fromEntries(Object.entries(spec.traits ?? {}).map(([trait, values]) => [trait, values ?? []])),
        ...(ends.length === 0 ? {} : { expires: Math.min(...ends) }),
        ...(origin === undefined ? {} : { origin }),
        ...(status?.is_locked !== true
          ? {}
          : {
              locked: {
                ...(status.locked_message === undefined ? {} : { message: status.locked_message }),
                ...(status.lock_expires === undefined ? {} : { expires: status.lock_expires }),
              },
            }),
      };
    });
}

const SCHEMA = userSchema();

/** Teleport writes of its own users, too, who made them; without an issuer, that says nothing here. */
function foreignIn(spec: unknown): ReadonlySet<string> {
  const told = isMapping(spec) ? spec["created_by"] : undefined;
  const connector = isMapping(told) ? told["connector"] : undefined;
  if (!isMapping(connector) || !("issuer" in connector)) return FOREIGN_USER_KEYS;
  return new Set([...FOREIGN_USER_KEYS].filter((key) => key !== "created_by"));
}

function createdBy(): z.ZodType<UserOrigin> {
  return z
    .strictObject({
      connector: z.strictObject({
        type: z.enum(["oidc"]),
        id: name().describe("Name of the connector."),
        identity: z.string().min(1, "is empty").describe("The person, as the provider names them."),
        issuer: z.string().min(1, "is empty").describe("The provider, as its tokens name it."),
      }),
      time: instant().optional().describe("When the first of these logins was."),
    })
    .transform(({ connector: { id, identity, issuer } }) => ({ connector: id, issuer, subject: identity }));
}

/** A user's document as a login through a connector writes it. */
export function documentOf(
  { name, roles, traits, expires, origin }: User & Required<Pick<User, "expires" | "origin">>,
  created: number,
): object {
  const { connector, issuer, subject } = origin;
  return {
    kind: "user",
    version: "v2",
    metadata: { name, expires: new Date(expires).toISOString() },
    spec: {
      roles,
      traits,
      created_by: {
        connector: { type: "oidc", id: connector, identity: subject, issuer },
        time: new Date(created).toISOString(),
      },
    },
  };
}

/** What there is of a connector that decides about its users. */
export interface KnownConnector {
  readonly name: string;
  readonly issuerUrl: string;
}

/** Users whose connector is gone, or asks another provider now, count as locked: nobody vouches for them any more. */
export function vouchedFor(users: readonly User[], connectors: readonly KnownConnector[]): readonly User[] {
  const issuers = new Map(connectors.map(({ name, issuerUrl }) => [name, issuerUrl]));
  return users.map((user) =>
    user.origin === undefined || issuers.get(user.origin.connector) === user.origin.issuer
      ? user
      : { ...user, locked: { message: `connector ${quoted(user.origin.connector)}, by which the user came, is gone` } },
  );
}
