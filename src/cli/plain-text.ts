/** Values as JSON and YAML that go to a terminal: what it could take for a command is escaped, which changes no value. */

import { Document, visit } from "yaml";

// JSON escapes the first 32 itself; what is left are C1 controls, and what cannot be seen or turns the line around.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const EACH_UNSAFE = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/gu;

/** JSON, with its line end. */
export function jsonText(value: unknown, indent = 0): string {
  return `${escaped(JSON.stringify(value, null, indent), (text) =>
    Array.from({ length: text.length }, (_, at) => `\\u${hex(text.charCodeAt(at), 4)}`).join(""),
  )}\n`;
}

/** YAML; lines are not folded. */
export function yamlText(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Scalar(_, scalar) {
      // Only there are escapes.
      if (typeof scalar.value === "string" && UNSAFE.test(scalar.value.replaceAll("\n", "")))
        scalar.type = "QUOTE_DOUBLE";
    },
  });
  return escaped(document.toString({ lineWidth: 0 }), (text) => `\\U${hex(text.codePointAt(0) ?? 0, 8)}`);
}

function escaped(text: string, escape: (unsafe: string) => string): string {
  return text.replaceAll(EACH_UNSAFE, escape);
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
