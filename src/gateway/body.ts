/** The request's body: read once, bounded, decoded once, so that policy and DynamoDB see the same bytes. */

import { gunzip, inflate, type InputType, type Zlib, type ZlibOptions } from "node:zlib";
import type { RequestHead } from "./head.ts";
import type { BodyLease } from "./body-budget.ts";
import { BodyBroken, BodyTooLarge, ClientGone, type Exchange, NoRoom } from "./ports.ts";
import { Refusal } from "./refusal.ts";

/** DynamoDB's own limit, counted after decoding: 16 MiB. */
export const MAX_BODY_BYTES: number = 16 * 1024 * 1024;

const decoders = { gzip: gunzip, deflate: inflate };

/**
 * Reads and decodes the body. What it returns is what is judged, signed and sent.
 *
 * @throws Refusal when it is too large, there is no room for it, it breaks off, or does not decode to its last byte
 */
export async function readBody(exchange: Exchange, head: RequestHead, lease: BodyLease): Promise<Uint8Array> {
  let raw: Uint8Array;
  try {
    raw = await exchange.body(MAX_BODY_BYTES, lease);
  } catch (cause) {
    if (cause instanceof BodyTooLarge) throw tooLarge(true);
    if (cause instanceof NoRoom) throw noRoom(cause);
    if (cause instanceof BodyBroken) {
      const why = `The body is not valid HTTP (${cause.reason})`;
      throw new Refusal("request_rejected", why, "SerializationException", { cause, unread: true });
    }
    if (cause instanceof ClientGone)
      throw new Refusal("client_gone", "The client went away", "InternalServerError", { cause });
    throw cause;
  }
  if (head.contentEncoding === "identity") return raw;
  // How much it becomes is known only when it is decoded.
  if (!lease.take(MAX_BODY_BYTES)) throw noRoom(undefined);
  try {
    const decoded = await decode(decoders[head.contentEncoding], raw);
    lease.give(MAX_BODY_BYTES - decoded.byteLength);
    return decoded;
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

type Decoder = (raw: InputType, options: ZlibOptions, callback: (error: Error | null, result: unknown) => void) => void;

function decode(decoder: Decoder, raw: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    decoder(raw, { maxOutputLength: MAX_BODY_BYTES, info: true }, (error, result) => {
      if (error !== null) {
        reject(error);
        return;
      }
      const { buffer, engine } = result as { buffer: Uint8Array; engine: Zlib };
      // zlib stops at the end of the first stream without a word; what follows it would be seen by nobody.
      if (engine.bytesWritten === raw.byteLength) resolve(buffer);
      else reject(new Error(`${raw.byteLength - engine.bytesWritten} bytes follow the end`));
    });
  });
}

function noRoom(cause: unknown): Refusal {
  return new Refusal("overloaded", "Too many large requests are under way", "ServiceUnavailable", {
    cause,
    unread: cause !== undefined,
  });
}

function tooLarge(unread: boolean): Refusal {
  return new Refusal("body_too_large", "The request's body is larger than 16 MiB", "RequestEntityTooLarge", { unread });
}
