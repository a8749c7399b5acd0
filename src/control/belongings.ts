/** What goes with a resource that is made or removed: secrets of its own, and that it was there. */

import type { Write } from "../store/store.ts";
import type { AdministrationOptions } from "./administration.ts";
import { removalNoted } from "./removed-users.ts";
import type { PlannedChange } from "./world.ts";

/** The writes beside those of the changes themselves. */
export async function belongingsOf(
  changes: readonly PlannedChange[],
  { store, kinds, clock }: Pick<AdministrationOptions, "store" | "kinds" | "clock">,
): Promise<Write[]> {
  const writes: Write[] = [];
  for (const { verb, kind, name } of changes) {
    if (verb === "update") continue;
    if (verb === "delete" && kind === "user") writes.push(await removalNoted(store, name, clock.now()));
    for (const belonging of kinds.get(kind)?.belongings ?? []) {
      const found = await store.get(belonging, name);
      if (found !== undefined) writes.push({ op: "delete", kind: belonging, name, revision: found.revision });
    }
  }
  return writes;
}
