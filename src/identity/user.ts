/** What a user is, and how its document becomes one or is refused. */

import * as z from "zod";
import { instant, metadata, name } from "./metadata.ts";
import { DocumentError } from "./problem.ts";
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
  /** Present when the user's own document says that it is locked; `expires` as milliseconds since the epoch. */
  readonly locked?: { readonly message?: string; readonly expires?: number };
}

/**
 * Reads a user's document, as YAML gave it.
 *
 * @throws DocumentError `user_invalid` with every problem
 */
export function parseUser(document: unknown): Parsed<User> {
  const foreign = isMapping(document)
    ? withoutForeign(document["spec"], FOREIGN_USER_KEYS, ["spec"])
    : { value: undefined, warnings: [] };
  const stripped = isMapping(document) && "spec" in document ? { ...document, spec: foreign.value } : document;
  const shaped = parseShape(SCHEMA, stripped);
  if ("problems" in shaped) throw new DocumentError("user_invalid", "Cannot load a user", shaped.problems);
  return { value: shaped.value, warnings: foreign.warnings };
}

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
      const { status } = spec;
      return {
        name: metadata.name,
        ...(metadata.description === undefined ? {} : { description: metadata.description }),
        roles: [...new Set(spec.roles ?? [])],
        traits: Object.fromEntries(Object.entries(spec.traits ?? {}).map(([trait, values]) => [trait, values ?? []])),
        ...(ends.length === 0 ? {} : { expires: Math.min(...ends) }),
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
