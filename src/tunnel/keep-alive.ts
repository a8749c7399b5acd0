/** Finds out that the other end of a session is gone, though nothing said so. */

import type { Http2Session } from "node:http2";

/**
 * Pings until the session is closed; destroys it when by the next ping neither an answer nor any other byte has come. On a slow
 * link an answer waits behind what is on its way, and bytes are as good a sign of life.
 */
export function keepAlive(session: Http2Session, everyMs: number): void {
  let waiting = false;
  let read = 0;
  const timer = setInterval(() => {
    if (session.destroyed) return;
    const before = read;
    read = session.socket.bytesRead;
    if (waiting && read !== before) return;
    if (waiting) {
      session.destroy(new Error("the other end does not answer"));
      return;
    }
    waiting = true;
    // False when the session is closing by itself.
    const sent = session.ping((error) => {
      if (error === null) waiting = false;
    });
    if (!sent) waiting = false;
  }, everyMs);
  timer.unref();
  session.once("close", () => clearInterval(timer));
}
