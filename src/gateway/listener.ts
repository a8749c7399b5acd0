/** Who speaks on an address: the fixed identity of a standalone listener. */

/** Identity and database of everything that arrives on one address. */
export interface FixedListener {
  /** As configured, for messages: `127.0.0.1:8000` or `unix:/run/postern.sock`. */
  readonly address: string;
  readonly kind: "tcp" | "unix";
  /** Host names, without port, that this listener answers to. */
  readonly hosts: ReadonlySet<string>;
  readonly user: string;
  readonly database: string;
  /** The AWS role as configured: a name, a path or an ARN. */
  readonly dbUser: string;
}

/** The names under which a loopback address may be called. */
export const LOOPBACK_HOSTS: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

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
