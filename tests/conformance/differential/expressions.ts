/** Random expressions, and the parameters that were there before them. */

import type { Random } from "./random.ts";
import { INDEX_KEYS, type Path } from "./tables.ts";
import { NAMES, valueFor } from "./world.ts";

export type Body = Record<string, unknown>;

/** Paths that requests name, some of which lead nowhere. */
export const PATHS = [...NAMES, "m.x", "m.y", "m.d.t", "li[0]", "li[1].z", "li[2]", "li[9]", "zz", "pk", "sk"] as const;
/** Paths that filters may name: no table's and no index's keys. */
export const FILTERS: readonly string[] = PATHS.filter((path) => !["pk", "sk", "g", "h", "l", "n"].includes(path));

const SETTABLE: readonly string[] = PATHS.filter((path) => path !== "pk" && path !== "sk");
const RESERVED = new Set(["l"]);

/** `m.d.t` is the member `d.t` of `m`, `d.t` an attribute. */
export function stepsOf(path: string): Path {
  if (path === "d.t") return ["d.t"];
  if (path === "m.d.t") return ["m", "d.t"];
  return path
    .split(/[.[\]]+/)
    .filter((step) => step !== "")
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

/** Paths none of which lies within another, as DynamoDB demands. */
export function apart(paths: readonly string[]): string[] {
  const tops = new Set<string | number | undefined>();
  return paths.filter((path) => {
    const [top] = stepsOf(path);
    if (tops.has(top)) return false;
    tops.add(top);
    return true;
  });
}

/** Placeholders of one part, made as they are needed. */
export class Placeholders {
  readonly names: Record<string, string> = {};
  readonly values: Record<string, unknown> = {};
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  path(path: string): string {
    return stepsOf(path)
      .map((step, at) => {
        if (typeof step === "number") return `[${step}]`;
        const plain = /^[a-z]\w*$/.test(step) && !RESERVED.has(step) && this.#random.chance(0.6);
        return `${at === 0 ? "" : "."}${plain ? step : this.#name(step)}`;
      })
      .join("");
  }

  value(value: unknown): string {
    const placeholder = `:v${Object.keys(this.values).length}`;
    this.values[placeholder] = value;
    return placeholder;
  }

  toBody(): Body {
    return {
      ...(Object.keys(this.names).length > 0 ? { ExpressionAttributeNames: this.names } : {}),
      ...(Object.keys(this.values).length > 0 ? { ExpressionAttributeValues: this.values } : {}),
    };
  }

  #name(name: string): string {
    const known = Object.entries(this.names).find(([, each]) => each === name)?.[0];
    if (known !== undefined && this.#random.chance(0.7)) return known;
    const placeholder = `#n${Object.keys(this.names).length}`;
    this.names[placeholder] = name;
    return placeholder;
  }
}

/** What a read by key returns: everything, or what it names in the one way or the other. */
export function projected(random: Random): Body {
  const kind = random.next();
  if (kind < 0.25) return {};
  if (kind < 0.4) return { AttributesToGet: random.some(NAMES, 1, 3) };
  const placeholders = new Placeholders(random);
  const paths = apart(random.some(PATHS, 1, 4)).map((path) => placeholders.path(path));
  return { ProjectionExpression: paths.join(random.pick([",", ", ", " ,"])), ...placeholders.toBody() };
}

export function condition(
  random: Random,
  placeholders: Placeholders,
  depth: number,
  among: readonly string[] = PATHS,
): string {
  const kind = random.next();
  const path = random.pick(among);
  const [top = ""] = stepsOf(path);
  const name = placeholders.path(path);
  const deeper = (): string => condition(random, placeholders, depth - 1, among);
  const value = (): string =>
    placeholders.value(
      path.includes(".") || path.includes("[") ? { N: String(random.below(3)) } : valueFor(String(top), random),
    );
  if (depth > 0 && kind < 0.2) return `${deeper()} ${random.pick(["AND", "or", "OR", "and"])} ${deeper()}`;
  if (depth > 0 && kind < 0.28) return `NOT (${deeper()})`;
  if (depth > 0 && kind < 0.33) return `(${condition(random, placeholders, 0, among)})`;
  if (kind < 0.48)
    return random.chance(0.5) ? `${name} ${random.pick(["=", "<>", "<", ">="])} ${value()}` : `${value()} = ${name}`;
  if (kind < 0.52) return `${name} BETWEEN ${value()} AND ${placeholders.value({ S: "zz" })}`;
  if (kind < 0.6) return `attribute_exists(${name})`;
  if (kind < 0.7) return `attribute_not_exists(${name})`;
  if (kind < 0.76) return `size(${name}) > ${placeholders.value({ N: "1" })}`;
  if (kind < 0.81) return `begins_with(${name}, ${placeholders.value({ S: "x" })})`;
  if (kind < 0.86) return `contains(${name}, ${placeholders.value({ S: "s1" })})`;
  if (kind < 0.9) return `${name} IN (${value()}, ${value()})`;
  if (kind < 0.93) return `attribute_type(${name}, ${placeholders.value({ S: random.pick(["S", "N", "M"]) })})`;
  return `${name} = ${placeholders.path(random.pick(among))}`;
}

export function legacyComparison(name: string, random: Random): object {
  const operator = random.pick(["EQ", "NE", "GT", "NULL", "NOT_NULL", "BEGINS_WITH", "IN", "CONTAINS"]);
  if (operator === "NULL" || operator === "NOT_NULL") return { ComparisonOperator: operator };
  if (operator === "BEGINS_WITH" || operator === "CONTAINS")
    return { ComparisonOperator: operator, AttributeValueList: [{ S: "x" }] };
  const value = name === "m" || name === "li" || name === "ss" ? { S: "x" } : valueFor(name, random);
  return { ComparisonOperator: operator, AttributeValueList: [value] };
}

export function legacyFilter(random: Random, member: string, among: readonly string[] = NAMES): Body {
  const names = random.some(among, 1, 2);
  return {
    [member]: Object.fromEntries(names.map((name) => [name, legacyComparison(name, random)])),
    ...(names.length > 1 && random.chance(0.5) ? { ConditionalOperator: random.pick(["AND", "OR"]) } : {}),
  };
}

/** The condition of a write, in any form, or none. */
export function conditional(random: Random): Body {
  const kind = random.next();
  if (kind < 0.4) return {};
  if (kind < 0.5) return legacyFilter(random, "Expected");
  if (kind < 0.55) return { Expected: { [random.pick(["pk", "id", "bk", "a", "sec"])]: { Exists: false } } };
  if (kind < 0.6) return { Expected: { [random.pick(["a", "sec"])]: { Value: { S: random.pick(["x", "y"]) } } } };
  const placeholders = new Placeholders(random);
  const text = random.chance(0.25)
    ? `attribute_not_exists(${placeholders.path(random.pick(["pk", "sk", "id", "bk"]))})`
    : condition(random, placeholders, 2);
  return { ConditionExpression: text, ...placeholders.toBody() };
}

export function updateExpression(random: Random, placeholders: Placeholders): string {
  const clauses = new Map<string, string[]>();
  for (const path of apart(random.some(SETTABLE, 1, 4))) {
    const [clause, text] = updateAction(path, random, placeholders);
    clauses.set(clause, [...(clauses.get(clause) ?? []), text]);
  }
  return [...clauses].map(([clause, actions]) => `${clause} ${actions.join(", ")}`).join(" ");
}

function updateAction(path: string, random: Random, placeholders: Placeholders): [clause: string, text: string] {
  const name = placeholders.path(path);
  const [top = ""] = stepsOf(path);
  const other = placeholders.path.bind(placeholders);
  const value = placeholders.value.bind(placeholders);
  const isKey = Object.values(INDEX_KEYS).flat().includes(String(top));
  const kind = random.next();
  if (kind < 0.25) return ["REMOVE", name];
  if (kind < 0.36 && (path === "n" || path === "m.x" || path === "zz")) return ["ADD", `${name} ${value({ N: "1" })}`];
  if (kind < 0.5 && path === "ss") return [random.pick(["ADD", "DELETE"]), `${name} ${value({ SS: ["s1"] })}`];
  if (kind < 0.55 && !isKey)
    return ["SET", `${name} = ${other(random.pick(["sec", "a", "b", "m.y", "li[0]", "d.t", "zz"]))}`];
  if (kind < 0.65 && !isKey)
    return ["SET", `${name} = if_not_exists(${other(random.pick(["zz", "sec", "b"]))}, ${value({ S: "new" })})`];
  if (kind < 0.72 && path === "li")
    return ["SET", `${name} = list_append(${other("li")}, ${value({ L: [{ S: "t" }] })})`];
  if (kind < 0.8 && path === "n") return ["SET", `${name} = ${other("n")} + ${value({ N: "1" })}`];
  return ["SET", `${name} = ${value(valueFor(String(top), random))}`];
}
