/** The bounds of a request by what its caller's roles promise, read from the roles' documents and nothing else. */

import type { Bounds } from "./bounds.ts";
import { plainText } from "./keys.ts";
import { tableOf, type Request } from "./requests.ts";
import { LEVELS, type Person, type Rule } from "./roles.ts";
import { literalsOf } from "./statements.ts";
import { partitionOf, within } from "./tables.ts";
import type { Item, Value } from "./world.ts";

/** One thing that a request does to one table or index. */
export interface Touch {
  readonly action: string;
  readonly table: string;
  readonly index: string | null;
  /** Actions that do the same: who is denied one of them is denied this. */
  readonly same: readonly string[];
  readonly writes: boolean;
  /** It asks for the item that it changes or meets. */
  readonly asks: boolean;
}

type Body = Readonly<Record<string, unknown>>;

const SAME: Readonly<Record<string, readonly string[]>> = {
  BatchGetItem: ["GetItem"],
  PutItem: ["PartiQLInsert"],
  UpdateItem: ["PartiQLUpdate"],
  DeleteItem: ["PartiQLDelete"],
  PartiQLSelect: ["GetItem", "Query", "Scan"],
  PartiQLInsert: ["PutItem"],
  PartiQLUpdate: ["UpdateItem"],
  PartiQLDelete: ["DeleteItem"],
};

/** What a request does, part by part. */
export function touchesOf({ operation, body }: Request): Touch[] {
  switch (operation) {
    case "BatchGetItem":
      return Object.keys(body["RequestItems"] as Body).map((table) => touch(operation, table, {}));
    case "BatchWriteItem":
      return Object.entries(body["RequestItems"] as Record<string, Body[]>).map(([table, writes]) => {
        const kinds = new Set(writes.map((write) => ("PutRequest" in write ? "PutItem" : "DeleteItem")));
        return touch(
          operation,
          table,
          {},
          [...kinds].flatMap((kind) => [kind, ...(SAME[kind] ?? [])]),
        );
      });
    case "TransactGetItems":
    case "TransactWriteItems":
      return (body["TransactItems"] as Record<string, Body>[]).flatMap((parts) =>
        Object.entries(parts).map(([kind, part]) =>
          touch(kind === "Get" ? "GetItem" : `${kind}Item`, part["TableName"], part),
        ),
      );
    case "ExecuteStatement":
      return [statementTouch(body, [])];
    case "BatchExecuteStatement":
      return (body["Statements"] as Body[]).map((each) =>
        statementTouch(each, [(each["Statement"] as string).startsWith("SELECT") ? "BatchGetItem" : "BatchWriteItem"]),
      );
    case "ExecuteTransaction":
      return (body["TransactStatements"] as Body[]).map((each) => statementTouch(each, []));
    default:
      return [touch(operation, body["TableName"], body)];
  }
}

function touch(action: string, table: unknown, part: Body, same: readonly string[] = SAME[action] ?? []): Touch {
  const returned = [part["ReturnValues"], part["ReturnValuesOnConditionCheckFailure"]];
  return {
    action,
    table: tableOf(table),
    index: (part["IndexName"] as string | undefined) ?? null,
    same: [action, ...same],
    writes: LEVELS["write"]?.includes(action) === true,
    asks: returned.some((value) => value !== undefined && value !== "NONE"),
  };
}

function statementTouch(part: Body, same: readonly string[]): Touch {
  const text = part["Statement"] as string;
  const exists = text.startsWith("EXISTS");
  const [, kind = "SELECT"] = /^(SELECT|INSERT|UPDATE|DELETE)/.exec(text) ?? [];
  const action = `PartiQL${kind.charAt(0)}${kind.slice(1).toLowerCase()}`;
  const [, table, index] = /(?:FROM|INTO|UPDATE) "?(\w+)"?(?:\."([\w-]+)")?/.exec(text) ?? [];
  const made = touch(action, table, part);
  return {
    ...made,
    index: index ?? null,
    same: [...made.same, ...same, ...(exists ? ["ConditionCheckItem"] : [])],
    asks: made.asks || text.includes("RETURNING"),
  };
}

/** Values that a request names anywhere: partitions that it does not name it can meet in a scan only. */
function valuesNamed(node: unknown, found: Set<string> = new Set()): Set<string> {
  if (Array.isArray(node)) for (const each of node) valuesNamed(each, found);
  else if (typeof node === "object" && node !== null) {
    const text = plainText(node as Value);
    if (text !== undefined) found.add(text);
    for (const [name, each] of Object.entries(node)) {
      if (name === "Statement") for (const literal of literalsOf(each as string)) found.add(literal);
      else valuesNamed(each, found);
    }
  }
  return found;
}

/** Whether an entry of a rule matches a text: globs, with the values of traits as they stand. */
function matches(entries: readonly string[], text: string, person: Person, denies: boolean): boolean {
  return entries.some((entry) => {
    const patterns = patternsOf(entry, person);
    return patterns === undefined ? denies : patterns.some((pattern) => pattern.test(text));
  });
}

/** Undefined when the trait that the entry needs is missing. */
function patternsOf(entry: string, person: Person): RegExp[] | undefined {
  const [, before = "", trait, after = ""] = /^(.*)\{\{external\.(\w+)\}\}(.*)$/.exec(entry) ?? [];
  if (trait === undefined) return [new RegExp(`^${glob(entry)}$`)];
  return person.traits[trait]?.map((value) => new RegExp(`^${glob(before)}${literal(value)}${glob(after)}$`));
}

function glob(text: string): string {
  return text.split("*").map(literal).join(".*");
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** Paths that an entry of `attributes` stands for; undefined when its trait is missing. */
function pathsOf(entry: string, person: Person): readonly string[] | undefined {
  const trait = /^\{\{external\.(\w+)\}\}$/.exec(entry)?.[1];
  return trait === undefined ? [entry] : person.traits[trait];
}

function covers(entry: string, path: string): boolean {
  return entry.endsWith("*") ? path.startsWith(entry.slice(0, -1)) : path === entry || within(path, entry);
}

function meets(entry: string, path: string): boolean {
  return covers(entry, path) || within(entry.replace(/\*$/, ""), path);
}

export class Promises implements Bounds {
  readonly #person: Person;
  readonly #touches: readonly {
    readonly touch: Touch;
    readonly allow: readonly Rule[];
    readonly deny: readonly Rule[];
    /** Denials of reading some attributes: a write must not test or copy these, though it may change them. */
    readonly unread: readonly Rule[];
  }[];
  readonly #named: ReadonlySet<string>;

  /** @param shows whether the answer shows an item, so that who is denied GetItem must not have got it */
  constructor(person: Person, request: Request, shows: boolean) {
    this.#person = person;
    this.#named = valuesNamed(request.body);
    this.#touches = touchesOf(request).map((each) => ({
      touch: each,
      allow: allowing(person, each),
      deny: denying(person, shows && each.asks ? { ...each, same: [...each.same, "GetItem"] } : each),
      unread: each.writes
        ? denying(person, { ...each, same: ["GetItem"] }).filter((rule) => rule.attributes !== undefined)
        : [],
    }));
  }

  placeOf(table: string, item: Item): string {
    return this.#touches
      .map(({ touch: each, allow, deny, unread }) =>
        each.table === table
          ? [
              ...allow.map((rule) => this.#lies(rule, each, item, false)),
              ...[...deny, ...unread].map((rule) => this.#lies(rule, each, item, true)),
            ].join(",")
          : "-",
      )
      .join(" ");
  }

  reaches(table: string, item: Item): boolean {
    return this.#cells(table, item).length > 0;
  }

  knows(table: string, item: Item, path: string): boolean {
    return this.#cells(table, item).some(
      ({ allow, deny, unread }) =>
        allow.some((rule) => this.#some(rule, false, (entry) => meets(entry, path))) &&
        ![...deny, ...unread].some((rule) => this.#some(rule, true, (entry) => covers(entry, path))),
    );
  }

  announces(table: string, item: Item, path: string): boolean {
    return this.#cells(table, item).some(
      ({ touch: each, allow, deny }) =>
        each.writes &&
        allow.some((rule) => this.#some(rule, false, (entry) => covers(entry, path))) &&
        !deny.some((rule) => this.#some(rule, true, (entry) => meets(entry, path))),
    );
  }

  removes(table: string, item: Item): boolean {
    return this.#cells(table, item).some(
      ({ touch: each, allow, deny }) =>
        each.writes && allow.some((rule) => rule.attributes === undefined) && deny.length === 0,
    );
  }

  /** Of each touch by which the item is within reach: the rules that allow it there, and those that deny some of it. */
  #cells(table: string, item: Item): { touch: Touch; allow: Rule[]; deny: Rule[]; unread: Rule[] }[] {
    return this.#touches.flatMap(({ touch: each, allow, deny, unread }) => {
      if (each.table !== table) return [];
      const here = allow.filter((rule) => this.#lies(rule, each, item, false));
      const against = deny.filter((rule) => this.#lies(rule, each, item, true));
      if (here.length === 0 || against.some((rule) => rule.attributes === undefined)) return [];
      const hidden = unread.filter((rule) => this.#lies(rule, each, item, true));
      return [{ touch: each, allow: here, deny: against, unread: hidden }];
    });
  }

  /** Whether the rule speaks of the place where the item lies in the table or index. */
  #lies(rule: Rule, { table, index }: Touch, item: Item, denies: boolean): boolean {
    const text = plainText(item[partitionOf(table, index)]);
    // What is not in the index is not within reach by it.
    if (text === undefined) return false;
    const isNamed = this.#named.has(text);
    if (rule.full_scan !== undefined && (denies ? rule.full_scan && isNamed : !rule.full_scan && !isNamed))
      return false;
    // A deny that names no indexes is about partitions of the table, by whatever index they are reached.
    const isOfTable = denies && rule.indexes === undefined;
    const key = isOfTable ? (plainText(item[partitionOf(table, null)]) ?? "") : text;
    return rule.leading_keys === undefined || matches(rule.leading_keys, key, this.#person, denies);
  }

  #some(rule: Rule, denies: boolean, test: (entry: string) => boolean): boolean {
    if (rule.attributes === undefined) return true;
    return rule.attributes.some((entry) => pathsOf(entry, this.#person)?.some(test) ?? denies);
  }
}

/** The rules that may allow what a touch does, whatever its keys and attributes. */
export function allowing(person: Person, touch: Touch): Rule[] {
  return person.roles.flatMap(({ allow }) =>
    (allow ?? [{ actions: ["*"] }]).filter((rule) => {
      if (!isAbout(rule, [touch.action], touch, person, false)) return false;
      if (!touch.asks && rule.return_values?.includes("NONE") === false) return false;
      if (touch.action === "PartiQLSelect") return true;
      return rule.full_scan === undefined || rule.full_scan === (touch.action === "Scan");
    }),
  );
}

/** The rules that deny what a touch does, for some keys and attributes at least. */
export function denying(person: Person, touch: Touch): Rule[] {
  return person.roles.flatMap(({ deny }) =>
    deny.filter((rule) => {
      if (!isAbout(rule, touch.same, touch, person, true)) return false;
      // What these say of what is shown is looked for in the answer.
      if (rule.return_values?.includes("NONE") === false) return false;
      return rule.full_scan !== false || (touch.action !== "Scan" && touch.action !== "PartiQLSelect");
    }),
  );
}

/** Whether the rule is about one of the actions, on this table and index. */
export function isAbout(
  rule: Rule,
  actions: readonly string[],
  touch: Pick<Touch, "table" | "index">,
  person: Person,
  denies: boolean,
): boolean {
  const { table, index } = touch;
  return (
    actions.some((action) => rule.actions.some((entry) => namesAction(entry, action))) &&
    (rule.tables === undefined || matches(rule.tables, table, person, denies)) &&
    (rule.indexes === undefined || index === null || matches(rule.indexes, index, person, denies))
  );
}

function namesAction(entry: string, action: string): boolean {
  if (LEVELS[entry]?.includes(action) === true) return true;
  return new RegExp(`^${glob(entry)}$`).test(`dynamodb:${action}`);
}
