/** Reads a user's policy directory, and refuses what could not join the built-in policy or would change it. */

import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";

import { parse as parseYaml } from "yaml";

import { filesBelow, type PolicySource } from "../../../scripts/lib/compile-policy.mjs";
import { messageOf, PosternError } from "../../base/errors.ts";
import { CommandError } from "../command-error.ts";

export interface UserPolicy {
  /** Rego files without tests, named by their path in the directory. */
  readonly sources: readonly PolicySource[];
  /** Its data documents as one, each at the path of its folder, as OPA reads them. */
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Reads `directory`.
 *
 * @throws CommandError for a directory that is not there; PosternError `policy_package_refused` or `policy_data_refused`
 * with the place, when something is not below `postern.custom.<name>`.
 */
export async function readUserPolicy(directory: string): Promise<UserPolicy> {
  await requireDirectory(directory);
  const sources: PolicySource[] = [];
  let data: Record<string, unknown> = {};
  for (const path of await filesBelow(directory)) {
    const name = relative(directory, path).split(sep).join("/");
    if (name.endsWith(".rego")) {
      const text = await readFile(path, "utf8");
      requirePackage(path, text);
      if (!name.endsWith("_test.rego")) sources.push({ name: `custom/${name}`, text });
    } else if (/\.(?:json|ya?ml)$/.test(name)) {
      data = merge(data, await readData(path, name), path);
    }
  }
  if (sources.length === 0) {
    throw new PosternError("policy_empty", `Cannot use "${directory}" as policy: it holds no .rego file`, {
      hint: "write one whose first line is: package postern.custom.NAME",
    });
  }
  return { sources, data };
}

/** Warnings about packages of which nothing is asked: a mistyped `deny` is a rule like any other, and denies nothing. */
export function idlePackages({ sources }: UserPolicy): string[] {
  const asked = new Map<string, boolean>();
  for (const { text } of sources) {
    const name = PACKAGE_LINE.exec(text)?.[1] ?? "";
    asked.set(name, asked.get(name) === true || /^(?:default\s+)?(?:deny|obligations)\b/m.test(text));
  }
  return [...asked].flatMap(([name, isAsked]) =>
    isAsked ? [] : [`package ${name} has neither deny nor obligations: by itself it does nothing`],
  );
}

const PACKAGE_LINE = /^package[ \t]+([\w.]+)/m;

/** @throws CommandError (misused) unless `directory` is one */
export async function requireDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch(() => undefined);
  if (found?.isDirectory() !== true) throw new CommandError(2, `Cannot read "${directory}": it is not a directory`);
}

const PACKAGE = /^postern\.custom\.[A-Za-z_]\w*$/;
const DEEPER = /^postern\.custom(?:\.[A-Za-z_]\w*){2,}$/;

function requirePackage(file: string, text: string): void {
  const lines = text.split("\n");
  // Nothing but comments may stand before it.
  const index = lines.findIndex((line) => /^\s*package\b/.test(line));
  const line = lines[index] ?? "";
  const name = /^\s*package\s+(.*?)\s*(?:#.*)?$/.exec(line)?.[1] ?? "";
  // Tests are not built, so that theirs may stand wherever they like below.
  if (PACKAGE.test(name) || (file.endsWith("_test.rego") && DEEPER.test(name))) return;
  const position = { file, line: Math.max(index, 0) + 1, column: line.search(/\S/) + 1 };
  const refused = (reason: string): PosternError =>
    new PosternError("policy_package_refused", `Cannot add package "${name}": ${reason}`, {
      position,
      hint: "begin the file with: package postern.custom.NAME",
    });
  if (index < 0) throw refused("the file has no package statement");
  if (name === "postern.custom") {
    throw refused(
      "the built-in policy looks below it for a package of each name, and OPA miscompiles one that stands in its place",
    );
  }
  if (DEEPER.test(name)) {
    throw refused("it stands more than one level below postern.custom, where nobody asks for what it denies");
  }
  if (/^postern\b/.test(name) && !name.startsWith("postern.custom"))
    throw refused("it would change the built-in policy");
  throw refused("only packages below postern.custom, named with letters, digits and _, are part of a decision");
}

async function readData(path: string, name: string): Promise<unknown> {
  let value: unknown;
  try {
    const text = await readFile(path, "utf8");
    value = name.endsWith(".json") ? JSON.parse(text) : parseYaml(text);
  } catch (cause) {
    throw new PosternError("policy_data_refused", `Cannot read data: ${messageOf(cause)}`, {
      cause,
      position: firstLineOf(path),
    });
  }
  const folders = dirname(name) === "." ? [] : dirname(name).split("/");
  const document = folders.reduceRight<unknown>((inner, folder) => ({ [folder]: inner }), value);
  const outside = [...leavesUpTo(document, 3)].find(
    (path) => path[0] !== "postern" || path[1] !== "custom" || path.length < 3,
  );
  if (outside === undefined) return document;
  throw new PosternError(
    "policy_data_refused",
    `Cannot add data.${outside.join(".")}: it is not below data.postern.custom.NAME`,
    {
      position: firstLineOf(path),
      hint: `move the file to postern/custom/NAME/${basename(path)}, or wrap its content in those keys`,
    },
  );
}

/** Paths to everything `depth` levels down, and to what ends before. */
function* leavesUpTo(value: unknown, depth: number, path: readonly string[] = []): Generator<readonly string[]> {
  const entries = isRecord(value) ? Object.entries(value) : [];
  if (depth === 0 || entries.length === 0) yield path;
  else for (const [key, inner] of entries) yield* leavesUpTo(inner, depth - 1, [...path, key]);
}

function merge(one: Record<string, unknown>, other: unknown, path: string): Record<string, unknown> {
  const merged = { ...one };
  for (const [key, value] of Object.entries(isRecord(other) ? other : {})) {
    const present = merged[key];
    if (present === undefined) merged[key] = value;
    else if (isRecord(present) && isRecord(value)) merged[key] = merge(present, value, path);
    else {
      throw new PosternError("policy_data_refused", `Cannot add data: "${key}" is defined by another file too`, {
        position: firstLineOf(path),
      });
    }
  }
  return merged;
}

function firstLineOf(path: string): { file: string; line: number; column: number } {
  return { file: join(path), line: 1, column: 1 };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
