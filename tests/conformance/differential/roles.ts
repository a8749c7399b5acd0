/** Random roles made of rules about keys, attributes, indexes, scans and return values, and people who have them. */

import type { Random } from "./random.ts";

/** A rule as a role's document has it. */
export interface Rule {
  readonly actions: readonly string[];
  readonly tables?: readonly string[];
  readonly indexes?: readonly string[];
  readonly leading_keys?: readonly string[];
  readonly attributes?: readonly string[];
  readonly full_scan?: boolean;
  readonly return_values?: readonly string[];
}
export const KINDS = [
  "actions",
  "tables",
  "indexes",
  "leading_keys",
  "attributes",
  "full_scan",
  "return_values",
] as const;
/** A member of a rule. */
export type Kind = (typeof KINDS)[number];
/** A member of a role's rules that is not heeded. */
export type Oversight = readonly [block: "allow" | "deny", kind: Kind];

export interface Role {
  readonly name: string;
  /** Absent: the role allows every operation. */
  readonly allow?: readonly Rule[];
  readonly deny: readonly Rule[];
}
export interface Person {
  readonly name: string;
  readonly traits: Readonly<Record<string, readonly string[]>>;
  readonly roles: readonly Role[];
}

const READS = ["GetItem", "BatchGetItem", "Query", "Scan", "PartiQLSelect", "ConditionCheckItem"];
const WRITES = [
  "PutItem",
  "UpdateItem",
  "DeleteItem",
  "BatchWriteItem",
  "PartiQLInsert",
  "PartiQLUpdate",
  "PartiQLDelete",
];
/** Every action on items, and then those on tables and streams that DynamoDB Local knows. */
const ITEM_ACTIONS: readonly string[] = [...READS, ...WRITES];
const TABLE_READS = [
  "DescribeTable",
  "DescribeTimeToLive",
  "ListStreams",
  "DescribeStream",
  "GetShardIterator",
  "GetRecords",
];
const TABLE_WRITES = ["CreateTable", "UpdateTable", "DeleteTable", "UpdateTimeToLive"];
/** What levels and globs may name. */
export const ACTIONS: readonly string[] = [...ITEM_ACTIONS, ...TABLE_READS, ...TABLE_WRITES, "ListTables"];
export const LEVELS: Readonly<Record<string, readonly string[]>> = {
  list: ["ListTables"],
  read: [...READS, ...TABLE_READS],
  write: [...WRITES, ...TABLE_WRITES],
};

/** Most lists of allowed attributes hold the keys, as they must to be of use. */
const KEY_NAMES = ["pk", "sk", "id", "bk"];
const ATTRIBUTES = [...KEY_NAMES, "g", "h", "l", "n", "a", "b", "m", "li", "ss", "`d.t`", "sec", "zz"];
/** Narrower spellings of some of them. */
const NARROWER: Readonly<Record<string, readonly string[]>> = {
  m: ["m.x", "m.y", "m*", "m.`d.t`"],
  li: ["li[0]", "li[1].z", "li*"],
  ss: ["s*"],
  a: ["{{external.column}}"],
};
const PARTITIONS = ["ka", "kb", "kc", "k*", "*b", "11", "12", "1*", "13", "aw==", "a2s=", "a*", "/2t+", "u", "v", "w"];
const TEMPLATES = ["{{external.tenant}}", "k{{external.letter}}", "{{external.letter}}*", "*{{external.letter}}"];
const INDEXES = [["by-*"], ["by-g", "by-gh"], ["by-h", "by-l"], ["*n"], ["by-g"], ["by-{{external.index}}"]];
const TABLES = [
  ["items"],
  ["it*"],
  ["items", "bins"],
  ["*n*", "items"],
  ["plain", "b*"],
  ["{{external.table}}", "bins"],
];
/** What is denied by one name is meant whatever carries it: batches, statements, writes that return the item. */
const MEANT = [["dynamodb:GetItem"], ["dynamodb:PutItem"], ["dynamodb:DeleteItem"], ["dynamodb:UpdateItem"]];
const RETURNS = ["NONE", "UPDATED_NEW", "UPDATED_OLD", "ALL_NEW", "ALL_OLD"];

/** A person with one role or two, some of whose traits may be missing. */
export function personOf(name: string, random: Random): Person {
  const traits: Record<string, readonly string[]> = {};
  const give = (trait: string, values: readonly string[]): void => {
    if (random.chance(0.85)) traits[trait] = values;
  };
  // A star in a trait is a star, and nobody's.
  give("tenant", random.some(["ka", "kb", "kc", "11", "12", "aw==", "a2s=", "u", "v", "k*"], 2, 5));
  give("letter", random.some(["a", "b", "k", "1"], 1, 3));
  give("column", random.some(["a", "b", "sec"], 1, 2));
  give("index", random.some(["g", "h", "l", "gh", "n"], 1, 3));
  give("table", random.some(["items", "plain"], 1, 2));
  const roles = Array.from({ length: random.chance(0.7) ? 1 : 2 }, (_, at) => roleOf(`${name}-${at}`, random));
  return { name, traits, roles };
}

function roleOf(name: string, random: Random): Role {
  const everything = random.chance(0.3);
  const deny = Array.from({ length: everything || random.chance(0.4) ? 1 + random.below(2) : 0 }, () => denied(random));
  if (everything) return { name, deny };
  return { name, deny, allow: Array.from({ length: 1 + random.below(3) }, () => allowed(random)) };
}

function allowed(random: Random): Rule {
  return {
    actions: random.pick([["*"], ["*"], ["read", "write"], ["read"], ["write"], ...named(random)]),
    ...maybe(random, 0.3, { tables: random.pick(TABLES) }),
    ...maybe(random, 0.4, { indexes: random.pick(INDEXES) }),
    ...maybe(random, 0.5, { leading_keys: partitions(random, 4, 9) }),
    ...maybe(random, 0.5, {
      attributes: [...(random.chance(0.8) ? KEY_NAMES : []), ...attributes(random, 7, ATTRIBUTES.length)],
    }),
    ...maybe(random, 0.2, { full_scan: random.chance(0.3) }),
    ...maybe(random, 0.25, { return_values: ["NONE", ...random.some(RETURNS.slice(1), 0, 3)] }),
  };
}

/** A person whose roles are about tables and streams alone. */
export function tablePersonOf(name: string, random: Random): Person {
  const tables = ["alpha", "beta", "beta*", "beta-*", "gamma.*", "beta.2", "*a", "{{external.table}}"];
  const actions = (): string[] =>
    random.pick([
      ["*"],
      ["read"],
      ["write"],
      ["read", "write"],
      ["dynamodb:Describe*", "dynamodb:*Iterator", "dynamodb:GetRecords"],
      random.some([...TABLE_READS, ...TABLE_WRITES], 3, 6).map((action) => `dynamodb:${action}`),
    ]);
  const rules = (least: number, most: number, others: string[][]): Rule[] =>
    Array.from({ length: least + random.below(most - least + 1) }, () => ({
      actions: random.chance(0.4) && others.length > 0 ? random.pick(others) : actions(),
      ...maybe(random, 0.85, { tables: random.some(tables, 1, 3) }),
    }));
  const lists: Rule = { actions: ["list", "dynamodb:ListStreams"] };
  const allow = [...rules(1, 3, []), ...(random.chance(0.7) ? [lists] : [])];
  const deny = random.chance(0.5) ? rules(1, 1, [["list"], ["dynamodb:ListStreams"], ["read", "list"]]) : [];
  const role: Role = random.chance(0.15) ? { name: `${name}-0`, deny } : { name: `${name}-0`, allow, deny };
  return { name, traits: random.chance(0.8) ? { table: [random.pick(["alpha", "beta"])] } : {}, roles: [role] };
}

/** A denial of something, mostly of little, so that the rest goes on. */
function denied(random: Random): Rule {
  const rule: Rule = {
    actions: random.pick([["*"], ["read"], ["write"], ...random.some(MEANT, 2, 2), ...named(random)]),
    ...maybe(random, 0.3, { tables: random.pick(TABLES) }),
    ...maybe(random, 0.15, { indexes: random.pick(INDEXES) }),
    ...maybe(random, 0.45, { leading_keys: partitions(random, 1, 3) }),
    ...maybe(random, 0.45, { attributes: attributes(random, 1, 3) }),
    ...maybe(random, 0.15, { full_scan: random.chance(0.7) }),
  };
  if (rule.leading_keys !== undefined || rule.attributes !== undefined || rule.full_scan !== undefined) return rule;
  return { ...rule, ...maybe(random, 0.8, { return_values: random.some(RETURNS.slice(1), 1, 2) }) };
}

function maybe<T>(random: Random, probability: number, rule: T): T | object {
  return random.chance(probability) ? rule : {};
}

/** Lists of action names and globs. */
function named(random: Random): string[][] {
  const names = random.some(ITEM_ACTIONS, 2, 8).map((action) => `dynamodb:${action}`);
  return [names, ["dynamodb:*Item", "dynamodb:Query"], ["dynamodb:PartiQL*", "dynamodb:Batch*"]];
}

function partitions(random: Random, least: number, most: number): string[] {
  const plain = random.some(PARTITIONS, least, most);
  return random.chance(0.35) ? [...plain.slice(2), random.pick(TEMPLATES)] : plain;
}

function attributes(random: Random, least: number, most: number): string[] {
  return random
    .some(ATTRIBUTES, least, most)
    .map((name) => (NARROWER[name] !== undefined && random.chance(0.35) ? random.pick(NARROWER[name]) : name));
}

/** A person whose one role hangs on one member of rules alone, in the one block or the other. */
export function hangingOn(name: string, [block, kind]: Oversight, random: Random): Person {
  for (;;) {
    const { [kind]: member, actions } = block === "allow" ? allowed(random) : denied(random);
    if (member === undefined || (kind === "actions" && actions.includes("*"))) continue;
    // Who is denied reading some attributes must not get at them by a write either.
    const every = block === "deny" && kind === "attributes" ? ["read"] : ["*"];
    const rule: Rule = { actions: kind === "actions" ? actions : every, [kind]: member };
    const role = block === "allow" ? { name, allow: [rule], deny: [] } : { name, deny: [rule] };
    return { ...personOf(name, random), roles: [role] };
  }
}

/** Every way in which a role could be heeded too little: a member of its allow rules, or its denials with that member. */
export const OVERSIGHTS: readonly Oversight[] = KINDS.flatMap((kind) => [
  ["allow", kind] as const,
  ["deny", kind] as const,
]);

/** The person under another name, as a policy would see them that overlooks this. */
export function overlooked(person: Person, name: string, [block, kind]: Oversight): Person {
  const without = (rule: Rule): Rule => {
    const { actions } = rule;
    const { [kind]: _, ...rest } = rule;
    return { ...rest, actions: kind === "actions" ? ["*"] : actions };
  };
  const holds = (rule: Rule): boolean =>
    rule[kind] !== undefined && !(kind === "actions" && rule.actions.includes("*"));
  const roles = person.roles.map((role, at): Role => ({
    name: `${name}-${at}`,
    deny: block === "deny" ? role.deny.filter((rule) => !holds(rule)) : role.deny,
    ...(role.allow === undefined ? {} : { allow: block === "allow" ? role.allow.map(without) : role.allow }),
  }));
  return { ...person, name, roles };
}

/** Documents of these people and their roles, for a gateway's resources. */
export function documentsOf(people: readonly Person[]): string {
  const anywhere = { db_labels: { "*": "*" }, db_users: ["*"] };
  const documents = people.flatMap(({ name, traits, roles }) => [
    ...roles.map((role) => ({
      kind: "role",
      version: "v7",
      metadata: { name: role.name },
      spec: {
        allow: { ...anywhere, ...(role.allow === undefined ? {} : { db_rules: role.allow }) },
        ...(role.deny.length === 0 ? {} : { deny: { db_rules: role.deny } }),
      },
    })),
    { kind: "user", version: "v2", metadata: { name }, spec: { roles: roles.map((role) => role.name), traits } },
  ]);
  // JSON is YAML.
  return documents.map((document) => JSON.stringify(document)).join("\n---\n");
}
