/** Values as YAML that goes to a terminal: what it could take for a command is escaped, which changes no value. */

import { Document, visit } from "yaml";
import { escaped, hex } from "./plain-text.ts";

const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

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
