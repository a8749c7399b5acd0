/** Documents that somebody hands in, with the places of what is in them: read, judged and refused together. */

import { PosternError, type SourcePosition } from "../base/errors.ts";
import { DocumentError, parsePath, type DocumentPath, type Problem } from "../identity/problem.ts";
import { isMapping } from "../identity/teleport-keys.ts";
import type { StoredValue } from "../store/store.ts";
import { called, kindProblem, type Kind } from "./kinds.ts";

/** A document as a parser of files gives it: this room knows no files. */
export interface GivenDocument {
  /** What JSON can hold. */
  readonly value: unknown;
  /** What whoever read it found already. */
  readonly problems?: readonly Problem[];
  /** Where a path of it stands. */
  positionOf(path: DocumentPath, at?: "key"): SourcePosition;
}

/** A problem and where it stands. */
export interface PlacedProblem extends SourcePosition {
  readonly message: string;
  readonly hint?: string;
}

/** Documents that cannot be used, with everything that is wrong with them. */
export class DocumentsError extends PosternError {
  readonly problems: readonly PlacedProblem[];

  constructor(attempt: string, problems: readonly PlacedProblem[]) {
    const shown = problems.slice(0, MAX_PROBLEMS);
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const more = problems.length > shown.length ? [`and ${problems.length - shown.length} more`] : [];
    const [first] = shown;
    super("resources_invalid", [`${attempt}: ${count}`, ...shown.map(formatted), ...more].join("\n"), {
      ...(first === undefined ? {} : { position: { file: first.file, line: first.line, column: first.column } }),
    });
    this.problems = shown;
  }
}

const MAX_PROBLEMS = 50;

/** A document that can be stored. */
export interface ReadyDocument {
  readonly kind: Kind;
  readonly name: string;
  readonly value: StoredValue;
  readonly expiresAt?: number;
  readonly given: GivenDocument;
}

/** Documents that each read well, and what was read past. */
export interface ReadyDocuments {
  readonly documents: readonly ReadyDocument[];
  readonly warnings: readonly PlacedProblem[];
}

/** Reads documents. @throws DocumentsError with every problem of all of them */
export async function readDocuments(
  given: readonly GivenDocument[],
  kinds: ReadonlyMap<string, Kind>,
): Promise<ReadyDocuments> {
  const problems: PlacedProblem[] = [];
  const warnings: PlacedProblem[] = [];
  const documents = new Map<string, ReadyDocument>();
  for (const one of given) {
    const found = await readOne(one, kinds);
    problems.push(...found.problems.map((problem) => placed(problem, one)));
    warnings.push(...found.warnings.map((problem) => placed(problem, one)));
    if (found.ready === undefined) continue;
    const key = `${found.ready.kind.kind}/${found.ready.name}`;
    const message = `metadata.name: ${called(found.ready.kind, found.ready.name)} stands twice`;
    if (documents.has(key)) problems.push(placed({ path: ["metadata", "name"], message, hint: "remove one" }, one));
    documents.set(key, found.ready);
  }
  if (problems.length > 0) throw new DocumentsError("Cannot use the documents", problems);
  return { documents: [...documents.values()], warnings };
}

/** A problem with the place where it stands in a document. */
export function placed({ path, at, message, hint }: Problem, document: GivenDocument): PlacedProblem {
  return { ...document.positionOf(path, at), message, ...(hint === undefined ? {} : { hint }) };
}

async function readOne(
  given: GivenDocument,
  kinds: ReadonlyMap<string, Kind>,
): Promise<{ ready?: ReadyDocument; problems: readonly Problem[]; warnings: readonly Problem[] }> {
  const known = given.problems ?? [];
  const wrongKind = kindProblem(given.value, kinds);
  if (wrongKind !== undefined) return { problems: [...known, wrongKind], warnings: [] };
  const kind = kinds.get(String((given.value as { kind: unknown }).kind));
  if (kind === undefined) return { problems: known, warnings: [] };
  try {
    const { name, expiresAt, warnings } = kind.read(given.value);
    await kind.judge?.(given.value);
    const bare = withoutBookkeeping(given.value);
    const value = kind.keep?.(bare) ?? bare;
    const ready = { kind, name, value, given, ...(expiresAt === undefined ? {} : { expiresAt }) };
    return { ready, problems: known, warnings };
  } catch (thrown) {
    // A placeholder is no number of digits either: one complaint about a value is enough.
    const told = new Set(known.map(({ path }) => path.join("\n")));
    return {
      problems: [...known, ...problemsOf(thrown).filter(({ path }) => !told.has(path.join("\n")))],
      warnings: [],
    };
  }
}

function problemsOf(thrown: unknown): readonly Problem[] {
  if (thrown instanceof DocumentError) return thrown.problems;
  if (!(thrown instanceof PosternError)) throw thrown;
  const { message, hint } = thrown;
  // Rooms that know no documents say the place in words: Cannot load role "x": spec.allow.db_rules[0].actions …
  const [, told = ""] =
    /^Cannot load \w+ "(?:[^"\\]|\\.)*":? (spec\b(?:[\w-]|\.|\[(?:\d+|"(?:[^"\\]|\\.)*")\])*)/.exec(message) ?? [];
  const path = (told === "" ? undefined : parsePath(told)) ?? ["metadata", "name"];
  return [{ path, message, ...(hint === undefined ? {} : { hint }) }];
}

/** As it is kept: without what other programs number their resources with, which says nothing here. */
function withoutBookkeeping(document: unknown): StoredValue {
  const copy = JSON.parse(JSON.stringify(document)) as { metadata?: Record<string, StoredValue> };
  if (isMapping(copy.metadata)) {
    delete copy.metadata["id"];
    delete copy.metadata["revision"];
  }
  return copy as StoredValue;
}

function formatted({ file, line, column, message, hint }: PlacedProblem): string {
  return `${file}:${line}:${column}: ${message}${hint === undefined ? "" : `\n  hint: ${hint}`}`;
}
