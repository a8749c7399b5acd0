/** Joins two connections into one, in both directions, each waiting for the other. */

import type { Duplex } from "node:stream";

/**
 * Joins them until both have closed. An end on one side is passed on to the other (half-close). One that closes after its end
 * lets the other deliver what it was given; one that closes before its end cuts the other at once, so that nobody takes a part
 * for the whole. Who was joined sees the end on its own side.
 */
export function splice(one: Duplex, other: Duplex): void {
  // Not pipeline(): of an HTTP/2 stream it takes the reset that follows a good end for a failure, and drops what is not read yet.
  lead(one, other);
  lead(other, one);
}

function lead(from: Duplex, to: Duplex): void {
  from.on("error", () => from.destroy());
  const closed = (): void => {
    if (from.readableEnded) closeWhenDelivered(to);
    else to.destroy();
  };
  if (from.destroyed) {
    to.destroy();
    return;
  }
  from.once("close", closed);
  from.pipe(to);
}

function closeWhenDelivered(stream: Duplex): void {
  if (stream.writableFinished) {
    stream.destroy();
    return;
  }
  stream.once("finish", () => stream.destroy());
  stream.end();
}
