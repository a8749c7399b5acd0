/** The plain value of a YAML document, within bounds. */

import { type Document, isAlias, isMap, isScalar, isSeq, type Node } from "yaml";
import { quoted } from "../identity/names.ts";

/** A fault at an offset of the text. */
export interface Fault {
  readonly offset: number;
  readonly message: string;
  readonly hint?: string;
}

/** Deepest nesting of values. */
export const MAX_DEPTH = 32;

/** Most values that aliases may stand for in one document: enough for real sharing, nothing for a bomb. */
export const MAX_ALIASED_VALUES = 10_000;

/** The value of a document; what cannot be one is added to `faults`, and null stands in its place. */
export function valueOf(document: Document.Parsed, faults: Fault[]): unknown {
  return convert(document.contents, {
    faults,
    depth: 0,
    aliased: false,
    budget: { values: MAX_ALIASED_VALUES },
    anchors: new Map(),
  });
}

interface Context {
  readonly faults: Fault[];
  readonly depth: number;
  readonly aliased: boolean;
  readonly budget: { values: number };
  /** Anchors met so far; a name used twice is refused, so that an alias means one thing. */
  readonly anchors: Map<string, Node>;
}

function convert(node: Node | null, context: Context): unknown {
  if (node === null) return null;
  if (context.aliased && --context.budget.values < 0) {
    if (context.budget.values === -1)
      report(node, context, `Aliases stand for more than ${MAX_ALIASED_VALUES} values`, "write the values out");
    return null;
  }
  if (context.depth > MAX_DEPTH) return report(node, context, `It is nested deeper than ${MAX_DEPTH} levels`);
  if (!isAlias(node) && node.anchor !== undefined && !context.aliased) {
    if (context.anchors.has(node.anchor))
      return report(node, context, `Anchor ${quoted(node.anchor)} stands twice`, "give each anchor a name of its own");
    context.anchors.set(node.anchor, node);
  }
  if (isScalar(node)) return scalar(node.value, node, context);
  const inner = { ...context, depth: context.depth + 1 };
  if (isAlias(node)) {
    const target = context.anchors.get(node.source);
    if (target === undefined) return report(node, context, `Alias ${quoted(node.source)} names no anchor above it`);
    return convert(target, { ...inner, aliased: true });
  }
  if (isSeq(node)) return node.items.map((item) => convert(item as Node | null, inner));
  if (!isMap(node)) return report(node, context, "It is neither a mapping, a list nor a value");
  const value: Record<string, unknown> = {};
  for (const pair of node.items) {
    const key = pair.key as Node;
    // With string keys the library leaves nothing else but an alias, which it has not looked behind.
    const name = isScalar(key) && typeof key.value === "string" ? key.value : undefined;
    if (name === undefined)
      report(key, context, "A key is not a plain text", "write the key as one word, or in quotes");
    else if (name === "__proto__") report(key, context, 'The key "__proto__" is not allowed');
    else if (Object.hasOwn(value, name))
      report(key, context, `The key ${quoted(name)} stands twice in this mapping`, "remove one of the two");
    else value[name] = convert(pair.value as Node | null, inner);
  }
  return value;
}

function scalar(value: unknown, node: Node, context: Context): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean" || typeof value === "number")
    return value;
  return report(node, context, "It is not a value of YAML's core schema");
}

function report(node: Node, context: Context, message: string, hint?: string): null {
  context.faults.push({ offset: node.range?.[0] ?? 0, message, ...(hint === undefined ? {} : { hint }) });
  return null;
}
