/** What another server answers, read to its end when that is near. */

import { Buffer } from "node:buffer";

/** The text of an answer, as UTF-8. @throws Error when it has more than `most` bytes */
export async function boundedText(answer: AsyncIterable<unknown>, most: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > most) throw new Error(`its answer has more than ${most} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
