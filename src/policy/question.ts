/** A question to policy: as JSON text, and as what it has in common with others. */

import { EvaluationFault } from "./evaluation-fault.ts";
import type { PolicyAccess, PolicyInput } from "./input.ts";

/** What is evaluated. Its input is the text's members and those that are shared. */
export interface Question {
  readonly shared: readonly SharedMember[];
  /** The input, when it is one of ours: others may be like it. */
  readonly input?: PolicyInput;
  /** A JSON object without the shared members. @throws EvaluationFault when a text is not well-formed Unicode, or the whole too long */
  readonly text: () => string;
}

/** A member of the input that is frozen all the way down: the policy's memory keeps it from one question to the next. */
export interface SharedMember {
  readonly name: string;
  readonly value: object;
}

/** The question that an input asks. */
export function questionOfInput(input: PolicyInput): Question {
  const { user, database } = input;
  if (!Object.isFrozen(user) || !Object.isFrozen(database)) return questionOf(input);
  return {
    shared: [
      { name: "user", value: user },
      { name: "database", value: database },
    ],
    input,
    text: () => inputText(input),
  };
}

/** What differs between inputs that are alike, in the order in which the text has it. */
export function valuesOf({ time, client, db_user, request }: PolicyInput): string[] {
  const values = [time, client.ip, client.user_agent, db_user, request.id];
  for (const { leading_keys } of request.accesses) for (const key of leading_keys) values.push(key);
  return values;
}

/** The input with other values, as many as it has. */
export function withValues(input: PolicyInput, values: readonly string[]): PolicyInput {
  const left = [...values];
  const next = (): string => left.shift() ?? "";
  const { request } = input;
  return {
    ...input,
    time: next(),
    client: { ip: next(), user_agent: next() },
    db_user: next(),
    request: {
      ...request,
      id: next(),
      accesses: request.accesses.map((access) => ({ ...access, leading_keys: access.leading_keys.map(next) })),
    },
  };
}

/** Whether two inputs are equal but for their values and what they share. A test changes every member of the schema. */
export function areAlike(one: PolicyInput, other: PolicyInput): boolean {
  const [mine, others] = [one.request.accesses, other.request.accesses];
  if (one.version !== other.version || one.request.service !== other.request.service) return false;
  if (one.request.operation !== other.request.operation || mine.length !== others.length) return false;
  for (let at = 0; at < mine.length; at++) if (!areAlikeAccesses(mine[at], others[at])) return false;
  return true;
}

function areAlikeAccesses(one: PolicyAccess | undefined, other: PolicyAccess | undefined): boolean {
  return (
    one !== undefined &&
    other !== undefined &&
    one.table === other.table &&
    one.arn === other.arn &&
    one.index === other.index &&
    one.action === other.action &&
    one.level === other.level &&
    one.via === other.via &&
    one.keys_known === other.keys_known &&
    one.leading_keys.length === other.leading_keys.length &&
    one.own_keys === other.own_keys &&
    one.attributes_known === other.attributes_known &&
    one.select === other.select &&
    one.return_values === other.return_values &&
    one.whole_item === other.whole_item &&
    one.full_scan === other.full_scan &&
    one.consistent === other.consistent &&
    areSame(one.attributes, other.attributes) &&
    areSame(one.reads, other.reads) &&
    areSame(one.writes, other.writes) &&
    areSame(one.effects, other.effects)
  );
}

function areSame(one: readonly string[] | undefined, other: readonly string[] | undefined): boolean {
  if (one === other) return true;
  if (one === undefined || other === undefined || one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (one[at] !== other[at]) return false;
  return true;
}

/** The text that JSON.stringify would write, at a third of its cost. bench: policy/decide, −12 %. */
function inputText({ version, time, client, db_user, request }: PolicyInput): string {
  let accesses = "";
  for (const access of request.accesses) accesses += accesses === "" ? accessText(access) : `,${accessText(access)}`;
  return bounded(
    `{"version":${version},"time":${quoted(time)},"client":{"ip":${quoted(client.ip)},` +
      `"user_agent":${quoted(client.user_agent)}},"db_user":${quoted(db_user)},"request":{` +
      `"service":"${request.service}","operation":${quoted(request.operation)},"id":${quoted(request.id)},` +
      `"accesses":[${accesses}]}}`,
  );
}

/** The question that any object asks. Members that are frozen must be so all the way down: they are shared. */
export function questionOf(input: object): Question {
  const shared: SharedMember[] = [];
  let text = "";
  for (const [name, value] of Object.entries(input) as [string, unknown][]) {
    if (typeof value === "object" && value !== null && Object.isFrozen(value)) {
      shared.push({ name, value });
      continue;
    }
    const member = documentText(value);
    if (member !== undefined) text += `${text === "" ? "" : ","}${JSON.stringify(name)}:${member}`;
  }
  const whole = bounded(`{${text}}`);
  return { shared, text: () => whole };
}

/**
 * A document as JSON, when it is well formed and not too deep; undefined for what JSON leaves out.
 *
 * @throws EvaluationFault
 */
export function documentText(value: unknown): string | undefined {
  if (deeperThan(MAX_DEPTH, value)) throw new EvaluationFault("policy_failed", "the input is nested too deep");
  const text = JSON.stringify(value) as string | undefined;
  if (text !== undefined) requireWellFormed(text);
  return text;
}

/** Deeper than any input of ours; OPA's parser would recurse as deep as a client's nesting. */
const MAX_DEPTH = 16;
/** Longer than any input of ours: 100 accesses with keys of 2 KB that are all escapes. */
const MAX_INPUT_CHARS = 4 * 1024 * 1024;

function bounded(text: string): string {
  if (text.length > MAX_INPUT_CHARS) throw new EvaluationFault("policy_failed", "the input is too long");
  return text;
}

/** The members in the order in which the request model has them; a test holds this against JSON.stringify. */
function accessText(access: PolicyAccess): string {
  const effects = access.effects === undefined ? "" : `,"effects":${listText(access.effects)}`;
  return (
    `{"action":${quoted(access.action)},"level":"${access.level}","via":${quoted(access.via)},` +
    `"table":${orNull(access.table)},"index":${orNull(access.index)},"arn":${quoted(access.arn)},` +
    `"keys_known":${access.keys_known},"leading_keys":${listText(access.leading_keys)},"own_keys":${access.own_keys},` +
    `"attributes_known":${access.attributes_known},"attributes":${listText(access.attributes)},` +
    `"reads":${listText(access.reads)},"writes":${listText(access.writes)},"select":${orNull(access.select)},` +
    `"return_values":${quoted(access.return_values)},"whole_item":${access.whole_item},` +
    `"full_scan":${access.full_scan},"consistent":${access.consistent}${effects}}`
  );
}

function listText(values: readonly string[]): string {
  if (values.length === 0) return "[]";
  let text = "";
  for (const value of values) text += text === "" ? quoted(value) : `,${quoted(value)}`;
  return `[${text}]`;
}

function orNull(value: string | null): string {
  return value === null ? "null" : quoted(value);
}

/** Nothing in it that JSON escapes, and no surrogate. */
const PLAIN = /^[ !#-[\]-\ud7ff\ue000-\uffff]*$/;

function quoted(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  const text = JSON.stringify(value);
  requireWellFormed(text);
  return text;
}

/** JSON.stringify writes a lone surrogate, and nothing else, as \ud800 to \udfff; OPA's parser would throw at it. */
function requireWellFormed(text: string): void {
  if (text.includes("\\ud") && LONE_SURROGATE.test(text)) {
    throw new EvaluationFault("policy_failed", "the input holds text that is not well-formed Unicode");
  }
}

/** An escape that is not itself the second half of an escaped backslash. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

function deeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object" && deeperThan(levels - 1, item)) return true;
    return false;
  }
  for (const key in value) {
    const item: unknown = (value as Record<string, unknown>)[key];
    if (typeof item === "object" && deeperThan(levels - 1, item)) return true;
  }
  return false;
}
