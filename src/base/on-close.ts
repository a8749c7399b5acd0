/** Whether a connection is there still, for who begins to use one that others have opened. */

import type { Duplex } from "node:stream";

/**
 * Calls `closed` when the connection closes, also when it has closed already. Requests of `node:http` that are given a connection which
 * has closed before are told neither of that nor of their own end: they would be waited for for ever.
 */
export function onClose(connection: Duplex, closed: () => void): void {
  if (connection.destroyed || connection.readableEnded) closed();
  else connection.once("close", closed);
}
