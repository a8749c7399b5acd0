/** Answers of list operations, with what the caller may not know of left out and the list going on where it should. */

import { Buffer } from "node:buffer";
import { type JsonObject, type JsonValue, parseJson } from "../base/json.ts";
import { printJson } from "../base/json-print.ts";
import { AccessList } from "../dynamodb/access.ts";
import { cursorOfEntry, entriesOf, type Listing, LISTINGS, tableOfCursor, tableOfEntry } from "../dynamodb/listings.ts";
import type { DynamoRequest } from "../dynamodb/request.ts";
import { tableByName } from "../dynamodb/resource-arn.ts";
import type { Caller } from "./authenticate.ts";
import { type Circumstances, policyInput } from "./facts.ts";
import { Refusal } from "./refusal.ts";
import type { DecisionPoint } from "./state.ts";

/** Pages that one request may make us ask for: ten thousand tables, AWS's own limit for an account. */
const MOST_PAGES = 100;
const LARGEST_PAGE = 100;

/** Sends the request again from another place in the list, and gives the answer's body. */
export type NextPage = (body: Uint8Array) => Promise<Uint8Array>;

/**
 * The body with hidden entries left out; undefined when nothing is hidden. A list that would go on behind a hidden entry,
 * also one that DynamoDB itself left out, goes on behind the last visible one of the page; while a page shows nothing and there is more,
 * the next is asked for.
 *
 * @throws Refusal when the answer cannot be read, or there are too many pages of hidden entries
 */
export async function filtered(
  policy: DecisionPoint,
  caller: Caller,
  circumstances: Circumstances,
  request: DynamoRequest,
  body: Uint8Array,
  nextPage: NextPage,
): Promise<Uint8Array | undefined> {
  const listing = LISTINGS.get(request.operation.name);
  if (listing === undefined) return undefined;
  let page = body;
  for (let pages = 1; pages <= MOST_PAGES; pages++) {
    const answer = answerOf(page);
    const isVisible = (table: string | undefined): boolean =>
      table !== undefined && mayKnow(policy, caller, circumstances, request, table, listing);
    const entries = entriesOf(answer, listing) ?? [];
    const visible = entries.filter((entry) => isVisible(tableOfEntry(entry, listing)));
    const goesOn = hasCursor(answer, listing);
    const isHidden = goesOn && !isVisible(tableOfCursor(answer, listing));
    if (visible.length === entries.length && !isHidden) return pageOf(pages, page);
    if (visible.length > 0 || !goesOn) {
      const shown = new Map<string, JsonValue>(answer).set(listing.entries, visible);
      return printed(isHidden ? withCursor(shown, answer, visible, listing) : shown);
    }
    page = await nextPage(Buffer.from(printJson(continued(request.params, answer, listing))));
  }
  throw new Refusal(
    "overloaded",
    `More than ${MOST_PAGES} pages of ${request.operation.name} show nothing that this user may see`,
    "ServiceUnavailable",
  );
}

/** The first page is passed on as it came. */
function pageOf(pages: number, page: Uint8Array): Uint8Array | undefined {
  return pages === 1 ? undefined : page;
}

function mayKnow(
  policy: DecisionPoint,
  caller: Caller,
  circumstances: Circumstances,
  { operation }: DynamoRequest,
  table: string,
  listing: Listing,
): boolean {
  const accesses = new AccessList(operation.name);
  const facts = { keys: [], complete: true };
  accesses.add(`dynamodb:${operation.name}`, tableByName(table, null, caller.facts.place, listing.entries), facts);
  return policy.visible(policyInput(caller, accesses.all(), circumstances));
}

function answerOf(body: Uint8Array): JsonObject {
  try {
    const answer = parseJson(body);
    if (answer instanceof Map) return answer as JsonObject;
  } catch (cause) {
    throw unreadable(cause);
  }
  throw unreadable(undefined);
}

function unreadable(cause: unknown): Refusal {
  return new Refusal("upstream_broken", "DynamoDB's answer could not be read", "InternalServerError", { cause });
}

function hasCursor(answer: JsonObject, { cursor }: Listing): boolean {
  return cursor !== null && answer.has(cursor.last);
}

/** The answer going on behind a visible entry, instead of behind what is hidden. */
function withCursor(
  shown: Map<string, JsonValue>,
  answer: JsonObject,
  visible: readonly JsonValue[],
  listing: Listing,
): JsonObject {
  const cursors = visible.map((entry) => cursorOfEntry(entry, listing)).filter((cursor) => cursor !== undefined);
  const last = entriesOf(answer, listing)?.at(-1);
  const isInOrder = last !== undefined && cursorOfEntry(last, listing) === answer.get(listing.cursor?.last ?? "");
  // DynamoDB Local's pages of streams stand in another order than the list goes on in, which is that of their ARNs. Behind
  // an earlier entry much would come again.
  const cursor = isInOrder ? cursors.at(-1) : cursors.toSorted().at(-1);
  if (listing.cursor !== null && cursor !== undefined) shown.set(listing.cursor.last, cursor);
  return shown;
}

/** The request from where the answer ended, for a page as large as there is. */
function continued(params: JsonObject, answer: JsonObject, { cursor }: Listing): JsonObject {
  const next = new Map<string, JsonValue>(params);
  if (cursor !== null) next.set(cursor.start, answer.get(cursor.last) ?? null);
  // Not more than the client takes: whatever comes back is passed on whole.
  const limit = params.get("Limit");
  next.set("Limit", typeof limit === "number" ? Math.min(limit, LARGEST_PAGE) : LARGEST_PAGE);
  return next;
}

function printed(answer: JsonObject): Uint8Array {
  return Buffer.from(printJson(answer));
}
