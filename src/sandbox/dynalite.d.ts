/** The part of dynalite 4 that the sandbox uses; the package ships no types of its own. */
declare module "dynalite" {
  import type { Server } from "node:http";

  interface DynaliteOptions {
    /** How long a new table stays in CREATING, in milliseconds. */
    readonly createTableMs?: number;
    /** How long a dropped table stays in DELETING, in milliseconds. */
    readonly deleteTableMs?: number;
    /** How long a changed table stays in UPDATING, in milliseconds. */
    readonly updateTableMs?: number;
  }

  /** Makes an HTTP server, not yet listening, whose `request` event answers as DynamoDB does. */
  function dynalite(options?: DynaliteOptions): Server;
  export = dynalite;
}
