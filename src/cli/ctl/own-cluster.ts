/** The cluster of this user's own, and whether it is meant: what is done to it beside its store cannot be undone. */

import { messageOf } from "../../base/errors.ts";
import type { Config } from "../../config/config.ts";
import { pinOf } from "../../identity/authority.ts";
import { CommandError } from "../command-error.ts";
import { proxyAddress } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";

/**
 * Whoever is logged in to another cluster means that one. Every cluster of somebody's own has the same name: theirs is known by its
 * authorities.
 *
 * @throws CommandError when it cannot be told
 */
export async function isMeant(own: Config, { profiles }: ClientSurroundings): Promise<boolean> {
  const current = profiles.current();
  const profile = current === undefined ? undefined : await profiles.read(proxyAddress(current));
  if (profile === undefined) return true;
  if (profile.stated.cluster !== own.auth_service?.cluster_name) return false;
  const { withAdministration } = await import("./local.ts");
  const pins = await withAdministration(own, "reads", ({ cluster }) => cluster.pins()).catch((cause: unknown) => {
    throw new CommandError(2, `Cannot tell whether you mean the cluster of this machine: ${messageOf(cause)}`, {
      cause,
      hint: LOG_OUT,
    });
  });
  return profile.trusted.some((pem) => pins.includes(pinOf(pem)));
}

/** What makes it plain. */
export const LOG_OUT = "to mean the cluster of this machine, log out of the other: postern logout";
