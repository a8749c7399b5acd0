/** Whether an actor's own roles reach what a change is about, as it is and as it would be. */

import type { Directory } from "../identity/directory.ts";
import type { Actor } from "./authorize.ts";
import type { Kind, Reaches } from "./kinds.ts";

export interface Reach {
  readonly before: boolean;
  readonly after: boolean;
}

/** Of what no role reaches. */
export const UNREACHED: Reach = { before: false, after: false };
/** For the question whether there is anything that somebody could change. */
export const REACHED: Reach = { before: true, after: true };

/** Tells it of each change of one act; what has to be made ready for that is made once. */
export function reachBy(
  actor: Actor,
  directory: Directory,
): (kind: Kind | undefined, change: { readonly before: unknown; readonly after: unknown }) => Promise<Reach> {
  const ready = new Map<Kind, Promise<Reaches>>();
  return async (kind, { before, after }) => {
    if (kind?.reachBy === undefined || actor.kind === "local") return UNREACHED;
    const roles = actor.roles.flatMap((name) => directory.role(name) ?? []);
    // Roles that cannot be used reach nothing.
    const reaching = ready.get(kind) ?? kind.reachBy(actor, roles).catch(() => () => false);
    ready.set(kind, reaching);
    const reaches = await reaching;
    return { before: reaches(before), after: reaches(after) };
  };
}
