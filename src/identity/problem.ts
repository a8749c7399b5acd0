/** What is wrong with a document that a person wrote, and where in it: before anyone knows file and line. */

import { PosternError } from "../base/errors.ts";

/** The way from a document's root to a value: keys and list positions. */
export type DocumentPath = readonly (string | number)[];

/** One fault of a document. */
export interface Problem {
  readonly path: DocumentPath;
  /** Whether the key or the value at `path` is to blame; the value when absent. */
  readonly at?: "key";
  /** Names the path, the value and the reason. */
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
}

/** The kinds of document that this room reads, and databases. */
export type ResourceKind = "role" | "user" | "lock" | "db";

/** One fault of a resource that is known by its name: what other rooms report. */
export interface ResourceProblem extends Problem {
  readonly kind: ResourceKind;
  readonly name: string;
}

/** A document that cannot be used, with everything that is wrong with it. */
export class DocumentError extends PosternError {
  readonly problems: readonly Problem[];

  constructor(code: string, attempt: string, problems: readonly Problem[]) {
    const [first] = problems;
    super(
      code,
      `${attempt}: ${problems.map(({ message }) => message).join("; ")}`,
      first?.hint === undefined ? {} : { hint: first.hint },
    );
    this.problems = problems;
  }
}

/** Resources that each read well but do not fit together. */
export class ResourceProblemsError extends PosternError {
  readonly problems: readonly ResourceProblem[];

  constructor(attempt: string, problems: readonly ResourceProblem[]) {
    const [first] = problems;
    super(
      "resources_invalid",
      `${attempt}: ${problems.map(({ message }) => message).join("; ")}`,
      first?.hint === undefined ? {} : { hint: first.hint },
    );
    this.problems = problems;
  }
}

/**
 * A path as people write it.
 *
 * @example
 * ```ts
 * import { formatPath } from "./problem.ts";
 * console.assert(formatPath(["spec", "allow", "db_labels", "a b", 0]) === 'spec.allow.db_labels["a b"][0]');
 * ```
 */
export function formatPath(path: DocumentPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** The path that `formatPath()` wrote, or undefined when the text is none. */
export function parsePath(text: string): DocumentPath | undefined {
  const path: (string | number)[] = [];
  const step = /(?:^|\.)([A-Za-z_][\w-]*)|\[([0-9]{1,6})\]|\[("(?:[^"\\]|\\.)*")\]/y;
  while (step.lastIndex < text.length) {
    const [, key, index, quoted] = step.exec(text) ?? [];
    if (key !== undefined) path.push(key);
    else if (index !== undefined) path.push(Number(index));
    else if (quoted !== undefined) path.push(unquote(quoted));
    else return undefined;
  }
  return path;
}

function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
