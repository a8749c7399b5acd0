/** A Rego file; `name` is its path inside the policy, with `/`. */
export interface PolicySource {
  readonly name: string;
  readonly text: string;
}

export const ENTRYPOINTS: readonly string[];
export const CONTROL_ENTRYPOINTS: readonly string[];

/** The policy's own Rego files below `directory`: no tests, fixtures, cases or schemas. Sorted by name. */
export function readSources(directory: string): Promise<PolicySource[]>;

/** Digest of `parts` and of how we build: what two equal builds have in common. */
export function keyOf(parts: readonly (string | Uint8Array)[]): string;

/** Compiles to the bytes of a bundle. Rejects with an Error whose message is what OPA said. */
export function compilePolicy(options: {
  /** Path of the opa program. */
  readonly opa: string;
  readonly sources: readonly PolicySource[];
  readonly data?: Readonly<Record<string, unknown>>;
  /** Path of the capabilities file; without it, all of OPA's builtins compile, also those that only fail at run time. */
  readonly capabilities?: string;
  readonly revision: string;
  /** Written into the manifest, so that the build can be told from one of other sources later. */
  readonly opaVersion?: string;
  readonly entrypoints?: readonly string[];
}): Promise<Buffer<ArrayBuffer>>;

/** Runs a program to its end. Rejects only when it cannot be started. `code` is a signal's name when one ended it. */
export function run(
  command: string,
  args: readonly string[],
  options?: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly timeout?: number },
): Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }>;

/** Writes a file in one step, as other processes see it. */
export function writeWhole(path: string, content: string | Uint8Array, mode?: number): Promise<void>;

/** Every file below `directory`, sorted, without hidden folders and node_modules. */
export function filesBelow(directory: string): Promise<string[]>;
