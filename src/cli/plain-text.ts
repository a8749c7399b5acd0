/** Values as JSON that goes to a terminal: what it could take for a command is escaped, which changes no value. */

// JSON escapes the first 32 itself; what is left are C1 controls, and what cannot be seen or turns the line around.
const EACH_UNSAFE = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/gu;

/** JSON, with its line end. */
export function jsonText(value: unknown, indent = 0): string {
  return `${escaped(JSON.stringify(value, null, indent), (text) =>
    Array.from({ length: text.length }, (_, at) => `\\u${hex(text.charCodeAt(at), 4)}`).join(""),
  )}\n`;
}

/** A text with what is unsafe in it written otherwise; ends of lines stay. */
export function escaped(text: string, escape: (unsafe: string) => string): string {
  return text.replaceAll(EACH_UNSAFE, escape);
}

/** A number in hexadecimal digits. */
export function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}
