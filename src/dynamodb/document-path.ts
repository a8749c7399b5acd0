/** Paths into an item, and the one spelling in which policy is told of them. */

/** A top-level attribute's name, then names of map members and numbers of list elements. */
export type DocumentPath = readonly [string, ...(string | number)[]];

/**
 * The spelling of a path in policy's input and in rules: `address.lines[0]`; a name that holds `.`, `[`, `]` or a backquote
 * stands in backquotes, with those inside doubled. Two different paths never have the same spelling.
 */
export function spellPath(path: DocumentPath): string {
  let text = spellName(path[0]);
  for (let at = 1; at < path.length; at++) {
    const step = path[at] as string | number;
    text += typeof step === "number" ? `[${step}]` : `.${spellName(step)}`;
  }
  return text;
}

/** The spelling of a top-level attribute's name. */
export function spellName(name: string): string {
  return PLAIN.test(name) ? name : `\`${name.replaceAll("`", "``")}\``;
}

const PLAIN = /^[^.[\]`]+$/;
