/** The door of a cluster that somebody is logged in to, with what they show there. */

import { CommandError } from "../command-error.ts";
import { Door } from "./door.ts";
import { trustingOf } from "./log-in.ts";
import type { Choice, Profile } from "./profiles.ts";
import type { ClientSurroundings } from "./surroundings.ts";

/** @throws CommandError when nobody is logged in there, or not any more */
export async function doorOf(
  choice: Choice,
  { profiles, clock }: ClientSurroundings,
): Promise<{ readonly door: Door; readonly profile: Profile }> {
  const profile = await profiles.choose(choice);
  const { proxy, stated } = profile;
  if (stated.expires <= clock.now()) throw expired();
  const door = new Door({ proxy, trusting: trustingOf(profile), clock, identity: profile, cluster: stated.cluster });
  return { door, profile };
}

/** What whoever is not logged in any more is told. */
export function expired(): CommandError {
  return new CommandError(1, "Active profile expired.", { hint: "postern login" });
}
