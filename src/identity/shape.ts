/** Reading a document by its schema: every fault as a problem that names path, value, reason and remedy. */

import * as z from "zod";
import { quoted } from "./names.ts";
import { nearMiss } from "./near-miss.ts";
import { formatPath, type DocumentPath, type Problem } from "./problem.ts";

/** What reading gives: the typed value, or everything that is wrong. */
export type Shaped<T> = { readonly value: T } | { readonly problems: readonly Problem[] };

/** Reads a value by its schema. `base` is the value's own path within its document. */
export function parseShape<T>(schema: z.ZodType<T>, value: unknown, base: DocumentPath = []): Shaped<T> {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  return { problems: result.error.issues.flatMap((issue) => problemsOf(issue, [], { schema, value, base })) };
}

/** Adds a fault with its remedy, for use inside `superRefine`. */
export function refuse(context: z.RefinementCtx, message: string, hint?: string, path: (string | number)[] = []): void {
  context.addIssue({ code: "custom", message, path, params: { hint } });
}

/** A key that other documents of this form have and that this version refuses, saying why. */
export function unavailable(reason: string, hint?: string): z.ZodOptional<z.ZodType<undefined>> {
  return z
    .unknown()
    .superRefine((_, context) => refuse(context, reason, hint))
    .transform((): undefined => undefined)
    .optional()
    .meta({ refused: true, description: `Refused: ${reason}.` });
}

/** True for a key made by `unavailable()`. */
export function isRefused(schema: z.core.$ZodType): boolean {
  return z.globalRegistry.get(schema)?.["refused"] === true;
}

/** `yes`, `no`, `true`, `false`, `on`, `off`, quoted or not: what Teleport takes for a switch. */
export function yesNo(): z.ZodType<boolean> {
  return z
    .union([z.boolean(), z.enum(["yes", "no", "true", "false", "on", "off"])], { error: "expected yes or no" })
    .transform((value) => value === true || value === "yes" || value === "true" || value === "on");
}

interface Context {
  readonly schema: z.core.$ZodType;
  readonly value: unknown;
  readonly base: DocumentPath;
}

type Issue = z.core.$ZodIssue;

function problemsOf(issue: Issue, above: DocumentPath, context: Context): Problem[] {
  const path = [...above, ...stepsOf(issue.path)];
  const full = [...context.base, ...path];
  const where = formatPath(full);
  const problem = (reason: string, hint?: string): Problem => ({
    path: full,
    message: where === "" ? capital(reason) : `${where}: ${reason}`,
    ...(hint === undefined ? {} : { hint }),
  });
  const value = valueAt(context.value, path);
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey(key, path, context));
    case "invalid_type":
      return [problem(...wrongType(issue.expected, value, path, keysAt(context.schema, path)))];
    case "invalid_union": {
      const branch = nearestBranch(issue.errors);
      if (branch !== undefined) return branch.flatMap((inner) => problemsOf(inner, path, context));
      return [
        value === undefined ? problem("is missing", "add it") : problem(`${issue.message}, not ${quote(value, path)}`),
      ];
    }
    case "invalid_value": {
      const known = issue.values.map(String);
      const meant = typeof value === "string" ? nearMiss(value, known) : undefined;
      if (value === undefined) return [problem(`is missing; expected ${listed(known)}`)];
      return [
        problem(
          `expected ${listed(known)}, not ${quote(value, path)}`,
          meant === undefined ? undefined : `did you mean ${meant}?`,
        ),
      ];
    }
    case "invalid_key":
      return issue.issues.map((inner) => ({
        ...problem(`key ${quote(path.at(-1), [])}: ${inner.message}`),
        at: "key",
      }));
    case "custom": {
      const hint: unknown = issue.params?.["hint"];
      return [problem(issue.message, typeof hint === "string" ? hint : undefined)];
    }
    case "too_small":
    case "too_big":
    case "invalid_format":
    case "not_multiple_of":
    case "invalid_element":
      // What is wrong with a list's length is no matter of what it holds.
      return [problem(Array.isArray(value) ? issue.message : `${issue.message}, not ${quote(value, path)}`)];
  }
}

function unknownKey(key: string, path: DocumentPath, context: Context): Problem {
  const where = formatPath([...context.base, ...path]);
  const meant = nearMiss(key, keysAt(context.schema, path));
  const hint =
    key === "<<"
      ? "merge keys are not part of YAML 1.2; write the keys out"
      : meant === undefined
        ? keysHint(keysAt(context.schema, path))
        : `did you mean "${meant}"?`;
  return {
    path: [...context.base, ...path, key],
    at: "key",
    message: `${where === "" ? "" : `${where}: `}${where === "" ? "Unknown" : "unknown"} key ${quoted(key)}`,
    ...(hint === undefined ? {} : { hint }),
  };
}

function wrongType(
  expected: string,
  value: unknown,
  path: DocumentPath,
  keys: readonly string[],
): [string, string | undefined] {
  const wanted = TYPES[expected] ?? expected;
  if (value === undefined) return [`is missing; expected ${wanted}`, keysHint(keys) ?? "add it"];
  return [`expected ${wanted}, not ${quote(value, path)}`, remedyFor(expected, value, keys)];
}

/** What to write instead of a value of another type. */
function remedyFor(expected: string, value: unknown, keys: readonly string[]): string | undefined {
  if (value === null) return "write a value, or leave the key out";
  switch (expected) {
    case "string":
      // A template without quotes is a mapping to YAML.
      return typeof value === "object"
        ? "write one text, in quotes"
        : "put the value in quotes, exactly as you mean it";
    case "boolean":
      return "write true or false, without quotes";
    case "array":
      return "write it as a list: [value]";
    case "object":
      return keysHint(keys);
    case "record":
      return "write it as a mapping: {name: value}";
    default:
      return undefined;
  }
}

/** The keys that a mapping may have; none where they are whatever people call their things. */
function keysHint(keys: readonly string[]): string | undefined {
  if (keys.length === 0) return undefined;
  const more = keys.length > KEYS_SHOWN ? " …" : "";
  return `its keys are ${keys.slice(0, KEYS_SHOWN).join(", ")}${more}`;
}

const KEYS_SHOWN = 12;

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

/** The branch whose faults lie deepest is the one that was meant; undefined when no branch got beyond the value itself. */
function nearestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find(
    (issues) =>
      issues.length > 0 &&
      issues.every(({ path, code }) => path.length > 0 || code === "custom" || code === "too_small"),
  );
}

/** What to show of a value: short, and nothing of one that may be secret. */
function quote(value: unknown, path: DocumentPath): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  if (path.some((step) => typeof step === "string" && /token|secret|password|external_id/.test(step)))
    return `a ${typeof value}`;
  return typeof value === "string" ? quoted(value) : String(value);
}

function valueAt(value: unknown, path: DocumentPath): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Readonly<Record<string | number, unknown>>)[step];
  }
  return here;
}

/** The parts of a zod definition that lead to keys. */
interface Definition {
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly out?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
}

/** The keys that the schema knows at a path, those of refused features left out. */
function keysAt(schema: z.core.$ZodType, path: DocumentPath): readonly string[] {
  const definition = schema._zod.def as unknown as Definition;
  for (const inner of [definition.innerType, definition.in, definition.out, ...(definition.options ?? [])]) {
    const keys = inner === undefined ? [] : keysAt(inner, path);
    if (keys.length > 0) return keys;
  }
  const [step, ...rest] = path;
  if (step === undefined)
    return Object.entries(definition.shape ?? {}).flatMap(([key, inner]) => (isRefused(inner) ? [] : [key]));
  const next = typeof step === "number" ? definition.element : (definition.shape?.[step] ?? definition.valueType);
  return next === undefined ? [] : keysAt(next, rest);
}

function stepsOf(path: readonly PropertyKey[]): DocumentPath {
  return path.map((step) => (typeof step === "number" ? step : String(step)));
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
