/** Join tokens as the command line makes and lists them; everything about them that is not a document's is here. */

import type { Clock } from "../base/clock.ts";
import {
  type JoinToken,
  type JoinTokenRequest,
  joinTokenDocument,
  newJoinToken,
  parseJoinToken,
} from "../identity/join-tokens.ts";
import type { StoredValue } from "../store/store.ts";
import type { Administration } from "./administration.ts";
import type { Actor } from "./authorize.ts";

/** Makes a token of the `token` method. @throws PosternError `join_token_invalid`, `resource_exists`; DeniedError */
export async function addToken(
  administration: Administration,
  actor: Actor,
  clock: Clock,
  request: Omit<JoinTokenRequest, "now">,
): Promise<JoinToken> {
  const token = newJoinToken({ ...request, now: clock.now() });
  const value = joinTokenDocument(token) as StoredValue;
  await administration.create(actor, [{ value, positionOf: () => MADE_HERE }], { force: false });
  return token;
}

/** Tokens that can still be used, the soonest to expire first. @throws DeniedError */
export async function listTokens(administration: Administration, actor: Actor): Promise<readonly JoinToken[]> {
  const found = await administration.list(actor, "token");
  return found
    .map(({ value }) => parseJoinToken(value).value)
    .toSorted((one, other) => (one.expires ?? Infinity) - (other.expires ?? Infinity));
}

/** Nobody wrote it down anywhere. */
const MADE_HERE = { file: "command line", line: 1, column: 1 };
