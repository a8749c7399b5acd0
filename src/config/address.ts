/** Addresses to listen on, as people write them. */

import { isIPv4, isIPv6 } from "node:net";

/** A parsed address. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** An address, or why it is none. */
export type AddressResult = { readonly address: ListenAddress } | { readonly fault: string; readonly hint?: string };

/** Longest path of a Unix socket that every system takes. */
const MAX_SOCKET_PATH = 103;

/**
 * Reads `127.0.0.1:8000`, `localhost:8000`, `[::1]:8000`, `unix:/run/postern.sock` or an absolute path. Port 0 asks the
 * system for a free one. `resolve` makes a relative socket path absolute.
 *
 * @example
 * ```ts
 * import { parseAddress } from "./address.ts";
 * const result = parseAddress("[::1]:8000");
 * console.assert("address" in result && result.address.kind === "tcp" && result.address.host === "::1");
 * ```
 */
export function parseAddress(text: string, resolve: (path: string) => string = (path) => path): AddressResult {
  if (text.startsWith("unix:") || text.startsWith("/"))
    return socket(text.replace(/^unix:(?:\/\/(?=\/))?/, ""), resolve);
  const match = /^(?:\[(?<six>[0-9a-fA-F:.]+)\]|(?<host>[A-Za-z0-9._-]*)):(?<port>[0-9]{1,5})$/.exec(text);
  if (match === null) {
    if (isIPv6(text))
      return { fault: "the IPv6 address is not in brackets, so its port cannot be told", hint: `write [${text}]:8000` };
    if (/^[A-Za-z0-9._-]+$/.test(text))
      return { fault: "it has no port", hint: `write ${/^[0-9]+$/.test(text) ? `127.0.0.1:${text}` : `${text}:8000`}` };
    return {
      fault: "it is neither host:port nor a Unix socket",
      hint: "write 127.0.0.1:8000 or unix:/run/postern.sock",
    };
  }
  const { six, host = "", port = "" } = match.groups ?? {};
  if (six !== undefined && !isIPv6(six)) return { fault: `[${six}] is not an IPv6 address` };
  if (six === undefined && host === "") return { fault: "it has no host", hint: `write 127.0.0.1:${port}` };
  if (six === undefined && /^[0-9.]+$/.test(host) && !isIPv4(host)) return { fault: `${host} is not an IPv4 address` };
  if (Number(port) > 65_535) return { fault: `port ${port} is above 65535` };
  return { address: { kind: "tcp", host: six ?? host.toLowerCase(), port: Number(port) } };
}

/** True when only this machine can reach the address: a Unix socket, 127.0.0.0/8, ::1 or `localhost`. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind === "unix" || address.host === "localhost") return true;
  if (isIPv4(address.host)) return address.host.startsWith("127.");
  return isIPv6(address.host) && /^(?:0{0,4}:)*:?0{0,3}1$/.test(address.host);
}

/** The address as text, in one spelling. */
export function formatAddress(address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return `${isIPv6(address.host) ? `[${address.host}]` : address.host}:${address.port}`;
}

function socket(path: string, resolve: (path: string) => string): AddressResult {
  if (path === "") return { fault: "it names no path", hint: "write unix:/run/postern.sock" };
  const full = resolve(path);
  const length = new TextEncoder().encode(full).length;
  if (length > MAX_SOCKET_PATH)
    return { fault: `the path of a Unix socket has ${length} bytes, ${MAX_SOCKET_PATH} allowed` };
  return { address: { kind: "unix", path: full } };
}
