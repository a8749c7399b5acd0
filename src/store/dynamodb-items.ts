/** What the store's table in DynamoDB holds: resources, the feed of changes, and the counter that orders them. */

import { Buffer } from "node:buffer";
import type { CheckedWrite } from "./checks.ts";
import type { Change, StoredResource, StoredValue } from "./store.ts";

/** DynamoDB's form of a string and a number. */
export type Attribute = { readonly S: string } | { readonly N: string };
export type Item = Readonly<Record<string, Attribute>>;

/** No kind can have these names. */
const META = "#meta";
const FEED = "#changes";

/** The item whose number orders all writes: each transaction that changes something raises it. */
export const COUNTER_KEY = { pk: { S: META }, sk: { S: "counter" } };

/** How long changes stay for those who watch. They hold values, also of what was removed. */
const FEED_KEPT_S = 3600;
/** Expired items stay this long, for clocks that differ. */
const EXPIRED_KEPT_S = 3600;
/** Bytes of one item of the feed, well below DynamoDB's 400 KB. */
const MAX_FEED_BYTES = 380_000;
const DIGITS = 16;

/** A change as the feed has it; without a revision the resource is gone. */
interface FeedEntry {
  readonly kind: string;
  readonly name: string;
  readonly revision?: string;
  readonly value?: StoredValue;
  readonly expiresAt?: number;
}

export function keyOf(kind: string, name: string): Item {
  return { pk: { S: kind }, sk: { S: name } };
}

export function toItem(resource: StoredResource, text: string): Item {
  const { kind, name, revision, expiresAt } = resource;
  return {
    ...keyOf(kind, name),
    json: { S: text },
    revision: { S: revision },
    ...(expiresAt !== undefined && {
      expires_at: { N: String(expiresAt) },
      ttl: { N: String(Math.ceil(expiresAt / 1000) + EXPIRED_KEPT_S) },
    }),
  };
}

/** The resource of an item, or `undefined` when it has expired or is none. */
export function toResource(item: Item, now: number): StoredResource | undefined {
  const kind = stringOf(item, "pk");
  if (kind === META || kind === FEED || !isAlive(item, now)) return undefined;
  return {
    kind,
    name: stringOf(item, "sk"),
    value: JSON.parse(stringOf(item, "json")) as StoredValue,
    revision: stringOf(item, "revision"),
    ...(item["expires_at"] !== undefined && { expiresAt: numberOf(item, "expires_at") }),
  };
}

/** Whether an item's time has not run out; DynamoDB itself removes it hours or days later. */
export function isAlive(item: Item, now: number): boolean {
  return item["expires_at"] === undefined || numberOf(item, "expires_at") >= now;
}

/** The changes of one call as items of the feed, numbered from `first`; several when they are large. */
export function toFeed(
  checked: readonly CheckedWrite[],
  revisions: ReadonlyMap<CheckedWrite, string>,
  now: number,
): ((seq: number) => Item)[] {
  const parts: string[][] = [];
  let bytes = Infinity;
  for (const one of checked) {
    const { write, text } = one;
    if (write.op === "expect") continue;
    const { kind, name } = write;
    const revision = revisions.get(one);
    const expiresAt = "expiresAt" in write ? write.expiresAt : undefined;
    const entry = JSON.stringify({ kind, name, revision, expiresAt });
    // The value's text as it is: it was made once.
    const whole = text === undefined ? entry : `${entry.slice(0, -1)},"value":${text}}`;
    const size = Buffer.byteLength(whole) + 1;
    if (bytes + size > MAX_FEED_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    bytes += size;
    parts.at(-1)?.push(whole);
  }
  const ttl = { N: String(Math.ceil(now / 1000) + FEED_KEPT_S) };
  return parts.map((entries) => (seq) => ({ ...feedKey(seq), changes: { S: `[${entries.join(",")}]` }, ttl }));
}

/** The changes that an item of the feed tells of. */
export function fromFeed(item: Item, now: number): { readonly seq: number; readonly changes: Change[] } {
  const entries = JSON.parse(stringOf(item, "changes")) as FeedEntry[];
  const changes = entries.map(({ kind, name, revision, value, expiresAt }): Change => {
    if (revision === undefined || value === undefined) return { kind, name };
    if (expiresAt !== undefined && expiresAt < now) return { kind, name };
    return { kind, name, resource: { kind, name, value, revision, ...(expiresAt !== undefined && { expiresAt }) } };
  });
  return { seq: Number(stringOf(item, "sk")), changes };
}

/** The query for the feed's items from one number to another. */
export function feedBetween(first: number, last: number): object {
  return {
    KeyConditionExpression: "pk = :feed AND sk BETWEEN :first AND :last",
    ExpressionAttributeValues: { ":feed": { S: FEED }, ":first": feedKey(first)["sk"], ":last": feedKey(last)["sk"] },
  };
}

/** What a scan leaves out. */
export const ALL_BUT_FEED = { FilterExpression: "pk <> :feed", ExpressionAttributeValues: { ":feed": { S: FEED } } };

export function numberOf(item: Item, name: string): number {
  const attribute = item[name];
  return attribute !== undefined && "N" in attribute ? Number(attribute.N) : Number.NaN;
}

function stringOf(item: Item, name: string): string {
  const attribute = item[name];
  if (attribute !== undefined && "S" in attribute) return attribute.S;
  throw new TypeError(`An item of the table has no "${name}"`);
}

function feedKey(seq: number): Item {
  return keyOf(FEED, String(seq).padStart(DIGITS, "0"));
}
