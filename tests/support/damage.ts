/** Damage to bytes, by a generator that gives the same in every run. */

/** Numbers below a bound. */
export type Random = (bound: number) => number;

export function generator(seed: number): Random {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return Math.floor(((state >>> 0) / 2 ** 32) * bound);
  };
}

/** What a parser of HTTP might stumble over. */
const SNAGS = [
  "\r",
  "\n",
  "\r\n",
  "\0",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "0",
  "f",
  "close",
  "\x80",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
];

/** Some bytes lost, put in, changed, repeated or cut off. */
export function damaged(sent: Buffer, random: Random): Buffer {
  let result = sent;
  for (let times = random(3) + 1; times > 0; times--) {
    const at = random(result.length + 1);
    const [before, behind] = [result.subarray(0, at), result.subarray(at)];
    const what = random(5);
    if (what === 0) result = Buffer.concat([before, behind.subarray(1 + random(3))]);
    else if (what === 1)
      result = Buffer.concat([before, Buffer.from(SNAGS[random(SNAGS.length)] ?? "", "latin1"), behind]);
    else if (what === 2) result = Buffer.concat([before, Buffer.from([random(256)]), behind.subarray(1)]);
    else if (what === 3) result = Buffer.concat([before, before.subarray(random(at + 1)), behind]);
    else result = before;
  }
  return result;
}
