/** Texts with `*` for any text, matched in steps that do not multiply. */

/**
 * Whether a text fits a pattern in which `*` stands for any text, none included.
 *
 * @example
 * ```ts
 * import { globFits } from "./glob.ts";
 * console.assert(globFits("i-*", "i-0abc") && !globFits("*a*a", "a"));
 * ```
 */
export function globFits(pattern: string, text: string): boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.pop();
  if (tail === undefined) return text === head;
  if (!text.startsWith(head) || !text.endsWith(tail)) return false;
  let from = head.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, from);
    if (found < 0) return false;
    from = found + piece.length;
  }
  return from <= text.length - tail.length;
}
