export const OPA_VERSION: string;

export interface OpaRelease {
  readonly version: string;
  /** URL under which `/v<version>/<asset>` lies. */
  readonly base: string;
  /** Platform (`linux-x64`) → name of the asset and its SHA-256 in hex. */
  readonly assets: Readonly<Record<string, readonly [name: string, sha256: string]>>;
}

export const OPA_RELEASE: OpaRelease;

/** None of the ways led to an OPA; the message says why each failed and what to do. */
export class OpaNotFound extends Error {
  constructor(reasons: readonly string[]);
}

export interface FoundOpa {
  readonly path: string;
  readonly version: string;
  readonly from: "OPA_BIN" | "PATH" | "cache" | "download" | "go install";
}

/** Finds or gets OPA. Rejects with `OpaNotFound`. The options are for tests, but for `say`, which gets one line for each wait. */
export function findOpa(options?: {
  readonly env?: NodeJS.ProcessEnv;
  readonly say?: (line: string) => void;
  readonly release?: OpaRelease;
  readonly platform?: string;
  readonly connectMs?: number;
}): Promise<FoundOpa>;
