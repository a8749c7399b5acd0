/** The request's body: read once, bounded, decoded once, so that policy and DynamoDB see the same bytes. */

import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import type { RequestHead } from "./head.ts";
import { BodyTooLarge, ClientGone, type Exchange } from "./ports.ts";
import { Refusal } from "./refusal.ts";

/** DynamoDB's own limit, counted after decoding: 16 MiB. */
export const MAX_BODY_BYTES: number = 16 * 1024 * 1024;

const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate) };

/**
 * Reads and decodes the body. What it returns is what is judged, signed and sent.
 *
 * @throws Refusal when it is too large, breaks off, or does not decode to its last byte
 */
export async function readBody(exchange: Exchange, head: RequestHead): Promise<Uint8Array> {
  let raw: Uint8Array;
  try {
    raw = await exchange.body(MAX_BODY_BYTES);
  } catch (cause) {
    if (cause instanceof BodyTooLarge) throw tooLarge(true);
    if (cause instanceof ClientGone) throw new Refusal("client_gone", "The client went away", "InternalServerError", { cause });
    throw cause;
  }
  if (head.contentEncoding === "identity") return raw;
  try {
    return await decoders[head.contentEncoding](raw, { maxOutputLength: MAX_BODY_BYTES });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge(false);
    throw new Refusal(
      "request_rejected",
      `The body does not decode as ${head.contentEncoding}`,
      "SerializationException",
      { cause },
    );
  }
}

function tooLarge(unread: boolean): Refusal {
  return new Refusal("body_too_large", "The request's body is larger than 16 MiB", "RequestEntityTooLarge", { unread });
}
