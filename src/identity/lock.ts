/** What a lock is, and how its document becomes one or is refused. */

import * as z from "zod";
import { instant, metadata, name } from "./metadata.ts";
import { DocumentError } from "./problem.ts";
import type { Parsed } from "./role.ts";
import { parseShape, refuse, unavailable } from "./shape.ts";

/** Shuts out a user, or everybody who holds a role, from the next operation on. */
export interface Lock {
  readonly name: string;
  readonly target: { readonly user: string } | { readonly role: string };
  /** Shown to whom it shuts out. */
  readonly message?: string;
  /** Milliseconds since the epoch. */
  readonly expires?: number;
}

/** What a lock says to whom it shuts out, behind the sentence that says so; empty when it says nothing. */
export function lockMessage({ message }: Lock): string {
  return message === undefined || message === "" ? "" : `: ${message}`;
}

/**
 * Reads a lock's document, as YAML gave it.
 *
 * @throws DocumentError `lock_invalid` with every problem
 */
export function parseLock(document: unknown): Parsed<Lock> {
  const shaped = parseShape(SCHEMA, document);
  if ("problems" in shaped) throw new DocumentError("lock_invalid", "Cannot load a lock", shaped.problems);
  return { value: shaped.value, warnings: [] };
}

/** Reads a lock's document. */
export function lockSchema(): z.ZodType<Lock> {
  const foreign = (what: string): z.ZodOptional<z.ZodType<undefined>> =>
    unavailable(`there is no ${what} to lock here`, "lock a user or a role");
  return z
    .strictObject({
      kind: z.literal("lock"),
      version: z.enum(["v2"]),
      metadata: metadata(),
      spec: z.strictObject({
        target: z
          .strictObject({
            user: name().optional().describe("Name of the user to lock."),
            role: name().optional().describe("Name of the role whose holders to lock."),
            login: foreign("login"),
            node: foreign("node"),
            server_id: foreign("server"),
            mfa_device: foreign("MFA device"),
            windows_desktop: foreign("desktop"),
            access_request: foreign("access request"),
            device: foreign("device"),
          })
          .transform(({ user, role }, context): Lock["target"] => {
            if (user !== undefined && role === undefined) return { user };
            if (role !== undefined && user === undefined) return { role };
            refuse(context, "expected exactly one of user and role", "write one lock for each");
            return z.NEVER;
          })
          .describe("Whom it shuts out."),
        message: z.string().optional().describe("Shown to whom it shuts out."),
        expires: instant().optional().describe("When it ends, RFC 3339; absent: when the document is removed."),
      }),
    })
    .transform(({ metadata, spec }) => {
      const ends = [metadata.expires, spec.expires].filter((time) => time !== undefined);
      return {
        name: metadata.name,
        target: spec.target,
        ...(spec.message === undefined ? {} : { message: spec.message }),
        ...(ends.length === 0 ? {} : { expires: Math.min(...ends) }),
      };
    });
}

const SCHEMA = lockSchema();
