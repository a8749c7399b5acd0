/** What decides, made of a bundle and of resources. */

import type { Clock } from "../base/clock.ts";
import type { Config } from "../config/config.ts";
import { positioned } from "../config/positioned.ts";
import type { Resources } from "../config/resources.ts";
import type { GatewayState } from "../gateway/state.ts";
import type { PolicyBundle } from "../policy/bundle.ts";
import { PolicyDecisionPoint, type PolicyFault } from "../policy/pdp.ts";
import type { StoredSet } from "./store-follower.ts";
import { databasesOf, policyDataOf } from "./sources.ts";

/** Of one revision, whole. */
export type ActiveState = GatewayState & { readonly policy: PolicyDecisionPoint };

interface StateOptions {
  readonly clock: Clock;
  readonly onFault: (fault: PolicyFault) => void;
}

/** Compiles them. @throws PosternError what is wrong, at its place where somebody wrote it */
export async function stateOf(
  config: Config,
  sources: { readonly bundle: PolicyBundle; readonly resources: Resources; readonly stored?: StoredSet | undefined },
  { clock, onFault }: StateOptions,
): Promise<ActiveState> {
  const { bundle, resources, stored } = sources;
  const data = policyDataOf(resources);
  const policy = await PolicyDecisionPoint.load({ bundle, data, clock, onFault }).catch((error: unknown) => {
    throw positioned(error, resources);
  });
  const voided = stored === undefined ? {} : { voided: stored.voided };
  return { policy, directory: resources.directory, databases: databasesOf(config, resources), ...voided };
}
