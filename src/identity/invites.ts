/** Links by which a person sets a password: invites for new users, resets for others. Each works once and not for long. */

import { createHash, randomBytes } from "node:crypto";
import { PosternError } from "../base/errors.ts";
import { isSameText } from "../base/same-text.ts";
import { Secret } from "../base/secret.ts";

export type InviteKind = "invite" | "reset";

/** How long links last, in milliseconds. As in Teleport: an hour for invites, eight for resets. */
export const INVITE_TTL: Readonly<Record<InviteKind, { readonly usual: number; readonly most: number }>> = {
  invite: { usual: 3_600_000, most: 48 * 3_600_000 },
  reset: { usual: 8 * 3_600_000, most: 24 * 3_600_000 },
};

/** What is kept of a link: plain JSON, times in milliseconds since the epoch. The token itself is not among it. */
export interface InviteRecord {
  /** SHA-256 of the token, in hex: also the record's name. 128 random bits need no slow hash. */
  readonly token_hash: string;
  readonly kind: InviteKind;
  readonly user: string;
  readonly created: number;
  readonly expires: number;
  /** When it was used; null before. */
  readonly used: number | null;
}

/** What to make a link for. */
export interface InviteRequest {
  readonly kind: InviteKind;
  readonly user: string;
  /** Milliseconds; by default what `INVITE_TTL` says. */
  readonly ttl?: number | undefined;
  readonly now: number;
}

/**
 * A new link: the token goes to whoever asked, once; the record is kept.
 *
 * @throws PosternError `invite_ttl_invalid`
 */
export function newInvite({ kind, user, ttl, now }: InviteRequest): { token: Secret; record: InviteRecord } {
  const { usual, most } = INVITE_TTL[kind];
  const lasts = ttl ?? usual;
  if (!Number.isSafeInteger(lasts) || lasts <= 0 || lasts > most) {
    const hours = most / 3_600_000;
    throw new PosternError("invite_ttl_invalid", `Cannot make a link that lasts ${lasts / 1000} s: at most ${hours}h`, {
      hint: `leave --ttl out for ${usual / 3_600_000}h, or give up to ${hours}h`,
    });
  }
  const token = randomBytes(16).toString("hex");
  const record = { token_hash: hashOf(token), kind, user, created: now, expires: now + lasts, used: null };
  return { token: new Secret(token), record };
}

/** The name under which the record of a token is kept; undefined when the text cannot be one. */
export function inviteNameOf(token: Secret): string | undefined {
  const text = token.reveal();
  return /^[0-9a-f]{32}$/.test(text) ? hashOf(text) : undefined;
}

/**
 * Uses a link: the record to keep instead, on condition that nobody else wrote it meanwhile.
 *
 * @throws PosternError `invite_unknown`, `invite_expired` or `invite_used`, in the same words
 */
export function useInvite(record: InviteRecord | undefined, token: Secret, now: number): InviteRecord {
  const name = inviteNameOf(token);
  if (record === undefined || name === undefined || !isSameText(name, record.token_hash))
    throw refusal("invite_unknown");
  if (record.used !== null) throw refusal("invite_used");
  if (now >= record.expires) throw refusal("invite_expired");
  return { ...record, used: now };
}

function refusal(code: string): PosternError {
  return new PosternError(code, "Cannot use this link: it is unknown, was used already, or is too old", {
    hint: "ask an administrator for another: postern ctl users reset NAME",
  });
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
