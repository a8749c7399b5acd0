/**
 * Reads the golden cases of policies/cases and writes what runs them: build/policy-cases.json for `opa test`, and
 * docs/policy/cases.md for people. The WASM host runs them from the tests.
 */

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { parse, stringify } from "yaml";

import { ACTIONS, ACTION_TABLE } from "../src/dynamodb/catalogue.ts";
import { parseRole } from "../src/identity/role.ts";
import { compilePolicyData, type PolicyData } from "../src/policy/data.ts";
import type { PolicyAccess, PolicyInput } from "../src/policy/input.ts";

/** A file of cases. */
export interface CaseFile {
  readonly name: string;
  readonly title: string;
  readonly intro: string;
  readonly cases: readonly GoldenCase[];
}

/** A case as a person wrote it; what is left out is `DEFAULTS`. */
export interface GoldenCase {
  readonly name: string;
  readonly why?: string;
  /** Role name → `spec`. */
  readonly roles: Readonly<Record<string, unknown>>;
  /** Its roles are all of the case's unless it says so. */
  readonly user?: Partial<PolicyInput["user"]>;
  readonly database?: Partial<PolicyInput["database"]>;
  /** A name stands for the ARN in the database's account. */
  readonly db_user?: string;
  readonly accesses?: readonly Partial<PolicyAccess>[];
  readonly want: WantedDecision;
}

/** The whole decision; absent members are empty. */
export interface WantedDecision {
  readonly allow: boolean;
  readonly roles?: readonly string[];
  readonly reasons?: readonly { code: string; message: string; access?: number; role?: string }[];
}

/** A case made ready to run. */
export interface RunnableCase {
  readonly input: PolicyInput;
  readonly data: PolicyData;
  readonly want: unknown;
}

const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));
export const CASES_DIRECTORY: string = join(PROJECT, "policies", "cases");
export const CASES_DATA: string = join(PROJECT, "build", "policy-cases.json");
export const CASES_PAGE: string = join(PROJECT, "docs", "policy", "cases.md");

/** Every file of cases, by name. */
export async function readCases(directory: string = CASES_DIRECTORY): Promise<CaseFile[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".yaml")).toSorted();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(directory, name), "utf8");
      return { ...(parse(text) as Omit<CaseFile, "name">), name: name.slice(0, -".yaml".length) };
    }),
  );
}

/** The question, the data and the whole answer of a case. */
export function runnable(golden: GoldenCase): RunnableCase {
  const roles = Object.entries(golden.roles).map(
    ([name, spec]) => parseRole({ kind: "role", version: "v7", metadata: { name }, spec }).value,
  );
  const accesses = (golden.accesses ?? [{}]).map(accessOf);
  const database = { ...DEFAULTS.database, ...golden.database };
  const via = new Set(accesses.map((access) => access.via));
  return {
    data: compilePolicyData(roles, ACTION_TABLE),
    input: {
      ...DEFAULTS,
      user: { ...DEFAULTS.user, roles: Object.keys(golden.roles), ...golden.user },
      database,
      db_user: arnOf(golden.db_user ?? "ExampleRole", database),
      request: { service: "dynamodb", operation: [...via][0] ?? "", id: "01JD0000000000000000000000", accesses },
    },
    want: {
      allow: golden.want.allow,
      roles: golden.want.roles ?? [],
      reasons: (golden.want.reasons ?? []).map((reason) => ({ access: null, role: null, ...reason })),
      obligations: [],
    },
  };
}

/** The data of `opa test`: one object by "<file>: <case>". */
export function casesData(files: readonly CaseFile[]): Record<string, unknown> {
  const all = files.flatMap((file) =>
    file.cases.map((golden) => {
      const { input, data, want } = runnable(golden);
      return [`${file.name}: ${golden.name}`, { input, compiled: data.postern.compiled, want }] as const;
    }),
  );
  return { cases: Object.fromEntries(all) };
}

/** The page for people. */
export function casesPage(files: readonly CaseFile[]): string {
  const count = files.reduce((sum, file) => sum + file.cases.length, 0);
  const head = [
    "# Policy by example",
    "",
    "<!-- Made from policies/cases by scripts/policy-cases.ts; edit the cases instead. -->",
    "",
    `${count} cases, each run by \`opa test\` and in WebAssembly, where the whole decision must be equal. What a case does not`,
    "say: user `alice` holds the case's roles and no traits, the database has the label `env: dev`, the database user is",
    "`ExampleRole` of the database's own account, and the request is a `GetItem` on the table `orders`.",
    "",
    ...files.map((file) => `- [${file.title}](#${anchorOf(file.title)})`),
  ];
  return `${[...head, ...files.flatMap((file) => ["", `## ${file.title}`, "", file.intro.trim(), ...file.cases.flatMap(sectionOf)])].join("\n")}\n`;
}

/** Where a heading stands on the page. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w -]/gu, "")
    .replaceAll(" ", "-");
}

/** Writes both. */
export async function writeCases(): Promise<void> {
  const files = await readCases();
  await mkdir(dirname(CASES_DATA), { recursive: true });
  await mkdir(dirname(CASES_PAGE), { recursive: true });
  await writeFile(CASES_DATA, JSON.stringify(casesData(files)));
  await writeFile(CASES_PAGE, casesPage(files));
}

const DEFAULTS: Omit<PolicyInput, "request"> = {
  version: 1,
  time: "2026-11-22T14:00:00.000Z",
  user: { name: "alice", roles: [], traits: {}, mfa_verified: false },
  client: { ip: "127.0.0.1", user_agent: "Boto3/1.40" },
  database: {
    name: "example-dynamodb",
    labels: { env: "dev" },
    region: "us-east-1",
    account_id: "123456789012",
    partition: "aws",
  },
  db_user: "",
};

function accessOf(partial: Partial<PolicyAccess>): PolicyAccess {
  const action = partial.action ?? "dynamodb:GetItem";
  const table = partial.table === undefined ? "orders" : partial.table;
  const resource = table === null ? "*" : `table/${table}${partial.index == null ? "" : `/index/${partial.index}`}`;
  return {
    action,
    level: ACTIONS.get(action) ?? "read",
    via: action.slice("dynamodb:".length),
    table,
    index: null,
    arn: `arn:aws:dynamodb:us-east-1:123456789012:${resource}`,
    keys_known: partial.leading_keys !== undefined,
    leading_keys: [],
    own_keys: partial.index == null ? true : null,
    attributes_known: partial.attributes !== undefined,
    attributes: [],
    reads: partial.attributes ?? [],
    writes: [],
    select: null,
    return_values: "NONE",
    whole_item: false,
    full_scan: false,
    consistent: false,
    ...partial,
  };
}

function arnOf(user: string, database: PolicyInput["database"]): string {
  return user.startsWith("arn:") ? user : `arn:${database.partition}:iam::${database.account_id}:role/${user}`;
}

function sectionOf({ name, why, want, ...given }: GoldenCase): string[] {
  const answer = want.allow
    ? [`**Allowed** by ${(want.roles ?? []).map((role) => `\`${role}\``).join(", ")}.`]
    : ["**Denied**:", "", ...(want.reasons ?? []).map((reason) => `- \`${reason.code}\`: ${reason.message}`)];
  return [
    "",
    `### ${name}`,
    "",
    ...(why === undefined ? [] : [why.trim(), ""]),
    "```yaml",
    stringify(given, { lineWidth: 110 }).trim(),
    "```",
    "",
    ...answer,
  ];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await writeCases();
