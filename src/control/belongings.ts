/** What goes with a resource that is made, removed or put in another's place: its secrets and links, and whom it was about. */

import { parseLock } from "../identity/lock.ts";
import { parseUser } from "../identity/user.ts";
import type { StoredValue, Write } from "../store/store.ts";
import type { AdministrationOptions } from "./administration.ts";
import { hostLocksNoted } from "./hosts.ts";
import { linksEnded } from "./links.ts";
import { removalNoted } from "./removed-users.ts";
import type { PlannedChange } from "./world.ts";

/** The writes beside those of the changes themselves. */
export async function belongingsOf(
  changes: readonly PlannedChange[],
  { store, kinds, clock }: Pick<AdministrationOptions, "store" | "kinds" | "clock">,
): Promise<Write[]> {
  const locks = changes.flatMap(({ kind, after }) => (kind === "lock" && after !== undefined ? [after] : []));
  const writes = await hostLocksNoted(
    store,
    locks.map((document) => parseLock(document).value),
  );
  for (const { verb, kind, name, before, after } of changes) {
    const isReplaced = kind === "user" && verb === "update" && originIn(before?.value) !== originIn(after);
    if (verb === "update" && !isReplaced) continue;
    if (isReplaced || (kind === "user" && verb === "delete")) writes.push(await removalNoted(store, name, clock.now()));
    if (kind === "user") writes.push(...(await linksEnded(store, name)));
    for (const belonging of kinds.get(kind)?.belongings ?? []) {
      const found = await store.get(belonging, name);
      if (found !== undefined) writes.push({ op: "delete", kind: belonging, name, revision: found.revision });
    }
  }
  return writes;
}

/** By whose word a user is who they are: with another one, it is somebody else of that name. */
function originIn(document: StoredValue | undefined): string {
  try {
    const { connector, issuer, subject } = parseUser(document).value.origin ?? {};
    return JSON.stringify([connector, issuer, subject]);
  } catch {
    // Who that was nobody can tell.
    return "";
  }
}
