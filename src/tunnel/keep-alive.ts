/** Finds out that the other end of a session is gone, though nothing said so. */

import type { Http2Session } from "node:http2";

/** Pings until the session is closed; destroys it when an answer has not come by the next ping. */
export function keepAlive(session: Http2Session, everyMs: number): void {
  let waiting = false;
  const timer = setInterval(() => {
    if (session.destroyed) return;
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
