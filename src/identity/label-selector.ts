/** Which resources are meant by their labels, as Teleport's services choose them. */

import { globFits } from "./glob.ts";

/** Label → texts that its value may be, with `*` for any text. All labels must fit; of a label's texts one is enough. */
export type LabelSelector = Readonly<Record<string, readonly string[]>>;

/**
 * Whether these labels fit. Without any label it means nothing; `"*": ["*"]` means everything, even without labels and whatever
 * stands beside it.
 */
export function labelsFit(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(selector);
  if (entries.some(([key, globs]) => key === "*" && globs.length === 1 && globs[0] === "*")) return true;
  if (entries.length === 0) return false;
  return entries.every(([key, globs]) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    return value !== undefined && globs.some((glob) => globFits(glob, value));
  });
}
