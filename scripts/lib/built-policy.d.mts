import type { FoundOpa } from "./find-opa.mjs";

/** The checkout's root. */
export const PROJECT: string;

/** The gateway's policy, and that of administration. */
export type PolicyName = "bundle" | "control";

/**
 * Compiles `root`/policies to `root`/build/policy/<name>.tar.gz unless that build is of the very same inputs. Nothing is
 * written unless the module is valid and denies an empty input.
 */
export function buildPolicy(options: {
  readonly opa: FoundOpa;
  readonly root?: string;
  readonly say?: (line: string) => void;
  /** By default the gateway's, `bundle`. */
  readonly name?: PolicyName;
}): Promise<{ readonly output: string; readonly revision: string; readonly built: boolean }>;

/** Whether the build below `root` is of the sources as they are now, by the compiler that made it. */
export function isBuildCurrent(root: string, name?: PolicyName): Promise<boolean>;
