import type { FoundOpa } from "./find-opa.mjs";

/** The checkout's root. */
export const PROJECT: string;

/**
 * Compiles `root`/policies to `root`/build/policy/bundle.tar.gz unless that build is of the very same inputs. Nothing is
 * written unless the module is valid and denies an empty input.
 */
export function buildPolicy(options: {
  readonly opa: FoundOpa;
  readonly root?: string;
  readonly say?: (line: string) => void;
}): Promise<{ readonly output: string; readonly revision: string; readonly built: boolean }>;

/** Whether the build below `root` is of the sources as they are now, by the compiler that made it. */
export function isBuildCurrent(root: string): Promise<boolean>;
