/** Names that AWS sees for a user: the role session name, and the value of a user tag (docs/adr/0005). */

import { createHash } from "node:crypto";
import { AwsError } from "./errors.ts";

/**
 * The STS role session name of a user: 2 to 64 characters of `[A-Za-z0-9_+=,.@-]`, and never the same for two users.
 * A name that AWS takes is used as it is; a longer one of the same characters is cut as Teleport cuts it (47 characters,
 * `-`, 16 hexadecimal digits of its SHA-1); any other becomes up to 39 of its characters with `_` for those not allowed,
 * `-`, and 24 digits of its SHA-256. A name that already looks like the outcome of either rule is changed too.
 *
 * @throws AwsError `session_name_invalid` when the name is empty or not well-formed Unicode.
 */
export function sessionName(user: string): string {
  refuseUnreadable(user);
  if (!LEGAL.test(user) || user.length < 2) return replaced(user);
  if (user.length > 64) return `${user.slice(0, 47)}-${hexDigest("sha1", user).slice(0, 16)}`;
  return LOOKS_CHANGED.test(user) ? replaced(user) : user;
}

/**
 * The value of the session tag that names a user: at most 256 characters that STS takes in a tag, and never the same for
 * two users. The name itself where possible, else its session name.
 *
 * @throws AwsError `session_name_invalid` as `sessionName`.
 */
export function userTagValue(user: string): string {
  refuseUnreadable(user);
  return TAG_VALUE.test(user) && !LOOKS_CHANGED.test(user) ? user : sessionName(user);
}

const LEGAL = /^[A-Za-z0-9_+=,.@-]+$/;
const LOOKS_CHANGED = /-(?:[0-9a-f]{16}|[0-9a-f]{24})$/;
const TAG_VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,256}$/u;

function refuseUnreadable(user: string): void {
  // A lone surrogate hashes like any other one, so two users could share a name.
  if (user === "" || /\p{Surrogate}/u.test(user)) {
    throw new AwsError(
      "session_name_invalid",
      `Cannot name an AWS session after user ${JSON.stringify(user.slice(0, 200))}: the name is empty or not well-formed Unicode`,
    );
  }
}

function replaced(user: string): string {
  const readable = user.replaceAll(/[^A-Za-z0-9_+=,.@-]/gu, "_").slice(0, 39);
  return `${readable}-${hexDigest("sha256", user).slice(0, 24)}`;
}

function hexDigest(algorithm: "sha1" | "sha256", text: string): string {
  return createHash(algorithm).update(text, "utf8").digest("hex");
}
