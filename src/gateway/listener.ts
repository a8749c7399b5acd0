/** Who speaks on an address or a connection. */

import type { Session } from "../identity/session.ts";

/** Identity and database of everything that arrives on one address, or on one connection that came through a tunnel. */
export interface FixedListener {
  /** As configured, for messages: `127.0.0.1:8000` or `unix:/run/postern.sock`. */
  readonly address: string;
  /** `sdk`: one request of an AWS SDK, whose signature has been verified. */
  readonly kind: "tcp" | "unix" | "tunnel" | "sdk";
  /** Host names, without port and in lower case, that this listener answers to beside those of this machine's loopback. */
  readonly hosts: ReadonlySet<string>;
  readonly user: string;
  readonly database: string;
  /** The AWS role as configured: a name, a path or an ARN. */
  readonly dbUser: string;
  /** The login of the user who came through a tunnel; absent where the configuration says who speaks. */
  readonly session?: Session;
}

/**
 * Whether a listener answers to a host name: loopback's own, or one that was configured. A signed request was for the host that
 * its signature covers, and a page in a browser cannot make one.
 */
export function answersTo(listener: FixedListener, name: string): boolean {
  return listener.kind === "sdk" || isLoopbackName(name) || listener.hosts.has(name);
}

/** Whether a host name, as `hostName` gives it, means this machine. */
export function isLoopbackName(name: string): boolean {
  return name === "localhost" || name === "[::1]" || /^127(?:\.[0-9]{1,3}){3}$/.test(name);
}

/**
 * The host part of a `Host` header, lower case and without its port; `null` when it is none.
 *
 * @example
 * ```ts
 * import { hostName } from "./listener.ts";
 * console.assert(hostName("LocalHost:8000") === "localhost" && hostName("[::1]:8000") === "[::1]");
 * ```
 */
export function hostName(header: string): string | null {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?$/.exec(header);
  return match?.[1]?.toLowerCase() ?? null;
}
