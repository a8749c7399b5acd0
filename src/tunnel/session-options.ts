/** What both ends set of HTTP/2. */

import type { SessionOptions } from "node:http2";

/**
 * How much of one connection may be on its way unread, in bytes: 2.5 MB a second over 100 ms. More would be held for each client
 * that does not read.
 */
const STREAM_WINDOW_BYTES = 262_144;

/** Of all connections in a tunnel together: one slow reader must not stop the others. */
export const SESSION_WINDOW_BYTES = 33_554_432;

export const SESSION_OPTIONS: SessionOptions = {
  settings: { initialWindowSize: STREAM_WINDOW_BYTES, enablePush: false, maxConcurrentStreams: 10_000 },
  // In MB. Node ends a session at the bound, so it must hold what the windows allow.
  maxSessionMemory: 512,
};
