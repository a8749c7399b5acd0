/** Guessing the word that somebody meant. */

/**
 * The candidate nearest to a word, or undefined when none is near enough to be meant: up to two slips (a letter too many,
 * missing, wrong, or two swapped) and never more than a third of the word. Case and `-` for `_` cost nothing.
 *
 * @example
 * ```ts
 * import { nearMiss } from "./near-miss.ts";
 * console.assert(nearMiss("static_lables", ["static_labels", "uri"]) === "static_labels");
 * ```
 */
export function nearMiss(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > LONGEST) return undefined;
  const meant = fold(word);
  let best: string | undefined;
  let least = Math.min(2, Math.floor(meant.length / 3)) + 1;
  for (const candidate of candidates) {
    const slips = distance(meant, fold(candidate), least);
    if (slips < least) {
      best = candidate;
      least = slips;
    }
  }
  return best;
}

/** Longer words are nobody's slip, and would cost time. */
const LONGEST = 64;

function fold(word: string): string {
  return word.toLowerCase().replaceAll("-", "_");
}

/** Damerau–Levenshtein distance (adjacent swaps only), or `bound` when it is not below it. */
function distance(a: string, b: string, bound: number): number {
  if (Math.abs(a.length - b.length) >= bound) return bound;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, at(beforeLast, j - 2) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return Math.min(at(last, b.length), bound);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
