/** Turns a connection to a proxy's door into a tunnel. */

import type { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers";
import { PosternError } from "../base/errors.ts";
import { onClose } from "../base/on-close.ts";
import { agreedVersion, TUNNEL_PATH, TUNNEL_VERSIONS, UPGRADE_HEADERS, upgradeOffer } from "./protocol.ts";
import { TunnelHeld } from "./tunnel-held.ts";

export interface Upgraded {
  readonly socket: Duplex;
  /** Of the protocol, as both ends speak it. */
  readonly version: number;
  /** Which proxy it is: one address may lead to several. Undefined when it does not say. */
  readonly proxy: string | undefined;
}

export interface UpgradeOptions {
  readonly host: string;
  readonly signal: AbortSignal;
  readonly versions?: readonly number[];
  /** Proxies to which there is a tunnel already: they need not open another. */
  readonly held?: readonly string[];
  /** Milliseconds for the door to answer. */
  readonly timeout: number;
}

/**
 * Asks for the upgrade on a connection over which the door has been recognised.
 *
 * @throws TunnelHeld when the proxy is one of those that are held; PosternError `tunnel_refused` when the door says no,
 * `tunnel_version` when it speaks other versions, `proxy_unreachable` when it says nothing
 */
export function upgradeToTunnel(
  connection: Duplex,
  { host, signal, versions = TUNNEL_VERSIONS, held = [], timeout }: UpgradeOptions,
): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    onClose(connection, () =>
      reject(new PosternError("proxy_unreachable", "The proxy opens no tunnel: the connection was closed")),
    );
    const asked = request({
      createConnection: () => connection,
      method: "GET",
      path: TUNNEL_PATH,
      headers: {
        host,
        connection: "Upgrade",
        upgrade: upgradeOffer(versions),
        ...(held.length === 0 ? {} : { [UPGRADE_HEADERS.held]: held.join(",") }),
      },
      // A door that has gone silent after TLS must not keep its agent for ever.
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
    });
    asked.once("upgrade", (response, socket: Duplex, head: Buffer) => {
      const version = agreedVersion(response.headers.upgrade ?? "", versions);
      if (version === undefined) {
        reject(otherVersions());
        socket.destroy();
        return;
      }
      if (head.length > 0) socket.unshift(head);
      // Node's HTTP/2 takes what is still being written for its own, and ends the process: let the request's write end first.
      setImmediate(() => resolve({ socket, version, proxy: proxyOf(response) }));
    });
    asked.once("response", (response) => {
      const proxy = proxyOf(response);
      if (response.statusCode === 409 && proxy !== undefined && held.includes(proxy)) {
        reject(new TunnelHeld(proxy));
        connection.destroy();
        return;
      }
      reject(
        response.statusCode === 426
          ? otherVersions()
          : new PosternError("tunnel_refused", `The proxy opens no tunnel: it answers ${response.statusCode}`, {
              hint: "the log of the proxy says why; a host that is locked or was removed must join again",
            }),
      );
      connection.destroy();
    });
    asked.once("error", (cause) => {
      reject(new PosternError("proxy_unreachable", `The proxy opens no tunnel: ${cause.message}`, { cause }));
      connection.destroy();
    });
    asked.end();
  });
}

function proxyOf({ headers }: IncomingMessage): string | undefined {
  const said = headers[UPGRADE_HEADERS.proxy];
  return typeof said === "string" && /^[\w-]{1,64}$/.test(said) ? said : undefined;
}

function otherVersions(): PosternError {
  return new PosternError("tunnel_version", "The proxy opens no tunnel: it speaks other versions of the protocol", {
    hint: "bring agent and proxy within one version of each other",
  });
}
