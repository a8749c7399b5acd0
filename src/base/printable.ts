/** Texts of somebody else's on their way to a terminal. */

/** A text as one line that does nothing to a terminal: what it could take for a command, and what nobody sees, is `?`. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "?");
}
