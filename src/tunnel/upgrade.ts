/** Turns a connection to a proxy's door into a tunnel. */

import type { Buffer } from "node:buffer";
import { request } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers";
import { PosternError } from "../base/errors.ts";
import { agreedVersion, TUNNEL_PATH, TUNNEL_VERSIONS, upgradeOffer } from "./protocol.ts";

export interface Upgraded {
  readonly socket: Duplex;
  /** Of the protocol, as both ends speak it. */
  readonly version: number;
}

/**
 * Asks for the upgrade on a connection over which the door has been recognised.
 *
 * @throws PosternError `tunnel_refused` when the door says no, `tunnel_version` when it speaks other versions,
 * `proxy_unreachable` when it says nothing
 */
export function upgradeToTunnel(
  connection: Duplex,
  { host, signal, versions = TUNNEL_VERSIONS }: { host: string; signal: AbortSignal; versions?: readonly number[] },
): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => connection,
      method: "GET",
      path: TUNNEL_PATH,
      headers: { host, connection: "Upgrade", upgrade: upgradeOffer(versions) },
      signal,
    });
    asked.once("upgrade", (response, socket: Duplex, head: Buffer) => {
      const version = agreedVersion(response.headers.upgrade ?? "", versions);
      if (version === undefined) {
        socket.destroy();
        reject(otherVersions());
        return;
      }
      if (head.length > 0) socket.unshift(head);
      // Node's HTTP/2 takes what is still being written for its own, and ends the process: let the request's write end first.
      setImmediate(() => resolve({ socket, version }));
    });
    asked.once("response", (response) => {
      connection.destroy();
      reject(
        response.statusCode === 426
          ? otherVersions()
          : new PosternError("tunnel_refused", `The proxy opens no tunnel: it answers ${response.statusCode}`, {
              hint: "the log of the proxy says why; a host that is locked or was removed must join again",
            }),
      );
    });
    asked.once("error", (cause) => {
      connection.destroy();
      reject(new PosternError("proxy_unreachable", `The proxy opens no tunnel: ${cause.message}`, { cause }));
    });
    asked.end();
  });
}

function otherVersions(): PosternError {
  return new PosternError("tunnel_version", "The proxy opens no tunnel: it speaks other versions of the protocol", {
    hint: "bring agent and proxy within one version of each other",
  });
}
