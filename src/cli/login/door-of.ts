/** The door of a cluster that somebody is logged in to, with what they show there. */

import type { Trusting } from "../../client/tls.ts";
import { Door } from "./door.ts";
import { expired } from "./not-logged-in.ts";
import type { Choice, Profile } from "./profiles.ts";
import type { ClientSurroundings } from "./surroundings.ts";

/** @throws CommandError when nobody is logged in there, or not any more */
export async function doorOf(
  choice: Choice,
  { profiles, clock }: ClientSurroundings,
): Promise<{ readonly door: Door; readonly profile: Profile }> {
  const profile = await profiles.choose(choice);
  if (profile.stated.expires <= clock.now()) throw expired();
  return { door: new Door(tlsOf(profile, { clock })), profile };
}

/** How the door of a profile is reached. */
export function tlsOf(
  profile: Profile,
  { clock }: Pick<ClientSurroundings, "clock">,
): ConstructorParameters<typeof Door>[0] {
  const { proxy, stated } = profile;
  return { proxy, trusting: trustingOf(profile), clock, identity: profile, cluster: stated.cluster };
}

/** By whose word a profile's door is believed. */
export function trustingOf({ door, trusted }: Profile): Trusting {
  return door === "system" ? { by: "system" } : { by: "cluster", certificates: trusted };
}
