/** Joins two connections into one, in both directions, each waiting for the other. */

import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";

/**
 * Joins them until both have ended. An end on one side is passed on to the other (half-close); an error on either ends both.
 * Never rejects: who was joined sees the end on its own side.
 */
export async function splice(one: Duplex, other: Duplex): Promise<void> {
  await Promise.all([pipeline(one, other), pipeline(other, one)]).catch(() => {
    one.destroy();
    other.destroy();
  });
}
