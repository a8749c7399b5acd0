/** What people and programs elsewhere call the cluster's door. */

import { isIP } from "node:net";
import { PosternError } from "../base/errors.ts";
import { quoted } from "../identity/names.ts";
import { formatAddress, isLoopback, type ListenAddress, parseAddress } from "./address.ts";
import type { Config } from "./config.ts";

/** An address that others reach. */
export interface PublicAddress {
  readonly host: string;
  /** `host:port`, for the command line. */
  readonly proxy: string;
  /** `https://host:port`, as browsers write it: without `:443`. */
  readonly origin: string;
  /** Whether the host is a name, which passkeys need. */
  readonly isName: boolean;
}

/**
 * `proxy_service.public_addr`; where there is none, the address that it listens on, called `localhost` when that is this
 * machine's or every one.
 *
 * @throws PosternError `public_addr_invalid`
 */
export function publicAddressOf(config: Config): PublicAddress {
  const { listen_addr: listening, public_addr: written } = config.proxy_service ?? {};
  const address = written === undefined ? listening : parsed(config, written);
  const tcp = address?.kind === "tcp" ? address : { kind: "tcp" as const, host: "localhost", port: 3080 };
  const isHere = written === undefined && (isLoopback(tcp) || ["0.0.0.0", "::"].includes(tcp.host));
  const shown = { ...tcp, host: isHere ? "localhost" : tcp.host };
  const proxy = formatAddress(shown);
  return { host: shown.host, proxy, origin: new URL(`https://${proxy}`).origin, isName: isIP(shown.host) === 0 };
}

function parsed(config: Config, text: string): ListenAddress {
  const result = parseAddress(text.includes(":") ? text : `${text}:443`);
  if (!("fault" in result) && result.address.kind === "tcp") return result.address;
  const fault = "fault" in result ? result.fault : "it is a path";
  throw new PosternError("public_addr_invalid", `Cannot be called ${quoted(text)}: ${fault}`, {
    position: config.positionOf(["proxy_service", "public_addr"]),
    hint: "write postern.example.com:3080",
  });
}
