/** Which databases a database service may serve: what its join token says, and its certificate carries. */

import { Buffer } from "node:buffer";
import { globFits } from "./glob.ts";
import { nameFault, quoted } from "./names.ts";

/** Names of databases, and patterns in which `*` stands for any text. Undefined: any database. */
export type HostDatabases = readonly string[] | undefined;

/** Half of what a certificate's claims may have, so that everything else fits beside them. */
const MAX_BYTES = 8_192;

/**
 * Whether a service to which these were named may serve a database.
 *
 * @example
 * ```ts
 * import { mayServe } from "./host-databases.ts";
 * console.assert(mayServe(["dev-*"], "dev-orders") && !mayServe(["dev-*"], "prod") && mayServe(undefined, "prod"));
 * ```
 */
export function mayServe(databases: HostDatabases, name: string): boolean {
  return databases === undefined || databases.some((pattern) => globFits(pattern, name));
}

/** Why these cannot be named, or undefined when they can. */
export function databasesFault(databases: readonly string[]): string | undefined {
  if (databases.length === 0) return "names no database";
  for (const pattern of databases) {
    const fault = nameFault(pattern);
    if (fault !== undefined) return `holds ${quoted(pattern)}, which names no database: ${fault}`;
  }
  const bytes = Buffer.byteLength(JSON.stringify(databases));
  return bytes <= MAX_BYTES ? undefined : `has ${bytes} bytes, ${MAX_BYTES} allowed`;
}
