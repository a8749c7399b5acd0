/** What policy is told of a request, held against what the request does; and lies about it, which must be noticed. */

import { Buffer } from "node:buffer";
import { type Access, understand } from "../../../src/dynamodb/accesses.ts";
import { OPERATIONS } from "../../../src/dynamodb/catalogue.ts";
import { schemaOfAnswer } from "../../../src/dynamodb/describe.ts";
import type { SchemaLookup, TableSchema } from "../../../src/dynamodb/key-schema.ts";
import { parseRequest } from "../../../src/dynamodb/request.ts";
import { RequestError } from "../../../src/dynamodb/request-error.ts";
import type { Answer, Dynamo } from "./dynamo.ts";
import { leaks, run, type Run } from "./oracle.ts";
import type { Random } from "./random.ts";
import type { SentRequest } from "./requests.ts";
import type { Kind } from "./roles.ts";
import { areCurrent, itemsIn, namesIn } from "./shown.ts";
import { INDEXES, partitionOf, TABLES } from "./tables.ts";
import { type Taking, Told } from "./told.ts";
import type { World } from "./world.ts";

const PLACE = {
  partition: "aws",
  region: "us-east-1",
  accountId: "123456789012",
  aliases: [{ region: "ddblocal", accountId: "000000000000" }],
};

/** What DynamoDB says of the keys of its tables. */
export async function schemasOf(dynamo: Dynamo): Promise<SchemaLookup> {
  const known = new Map<string, TableSchema>();
  for (const { TableName } of TABLES) {
    const answer = await dynamo.must("DescribeTable", { TableName });
    const schema = schemaOfAnswer(Buffer.from(JSON.stringify(answer)), TableName);
    if (schema === undefined) throw new Error(`Cannot read the keys of ${TableName}`);
    known.set(TableName, schema);
  }
  return { schemaOf: (table) => known.get(table) };
}

/** What policy would be told of a request, or why it is refused. @throws Error when the bytes are not what was parsed */
export function accessesOf({ operation, body }: SentRequest, schemas: SchemaLookup): readonly Access[] | RequestError {
  const row = OPERATIONS.find(({ name }) => name === operation);
  if (row === undefined) throw new Error(`There is no operation ${operation}`);
  const bytes = body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
  const before = Buffer.from(bytes);
  try {
    const { accesses } = understand(parseRequest(row, bytes), PLACE, schemas);
    if (!bytes.equals(before)) throw new Error("What is sent must be what was parsed");
    return accesses;
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
}

/** Runs a request and holds everything that policy was told against it: what is wrong, as sentences, and the answer. */
export async function examine(
  dynamo: Dynamo,
  { operation, body }: SentRequest,
  accesses: readonly Access[],
  world: World,
  random: Random,
  taking: Partial<Taking> = {},
): Promise<{ readonly faults: string[]; readonly answer: Answer }> {
  const send = (): Promise<Answer> => dynamo.call(operation, body);
  const bounds = new Told(accesses, { by: random.pick(["attributes", "reads"]), scans: true, ...taking });
  const first = await run(dynamo, send, world);
  const faults = [...(await leaks(dynamo, send, bounds, first, random)), ...misstated(accesses, first)];
  return { faults, answer: first.answer };
}

/** What was told of the answer and of what became of items, and is not so. */
function misstated(accesses: readonly Access[], { answer, before, after }: Run): string[] {
  const faults = misattributed(accesses);
  const shown = itemsIn(answer);
  const names = namesIn(shown);
  const amountsTo = (action: string): boolean =>
    accesses.some((access) => access.action === action || access.effects.includes(action));
  if (accesses.every((access) => access.level === "write" || amountsToCheck(access))) {
    const returned = new Set(accesses.map((access) => access.return_values));
    const [only] = [...returned].filter((value) => value !== "NONE");
    if (shown.length > 0 && only === undefined) faults.push("a write shows what it was not said to return");
    if (returned.size <= 2 && only?.startsWith("UPDATED_") === true) {
      const written = topsOf(accesses.flatMap(({ writes }) => writes));
      for (const name of names) if (!written.has(name)) faults.push(`${only} shows ${name}, which is not written`);
    }
    if (returned.size === 1 && only === "UPDATED_NEW" && !areCurrent(shown, after)) faults.push("what is shown is old");
    if (shown.length > 0 && !amountsTo("dynamodb:GetItem"))
      faults.push("a write that shows items has not the effect of GetItem");
  }
  // Of PartiQL's selects the answer calls what is inside an attribute by its last name.
  if (accesses.every((access) => access.attributes_known && access.action !== "dynamodb:PartiQLSelect")) {
    const known = topsOf(accesses.flatMap(({ attributes }) => attributes));
    for (const name of names) if (!known.has(name)) faults.push(`${name} is shown, though it was not told`);
  }
  const [first] = accesses;
  if (answer["Count"] !== undefined && (first?.select === "COUNT") !== (answer["Items"] === undefined))
    faults.push(`select is said to be ${String(first?.select)}`);
  for (const [table, items] of before) {
    const now = after.get(table);
    if ([...items.keys()].some((id) => now?.has(id) === false) && !amountsTo("dynamodb:DeleteItem"))
      faults.push(`an item of ${table} is gone without the effect of DeleteItem`);
    const isNew = [...(now?.keys() ?? [])].some((id) => !items.has(id));
    if (isNew && !amountsTo("dynamodb:PutItem") && !amountsTo("dynamodb:UpdateItem"))
      faults.push(`an item of ${table} is new without the effect of PutItem or UpdateItem`);
  }
  return faults;
}

/** Where an access says of an index's keys whose they are, though the index is made otherwise. */
function misattributed(accesses: readonly Access[]): string[] {
  return accesses.flatMap(({ table, index, own_keys }) => {
    const partition = index === null ? undefined : INDEXES[index]?.partition;
    const own = partition === undefined || (partition.length === 1 && partition[0] === partitionOf(table ?? "", null));
    return own_keys === null || own_keys === own ? [] : [`keys of ${table} ${index} are said to be own: ${own_keys}`];
  });
}

function amountsToCheck({ action, effects }: Access): boolean {
  return action === "dynamodb:ConditionCheckItem" || effects.includes("dynamodb:ConditionCheckItem");
}

/** The attributes in which paths lie. */
function topsOf(paths: readonly string[]): Set<string> {
  return new Set(
    paths.map((path) =>
      path.startsWith("`") ? path.slice(1, path.indexOf("`", 1)) : (path.split(/[.[]/, 1)[0] ?? path),
    ),
  );
}

/** Something false to say of an access, of lists about one element; undefined where it would be no lie. */
export type Lie = (access: Access, at: number) => Access | undefined;

/** Lies, each of which must be noticed; with the member of rules by which it would do harm, if there is one. */
export const LIES: Readonly<Record<string, { readonly harms?: Kind; readonly of: Lie }>> = {
  "a read attribute is left out": {
    harms: "attributes",
    of: (access, at) => (access.attributes_known ? without(access, "reads", at) : undefined),
  },
  "a read attribute is said to be only written": {
    harms: "attributes",
    of: (access, at) => {
      if (!access.attributes_known || access.level !== "write" || access.reads.length === 0) return undefined;
      const { reads = access.reads } = without(access, "reads", at) ?? {};
      return { ...access, reads, writes: [...access.writes, ...access.reads.filter((name) => !reads.includes(name))] };
    },
  },
  "a written attribute is left out": {
    harms: "attributes",
    of: (access, at) => (access.attributes_known && !access.whole_item ? without(access, "writes", at) : undefined),
  },
  "all attributes are said to be known": {
    harms: "attributes",
    of: (access) => (access.attributes_known ? undefined : { ...access, attributes_known: true }),
  },
  "items are said to stay": {
    harms: "attributes",
    of: (access) => (access.whole_item ? { ...access, whole_item: false } : undefined),
  },
  "a partition is left out": {
    harms: "leading_keys",
    of: (access, at) => (access.keys_known ? without(access, "leading_keys", at) : undefined),
  },
  "keys are said to be known": {
    harms: "leading_keys",
    of: (access) => (access.keys_known ? undefined : { ...access, keys_known: true, leading_keys: ["ka"] }),
  },
  "an index's keys are said to be the table's own": {
    harms: "leading_keys",
    of: (access) => (access.keys_known && access.own_keys === false ? { ...access, own_keys: true } : undefined),
  },
  "a scan is said to be none": {
    harms: "full_scan",
    of: (access) => (access.full_scan && !access.keys_known ? { ...access, full_scan: false } : undefined),
  },
  "nothing is said to be returned": {
    harms: "return_values",
    of: (access) => (access.return_values === "NONE" ? undefined : { ...access, return_values: "NONE" }),
  },
  "new values are said to be returned": {
    harms: "return_values",
    of: (access) => (access.return_values === "UPDATED_OLD" ? { ...access, return_values: "UPDATED_NEW" } : undefined),
  },
  "a count is said to show items": {
    of: (access) => (access.select === "COUNT" ? { ...access, select: null } : undefined),
  },
  "effects are left out": {
    harms: "actions",
    of: (access) =>
      ["dynamodb:GetItem", "dynamodb:DeleteItem"].some((effect) => access.effects.includes(effect)) &&
      access.level === "write"
        ? { ...access, effects: [] }
        : undefined,
  },
};

function without(access: Access, list: "reads" | "writes" | "leading_keys", at: number): Access | undefined {
  if (access[list].length === 0) return undefined;
  const left = access[list][at % access[list].length];
  const others = (names: readonly string[]): string[] => names.filter((name) => name !== left);
  const less = { ...access, [list]: others(access[list]) };
  return list === "leading_keys" ? less : { ...less, attributes: others(access.attributes) };
}
