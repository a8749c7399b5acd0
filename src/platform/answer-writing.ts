/** How answers go out on Node, whichever way their requests were read. */

import { Buffer } from "node:buffer";

/** Answers up to this size are copied into the string of their head. */
export const ONE_WRITE_BYTES: number = 8 * 1024;
/** After a refusal, what the client still sends is read and dropped, so that it gets to read the answer: until it pauses so many milliseconds, or has sent so many bytes. */
export const LINGER: { readonly quietMs: number; readonly bytes: number } = { quietMs: 500, bytes: 64 * 1024 * 1024 };

/** The bytes, each as the character of its number. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** Ends a body that nobody will read. It is begun first: a generator that never ran would skip its last words. */
export async function cancel(body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of body) break;
  } catch {
    // It failed by itself, and its last words are said.
  }
}
