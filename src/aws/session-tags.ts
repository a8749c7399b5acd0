/** Tags on AWS sessions: which ones a database's configuration asks for, and STS's rules for them. */

import type { AwsError } from "./errors.ts";

/** How a user's name reaches AWS besides the session name. Both are off by default: a role's trust policy must allow them. */
export interface IdentityTags {
  /** Sends the user's session name as SourceIdentity (needs `sts:SetSourceIdentity`), which sticks through later roles. */
  readonly sourceIdentity: boolean;
  /** Sends the user's name as a session tag with this key (needs `sts:TagSession`); null for none. */
  readonly userTag: string | null;
}

/** `identity_tags` as written in YAML. */
export interface IdentityTagsSpec {
  readonly source_identity?: boolean | undefined;
  readonly user_tag?: string | null | undefined;
}

type Refuse = (reason: string, hint?: string) => AwsError;

/** Checks `session_tags` against STS's rules. @throws what `refuse` makes. */
export function resolveSessionTags(
  tags: Readonly<Record<string, string>> | undefined,
  refuse: Refuse,
): Readonly<Record<string, string>> {
  const entries = Object.entries(tags ?? {});
  if (entries.length > MAX_TAGS) throw refuse(`it has ${entries.length} session_tags, ${MAX_TAGS} allowed`);
  const seen = new Set<string>();
  for (const [key, value] of entries) {
    refuseBadKey(key, "session tag", refuse);
    // STS compares tag keys without regard to case.
    if (seen.has(key.toLowerCase())) throw refuse(`session tag ${JSON.stringify(key)} is there twice`);
    seen.add(key.toLowerCase());
    if (typeof value !== "string" || !TAG_VALUE.test(value)) {
      throw refuse(`the value of session tag ${JSON.stringify(key)} is not one that STS takes`, TAG_HINT);
    }
  }
  return Object.freeze(Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** Checks `identity_tags`; absent means off. @throws what `refuse` makes. */
export function resolveIdentityTags(
  spec: IdentityTagsSpec | undefined,
  sessionTags: Readonly<Record<string, string>>,
  refuse: Refuse,
): IdentityTags {
  const userTag = spec?.user_tag ?? null;
  if (userTag !== null) {
    refuseBadKey(userTag, "user_tag", refuse);
    if (Object.keys(sessionTags).some((key) => key.toLowerCase() === userTag.toLowerCase())) {
      throw refuse(`user_tag ${JSON.stringify(userTag)} is also one of its session_tags`);
    }
    if (Object.keys(sessionTags).length === MAX_TAGS)
      throw refuse(`user_tag makes ${MAX_TAGS + 1} tags, ${MAX_TAGS} allowed`);
  }
  return Object.freeze({ sourceIdentity: spec?.source_identity ?? false, userTag });
}

const MAX_TAGS = 50;
const TAG_KEY = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u;
const TAG_VALUE = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u;
const TAG_HINT = "use letters, digits, spaces and _ . : / = + - @";

function refuseBadKey(key: string, what: string, refuse: Refuse): void {
  if (!TAG_KEY.test(key) || /^aws:/i.test(key))
    throw refuse(`${what} ${JSON.stringify(key)} is not a tag key that STS takes`, TAG_HINT);
}
