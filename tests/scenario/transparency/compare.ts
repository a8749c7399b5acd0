/** Compares what the tests of a suite met directly with what they met through Postern, answer by answer and outcome by outcome. */

import type { Case, Exchange } from "./suite.ts";

/** Something that a test met otherwise. */
export interface Difference {
  readonly test: string;
  /** The operation whose answer differs; `requests` where others were sent, `outcome` where only the test's end differs. */
  readonly what: string;
  /** `STATUS TYPE: MESSAGE` of errors, `STATUS BODY` of anything else. */
  readonly direct: string;
  readonly through: string;
}

export interface Comparison {
  /** Tests that sent something. */
  readonly cases: number;
  /** Answers that came through Postern to the byte, headers included. */
  readonly same: number;
  /** Answers that Postern gave itself: the type and the words are the upstream's. */
  readonly sameRefusal: number;
  /** Tests that did not end alike. */
  readonly otherOutcomes: number;
  readonly differences: readonly Difference[];
}

/** Headers of one connection or moment; Postern streams large answers, which have no length then. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "transfer-encoding",
  "x-amzn-requestid",
  "x-postern-decision-id",
]);

/** What is different in every run, also in two direct ones; everything else is compared to the letter. */
const MASKS: readonly (readonly [RegExp, string])[] = [
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?/g, "<time>"],
  [/("[A-Za-z]*(?:DateTime|Time)": ?)\d+(?:\.\d+)?/g, "$1<time>"],
  [/\b1\d{12}\b/g, "<milliseconds>"],
  // Of backups and shards.
  [/\b0\d{13,19}-[0-9a-f]{8}\b/g, "<hex>"],
  [/\b[0-9a-f]{32}\b/g, "<hex>"],
  // Of stream records: moto counts the digits of the time.
  [/("SizeBytes": )\d+/g, "$1<size>"],
  // Sealed by Postern, and another one from the upstream every time.
  [/((?:Next)?ShardIterator": ?")[^"]*/g, "$1<iterator>"],
];

/** UUIDs, and the sequence numbers that DynamoDB Local counts on from table to table. */
const IDENTITIES = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b0{9}\d{12}\b/g;

/** What the upstream does in its own time: how often a test asks for its progress, and what it is told, is chance. */
const IN_ITS_OWN_TIME = /\.(?:Describe|List)?(?:Import|Export)/;

/** Compares two runs of the same tests. */
export function compare(direct: readonly Case[], through: readonly Case[]): Comparison {
  const tally = { cases: 0, same: 0, sameRefusal: 0, otherOutcomes: 0 };
  const differences: Difference[] = [];
  const others = new Map(through.map((each) => [each.test, each]));
  for (const one of direct) {
    const other = others.get(one.test);
    others.delete(one.test);
    if (other === undefined) {
      differences.push({ test: one.test, what: "outcome", direct: one.outcome, through: "not run" });
      continue;
    }
    if (one.exchanges.length + other.exchanges.length > 0) tally.cases += 1;
    const found = answersOf(one, other, tally);
    const [ended, endedToo] = [endOf(one), endOf(other)];
    if (ended !== endedToo) {
      tally.otherOutcomes += 1;
      // A test that met another answer may well end otherwise: that is no second difference.
      if (found.length === 0) found.push({ test: one.test, what: "outcome", direct: ended, through: endedToo });
    }
    differences.push(...found);
  }
  for (const { test, outcome } of others.values()) {
    differences.push({ test, what: "outcome", direct: "not run", through: outcome });
  }
  return { ...tally, differences };
}

function answersOf(one: Case, other: Case, tally: { same: number; sameRefusal: number }): Difference[] {
  const found: Difference[] = [];
  const [left, right] = [masked(one.exchanges), masked(other.exchanges)];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const [mine, theirs] = [left[at], right[at]];
    if (mine === undefined || theirs === undefined || sent(mine) !== sent(theirs)) {
      // Whoever was answered otherwise may go on otherwise.
      const asked = { direct: mine === undefined ? "nothing" : sent(mine), through: theirs ? sent(theirs) : "nothing" };
      if (found.length === 0) found.push({ test: one.test, what: "requests", ...asked });
      break;
    }
    const operation = mine.operation.replace(/^.*\./, "");
    const isRefusal = isOwn(theirs);
    const [got, gotToo] = [isRefusal ? said(mine) : received(mine), isRefusal ? said(theirs) : received(theirs)];
    const fault = faultOf(theirs);
    if (got === gotToo && fault === undefined) {
      if (isRefusal) tally.sameRefusal += 1;
      else tally.same += 1;
    } else {
      // Where only headers differ, what is said does not tell it.
      const [told, toldToo] = said(mine) === said(theirs) ? [got, gotToo] : [said(mine), said(theirs)];
      const end = fault === undefined ? "" : ` (${fault})`;
      found.push({ test: one.test, what: operation, direct: told, through: `${toldToo}${end}` });
    }
  }
  return found;
}

/** Whether Postern answered by itself. */
function isOwn({ headers }: Exchange): boolean {
  const id = headers?.["x-postern-decision-id"];
  return id !== undefined && headers?.["x-amzn-requestid"] === id;
}

/** What must be so of every answer through Postern, whatever the direct one is. */
function faultOf({ headers, checksum, status = 0 }: Exchange): string | undefined {
  if (headers?.["x-postern-decision-id"] === undefined) return "it names no decision";
  if (checksum === false) return "its checksum is wrong";
  if (isOwn({ headers } as Exchange) && status < 400) return "Postern made it up";
  return undefined;
}

function sent({ region, operation, request }: Exchange): string {
  return `${region} ${operation} ${request}`;
}

/** All that came, but for what belongs to one connection. */
function received({ status, headers = {}, response = "", broken = "" }: Exchange): string {
  const kept = Object.entries(headers)
    // The checksum of what is masked is another one each time: whether it is right was told when it came.
    .map(([name, value]) => (name === "x-amz-crc32" ? name : `${name}: ${value}`))
    .filter((line) => !OWN_HEADERS.has(line.replace(/:.*/, "")))
    .sort();
  return [status ?? broken, kept.join(", "), response].join(" ");
}

/** What an answer says to a client. */
function said({ status, response = "", broken = "" }: Exchange): string {
  if (status === undefined) return broken;
  try {
    const body = JSON.parse(response) as Readonly<Record<string, unknown>>;
    const type = body["__type"];
    if (typeof type === "string") {
      return `${status} ${type.replace(/^.*#/, "")}: ${String(body["message"] ?? body["Message"])}`;
    }
  } catch {
    // A digest of what was too long, or no JSON.
  }
  return `${status} ${response}`;
}

function endOf({ outcome, failure }: Case): string {
  return failure === null ? outcome : `${outcome} (${failure.kind} at ${failure.line}, ${failure.when})`;
}

/** Exchanges without what is chance. Identities are numbered in order of appearance, so that they stay distinct. */
function masked(exchanges: readonly Exchange[]): Exchange[] {
  const identities = new Map<string, string>();
  const identity = (text: string): string => {
    if (!identities.has(text)) identities.set(text, `<id ${identities.size + 1}>`);
    return identities.get(text) ?? "";
  };
  const mask = (text: string): string => {
    let clean = text.replace(IDENTITIES, identity);
    for (const [pattern, word] of MASKS) clean = clean.replace(pattern, word);
    return clean;
  };
  const clean: Exchange[] = [];
  for (const exchange of exchanges) {
    const { request, response, ...rest } = exchange;
    const masking: Exchange = {
      ...rest,
      request: mask(request),
      ...(response === undefined ? {} : { response: mask(response) }),
    };
    const before = clean.at(-1);
    if (!IN_ITS_OWN_TIME.test(exchange.operation) || (exchange.status ?? 0) >= 400) clean.push(masking);
    else if (before === undefined || sent(before) !== sent(masking)) clean.push({ ...masking, response: "<progress>" });
  }
  return clean;
}
