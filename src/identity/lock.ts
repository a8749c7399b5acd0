/** What a lock is, and how its document becomes one or is refused. */

import * as z from "zod";
import { instant, metadata, name } from "./metadata.ts";
import { DocumentError } from "./problem.ts";
import type { Parsed } from "./role.ts";
import { parseShape, refuse, unavailable } from "./shape.ts";

/** Shuts out a user, everybody who holds a role, or a service that has joined, from the next operation on. */
export interface Lock {
  readonly name: string;
  readonly target: LockTarget;
  /** Shown to whom it shuts out. */
  readonly message?: string;
  /** Milliseconds since the epoch. */
  readonly expires?: number;
}

/** Whom a lock is for; `server_id` is the host id that a service got when it joined. */
export type LockTarget = { readonly user: string } | { readonly role: string } | { readonly server_id: string };

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
    unavailable(`there is no ${what} to lock here`, "lock a user, a role or a server_id");
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
            server_id: name()
              .optional()
              .describe(
                "Host id of the service to lock: it renews its certificate no more, and its AWS identity joins no more.",
              ),
            login: foreign("login"),
            node: foreign("node"),
            mfa_device: foreign("MFA device"),
            windows_desktop: foreign("desktop"),
            access_request: foreign("access request"),
            device: foreign("device"),
          })
          .transform(({ user, role, server_id }, context): LockTarget => {
            const given = [user, role, server_id].filter((one) => one !== undefined);
            if (given.length === 1 && user !== undefined) return { user };
            if (given.length === 1 && role !== undefined) return { role };
            if (given.length === 1 && server_id !== undefined) return { server_id };
            refuse(context, "expected exactly one of user, role and server_id", "write one lock for each");
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

/** The lock that shuts a joined service out now; undefined when none does. */
export function lockOfHost(hostId: string, locks: readonly Lock[], now: number): Lock | undefined {
  return locks.find(
    ({ target, expires }) =>
      "server_id" in target && target.server_id === hostId && (expires === undefined || now < expires),
  );
}

const SCHEMA = lockSchema();
