/** What may be a name, and why something may not. */

/** Longest name of a user, role, lock or label, in UTF-16 code units. */
export const MAX_NAME_LENGTH = 255;

/**
 * Why a text cannot be a name, or undefined when it can. Names end up in audit events, error messages and STS session
 * names, where invisible or re-ordering characters would let one name pass for another.
 */
export function nameFault(name: string): string | undefined {
  if (name === "") return "the name is empty";
  if (name.length > MAX_NAME_LENGTH) return `the name has ${name.length} characters, ${MAX_NAME_LENGTH} allowed`;
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return "the name holds a control or invisible character";
  if (name.trim() !== name) return "the name begins or ends with a space";
  if (name.normalize("NFC") !== name) return "the name is not in Unicode's composed form (NFC)";
  return undefined;
}

/** A text in quotes for a message: at most 80 characters, none of them invisible. */
export function quoted(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 79)}…` : text;
  return JSON.stringify(short).replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
