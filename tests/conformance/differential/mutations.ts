/** Damage to the bytes of a request: flips, cuts, repeats, and pieces of what a parser has to be careful with. */

import { Buffer } from "node:buffer";
import type { Random } from "./random.ts";

const PIECES = [
  `"`,
  `""`,
  `\\`,
  `\\u0000`,
  `\\u0041`,
  `\\ud800`,
  `{`,
  `}`,
  `[`,
  `]`,
  `,`,
  `:`,
  `null`,
  `"__proto__":{},`,
  `"__type":"x",`,
  `"TableName":"plain",`,
  `"Key":{"pk":{"S":"kb"},"sk":{"N":"1"}},`,
  `"Select":"ALL_ATTRIBUTES",`,
  `"ReturnValues":"ALL_OLD",`,
  ` OR pk = :v0`,
  `, sec`,
  ` AND sec = :v0`,
  `#n0`,
  `:v0`,
  `(`,
  `)`,
  `'`,
  `''`,
  `;`,
  `--`,
  `/*`,
  `?`,
  `*`,
  `.`,
  `[0]`,
  ` `,
  `\t`,
  `\u00a0`,
  `\u2028`,
  `\u0430`,
  `\ufeff`,
  `e1`,
  `-0`,
  `1e400`,
  `arn:aws:dynamodb:ddblocal:000000000000:table/plain`,
];

/** Other bytes, mostly by one change, sometimes by several. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let mutant = bytes;
  const changes = random.chance(0.7) ? 1 : 1 + random.below(3);
  for (let change = 0; change < changes; change++) mutant = changed(mutant, random);
  return mutant;
}

function changed(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  const length = random.below(8);
  const end = Math.min(bytes.length, at + length);
  switch (random.below(8)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (at < bytes.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      return flipped;
    }
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    case 3:
      return letterCase(bytes, random);
    case 4:
      return swapped(bytes, random);
    default:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(random.pick(PIECES)), bytes.subarray(at)]);
  }
}

/** One letter in the other case. */
function letterCase(bytes: Buffer, random: Random): Buffer {
  const mutant = Buffer.from(bytes);
  for (let tries = 0; tries < 20; tries++) {
    const at = random.below(bytes.length);
    const code = mutant[at] ?? 0;
    if ((code | 0x20) < 0x61 || (code | 0x20) > 0x7a) continue;
    mutant[at] = code ^ 0x20;
    break;
  }
  return mutant;
}

/** Two words of the body exchanged. */
function swapped(bytes: Buffer, random: Random): Buffer {
  const text = bytes.toString("latin1");
  const words = [...text.matchAll(/\w+/g)];
  if (words.length < 2) return bytes;
  const [one, other] = random.some(words, 2, 2).toSorted((a, b) => a.index - b.index);
  if (one === undefined || other === undefined) return bytes;
  const between = text.slice(one.index + one[0].length, other.index);
  const rest = text.slice(other.index + other[0].length);
  return Buffer.from(`${text.slice(0, one.index)}${other[0]}${between}${one[0]}${rest}`, "latin1");
}
