/** YAML 1.2 with places: documents as plain values, and where in the file each of them stands. */

import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isSeq,
  LineCounter,
  type Node,
  Parser,
  type YAMLMap,
} from "yaml";
import type { SourcePosition } from "../base/errors.ts";
import type { DocumentPath } from "../identity/problem.ts";
import { jsonDocuments } from "./json-documents.ts";
import { MAX_PLACED, type PositionedProblem } from "./problem.ts";
import { MAX_DEPTH, valueOf, type Fault } from "./yaml-value.ts";

/** Largest file that is read. */
export const MAX_FILE_BYTES: number = 1024 * 1024;

/** One document of a file. Heavy: keep its `place`, not the document. */
export interface YamlDocument {
  /** Plain objects, arrays, strings, numbers, booleans and null; null when `problems` is not empty. */
  readonly value: unknown;
  readonly problems: readonly PositionedProblem[];
  /** Where a value stands, or its key; for one that is missing, the nearest thing above it. */
  positionOf(path: DocumentPath, at?: "key"): SourcePosition;
  readonly place: YamlPlace;
}

/** What finds a position later, without holding the parsed document: the text is parsed again when it is asked. */
export interface YamlPlace {
  readonly file: string;
  readonly text: string;
  /** The part of the text that is this document, as offsets. */
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the documents of a text one by one, so that a caller can pause between them and stop when there are too many.
 * YAML 1.2 core schema with string keys; duplicate keys, tags of other schemas, merge keys and alias bombs are problems.
 */
export function* parseYaml(text: string, file: string): Generator<YamlDocument, void, undefined> {
  const control = CONTROL.exec(text);
  if (control !== null) {
    yield broken(
      file,
      text,
      control.index,
      `A control character (U+${control[0].charCodeAt(0).toString(16).padStart(4, "0").toUpperCase()}) is in the file`,
    );
    return;
  }
  let start = yield* plainDocuments(text, file);
  if (start > 0 && start === text.length) return;
  for (const composed of compose(text, start)) {
    if ("tooDeep" in composed) {
      yield broken(file, text, composed.tooDeep, `It is nested deeper than ${MAX_DEPTH} levels`);
      return;
    }
    const { document, lines } = composed;
    const place: YamlPlace = { file, text, start, end: document.range[2] };
    start = place.end;
    yield documentOf(document, lines, place);
  }
}

/** Where a path of a document stands; see `YamlDocument.positionOf`. */
export function positionIn(place: YamlPlace, path: DocumentPath, at?: "key"): SourcePosition {
  return locatorIn(place)(path, at);
}

/** Parses the document once, for many questions. */
function locatorIn({ file, text, start, end }: YamlPlace, lines?: LineCounter): YamlDocument["positionOf"] {
  for (const composed of compose(text, start, end, lines)) {
    if ("tooDeep" in composed) break;
    return (path, at) => locate(composed.document, composed.lines, file, path, at);
  }
  return () => ({ file, line: text.slice(0, start).split("\n").length, column: 1 });
}

// Everything that YAML calls non-printable, except that JSON's own escapes may stand for it.
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** A document, or the offset at which it is nested too deep to be looked at. */
type Composed = { readonly document: Document.Parsed; readonly lines: LineCounter } | { readonly tooDeep: number };

/** Composes the documents of a part of a text; every offset counts from the beginning of the whole, whose `lines` these are. */
function* compose(
  text: string,
  start = 0,
  end = text.length,
  lines = linesOf(text),
): Generator<Composed, void, undefined> {
  const parser = new Parser();
  parser.offset = start;
  // Duplicate keys are looked for in valueOf(): the library compares every key with every other.
  const composer = new Composer({
    stringKeys: true,
    uniqueKeys: false,
    resolveKnownTags: false,
    version: "1.2",
    schema: "core",
    merge: false,
  });
  for (const token of parser.parse(text.slice(start, end))) {
    // The composer recurses. With the stack nearly used up, V8 ends the whole process when it compiles a regular
    // expression there: no exception that could be caught. So depth is bounded before, without recursion.
    const tooDeep = depthFault(token);
    if (tooDeep !== undefined) {
      yield { tooDeep };
      return;
    }
    for (const document of composer.next(token)) yield { document: document as Document.Parsed, lines };
  }
  for (const document of composer.end()) yield { document: document as Document.Parsed, lines };
}

function linesOf(text: string): LineCounter {
  const lines = new LineCounter();
  for (let line = 0; line >= 0; line = text.indexOf("\n", line) + 1 || -1) lines.addNewLine(line);
  return lines;
}

/** The offset of the first token beyond the bound. One level of values is at most two of tokens. */
function depthFault(root: CST.Token): number | undefined {
  let level: readonly CST.Token[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > 2 * MAX_DEPTH + 2) return level[0]?.offset;
    level = level.flatMap(partsOf);
  }
  return undefined;
}

function partsOf(token: CST.Token): CST.Token[] {
  if (token.type === "document") return token.value === undefined ? [] : [token.value];
  if (!("items" in token)) return [];
  return token.items.flatMap(({ key, value }: CST.CollectionItem) =>
    [key, value].filter((part): part is CST.Token => isCollection(part)),
  );
}

function isCollection(token: CST.Token | null | undefined): token is CST.Token {
  return token !== null && token !== undefined && "items" in token;
}

function documentOf(document: Document.Parsed, lines: LineCounter, place: YamlPlace): YamlDocument {
  const faults: Fault[] = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
    offset: pos[0],
    ...explain(code, message),
  }));
  const value = faults.length > 0 ? null : valueOf(document, faults);
  return {
    value: faults.length > 0 ? null : value,
    problems: faults.slice(0, MAX_PLACED).map(({ offset, message, hint }) => ({
      ...positionAt(lines, offset, place.file),
      message,
      ...(hint === undefined ? {} : { hint }),
    })),
    positionOf: (path, at) => locate(document, lines, place.file, path, at),
    place,
  };
}

/** The documents that can be read without YAML's parser, which is asked for places only. Returns where they end. */
function* plainDocuments(text: string, file: string): Generator<YamlDocument, number, undefined> {
  const plain = jsonDocuments(text);
  // Counted once: for each of a thousand documents it would take seconds.
  let lines: LineCounter | undefined;
  for (;;) {
    const { done, value: found } = plain.next();
    if (done === true) return found;
    const { value, start, end } = found;
    const place: YamlPlace = { file, text, start, end };
    let positionOf: YamlDocument["positionOf"] | undefined;
    yield {
      value,
      problems: [],
      positionOf: (path, at) => (positionOf ??= locatorIn(place, (lines ??= linesOf(text))))(path, at),
      place,
    };
  }
}

function broken(file: string, text: string, offset: number, message: string): YamlDocument {
  const above = text.slice(0, offset).split("\n");
  const position = { file, line: above.length, column: (above.at(-1)?.length ?? 0) + 1 };
  const place = { file, text, start: 0, end: text.length };
  return { value: null, problems: [{ ...position, message }], positionOf: () => position, place };
}

function locate(
  document: Document.Parsed,
  lines: LineCounter,
  file: string,
  path: DocumentPath,
  at?: "key",
): SourcePosition {
  let node: Node | null | undefined = document.contents;
  let offset = startOf(node) ?? document.range[0];
  for (const [depth, step] of path.entries()) {
    const here: Node | null | undefined = isAlias(node) ? node.resolve(document) : node;
    let next: Node | null | undefined;
    if (isMap(here)) {
      const pair = pairOf(here, String(step));
      if (pair === undefined) break;
      offset = startOf(pair.key) ?? offset;
      if (depth === path.length - 1 && at === "key") break;
      next = pair.value;
    } else if (isSeq(here) && typeof step === "number") {
      next = here.items[step] as Node | undefined;
    }
    if (next === undefined || next === null) break;
    node = next;
    // `key:` with nothing after it has a value of no width: the key is what people see.
    if (!isNothing(node)) offset = startOf(node) ?? offset;
  }
  return positionAt(lines, offset, file);
}

function pairOf(map: YAMLMap, key: string): { key: Node; value: Node | null } | undefined {
  return map.items.find((pair) => String((pair.key as { value?: unknown } | null)?.value) === key) as
    | { key: Node; value: Node | null }
    | undefined;
}

function startOf(node: Node | null | undefined): number | undefined {
  return node?.range?.[0];
}

function isNothing(node: Node): boolean {
  return node.range !== null && node.range !== undefined && node.range[0] === node.range[1];
}

function positionAt(lines: LineCounter, offset: number, file: string): SourcePosition {
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** Sentences for the slips that people make; the library's own for the rest, without its excerpt. */
function explain(code: string, message: string): Omit<Fault, "offset"> {
  const told = SLIPS[code];
  if (told !== undefined) return told;
  const [line = message] = message.split("\n");
  return { message: `Cannot read it as YAML: ${line.replace(/ at line [0-9]+, column [0-9]+:?$/, "")}` };
}

const SLIPS: Readonly<Record<string, Omit<Fault, "offset">>> = {
  TAB_AS_INDENT: { message: "A tab indents this line; YAML takes spaces only", hint: "replace the tab with spaces" },
  NON_STRING_KEY: {
    message: "A key is not a plain text",
    hint: 'write the key as one word, or in quotes; a template stands in quotes: "{{external.team}}"',
  },
  RESOURCE_EXHAUSTION: { message: "It is nested too deep" },
  TAG_RESOLVE_FAILED: { message: "A tag (a word with !) is not one that is known here", hint: "remove the tag" },
};
