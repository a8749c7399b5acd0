/** Waits for what happens by itself, without saying how soon; gives up with the last reason. */

import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 20_000;

/** Resolves when `holds` gives true; what it throws counts as not yet. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    let reason: unknown = new Error("It never came true");
    try {
      if (await holds()) return;
    } catch (error) {
      reason = error;
    }
    if (performance.now() > deadline) throw reason;
    await sleep(10);
  }
}
