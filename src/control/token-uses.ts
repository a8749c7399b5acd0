/** Uses of join tokens: found without telling how near a guess was, and counted by the store. */

import { createHash, timingSafeEqual } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { PosternError } from "../base/errors.ts";
import { type JoinAttempt, type JoinToken, maskedName, parseJoinToken, useJoinToken } from "../identity/join-tokens.ts";
import { isMapping } from "../identity/teleport-keys.ts";
import { isRace } from "../store/store-errors.ts";
import type { Store, StoredResource, StoredValue, Write } from "../store/store.ts";

const MAX_ATTEMPTS = 60;
const LONGEST_PAUSE_MS = 100;

/**
 * Judges a token and counts one use of it together with other writes, all or none. Whoever loses a race is judged anew.
 *
 * @param admit what else is to be judged, and the writes that belong to it; it may be called more than once
 * @throws PosternError `join_token_…`, `join_busy`, and what `admit` throws
 */
export async function useToken<T>(
  store: Store,
  name: string,
  attempt: JoinAttempt,
  admit: (token: JoinToken) => Promise<{ readonly admitted: T; readonly writes: readonly Write[] }>,
): Promise<{ readonly token: JoinToken; readonly admitted: T }> {
  for (let round = 1; ; round++) {
    const found = await findToken(store, name);
    const token = found === undefined ? undefined : parseJoinToken(found.value).value;
    const next = useJoinToken(token, attempt);
    const { admitted, writes } = await admit(next);
    try {
      await store.write([...(found === undefined ? [] : [countingWrite(found, next)]), ...writes]);
      return { token: next, admitted };
    } catch (thrown) {
      if (!isRace(thrown)) throw thrown;
      if (round >= MAX_ATTEMPTS) throw busy();
      // Many may start at the same moment, and one is in with each write.
      await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, 5 * round));
    }
  }
}

/** A token as events name it, whether or not there is one of that name. */
export async function shownToken(store: Store, name: string): Promise<string> {
  const found = await findToken(store, name).catch(() => undefined);
  const spec = isMapping(found?.value) ? found.value["spec"] : undefined;
  const method = isMapping(spec) && typeof spec["join_method"] === "string" ? spec["join_method"] : "token";
  return maskedName({ name: name.slice(0, 255), method: method as JoinToken["method"] });
}

/** Looks at every token, so that the time it takes says nothing of any. */
async function findToken(store: Store, name: string): Promise<StoredResource | undefined> {
  const wanted = digest(name);
  const found = (await store.list("token")).filter((one) => timingSafeEqual(digest(one.name), wanted));
  return found[0];
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** A token without a limit is not written, and must be there still. */
function countingWrite(
  { kind, name, value, revision, expiresAt }: StoredResource,
  { maxUses, uses }: JoinToken,
): Write {
  if (maxUses === undefined) return { op: "expect", kind, name, revision };
  const counted = { ...(value as Readonly<Record<string, StoredValue>>), status: { uses } };
  return { op: "update", kind, name, value: counted, revision, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

function busy(): PosternError {
  return new PosternError("join_busy", "Cannot join: too many others are joining at this moment", {
    hint: "try again in a while",
  });
}
