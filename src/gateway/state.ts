/** What decides at one instant: policy, people and databases of one revision, swapped together and never changed in place. */

import type { Database } from "../aws/database.ts";
import type { Directory } from "../identity/directory.ts";
import type { Decision } from "../policy/decision.ts";
import type { PolicyInput } from "../policy/input.ts";

/** One consistent state of the gateway. A request reads it once and keeps it to its end. */
export interface GatewayState {
  readonly policy: DecisionPoint;
  readonly directory: Directory;
  readonly databases: ReadonlyMap<string, Database>;
  /** By user, until when logins are void that were given before, in milliseconds since the epoch; of all by the empty name. */
  readonly voided?: ReadonlyMap<string, number>;
}

/** The least that the gateway needs of policy. */
export interface DecisionPoint {
  readonly revision: string;
  /** Whether packages of the installation's own take part in decisions, or may. */
  readonly custom: boolean;
  /** Decides at once and never throws: whatever goes wrong is a denial with its reason. */
  decide(input: PolicyInput): Decision;
  /** Whether the caller may know of a table that a list operation found. Never throws. */
  visible(input: PolicyInput): boolean;
}
