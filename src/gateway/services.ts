/** The rooms that serve one gateway, as it holds them. */

import type { Recorder } from "../audit/recorder.ts";
import type { CredentialSource } from "../aws/credentials.ts";
import type { Signer } from "../aws/signer.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { BodyBudget } from "./body-budget.ts";
import type { Upstream } from "./ports.ts";
import type { Seals } from "./seals.ts";
import type { GatewayState } from "./state.ts";
import type { TableSchemas } from "./table-schemas.ts";

export interface GatewayServices {
  /** Policy, people and databases in force now; a request reads it once. */
  state(): GatewayState;
  readonly recorder: Recorder;
  readonly credentials: CredentialSource;
  readonly signer: Signer;
  readonly seals: Seals;
  /** Keys of tables, as far as they are known. */
  readonly schemas: TableSchemas;
  readonly upstream: Upstream;
  /** Makes values in bodies unreadable for the audit log, or leaves them, as configured. */
  readonly redact: (text: string) => string;
  /** Memory for the bodies of all requests under way. */
  readonly bodies: BodyBudget;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly log: Log;
  /** How many milliseconds ago the cluster was last heard of, where that is further back than may be; else undefined. */
  readonly lostFor?: () => number | undefined;
}
