/** Finds out that the other end of a session is gone, though nothing said so. */

import type { Http2Session } from "node:http2";
import { setImmediate } from "node:timers";

/**
 * Pings until the session is closed; destroys it when nothing at all came between one ping and the next. On a slow link an answer
 * waits behind what is on its way, and so would the other end's own pings if it waited for answers: both go on pinging, and any
 * byte is as good a sign of life.
 */
export function keepAlive(session: Http2Session, everyMs: number): void {
  let read: number | undefined;
  const timer = setInterval(() => {
    const before = read;
    // Who was held up reads first what has come meanwhile.
    setImmediate(() => {
      if (session.destroyed) return;
      read = session.socket.bytesRead;
      if (read === before) session.destroy(new Error("the other end does not answer"));
      // A session that is closing by itself, or has many pings on their way, takes no other.
      else session.ping(() => undefined);
    });
  }, everyMs);
  timer.unref();
  session.once("close", () => clearInterval(timer));
}
