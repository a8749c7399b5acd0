/** What the audit commands get from their surroundings. */

import type { Clock } from "../../base/clock.ts";

/** `AuditCommandPorts`, filled. */
export interface AuditSurroundings {
  /** The audit directory that a command's options name. */
  readonly directoryOf: (options: WhereOptions) => Promise<string>;
  readonly write: (text: string) => void;
  /** Tells a person something that is no part of the answer. */
  readonly say: (text: string) => void;
  readonly color: boolean;
  readonly clock: Clock;
  readonly wait: (milliseconds: number) => Promise<boolean>;
}

/** The options that say where the log is. */
export interface WhereOptions {
  readonly config?: string;
  readonly dataDir?: string;
}
