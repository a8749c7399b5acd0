/** Connections to a cluster's door over TLS: by whose word they are believed, and why they are not. */

import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { connect, createSecureContext, type SecureContext, type SecureContextOptions, type TLSSocket } from "node:tls";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import { pinOf } from "../identity/authority.ts";
import { type Trust, trustOf, verifyHostCertificate } from "../identity/certificate-reader.ts";

/** Where a cluster's door is. */
export interface ProxyAddress {
  readonly host: string;
  readonly port: number;
  /** Both, in one spelling. */
  readonly text: string;
}

/** What whoever calls can do about it, in the words of what they called with. */
export interface TlsHints {
  /** No authority that the system trusts vouches for the door. */
  readonly unknown: string;
  /** Those that are known do not, either. */
  readonly changed: (proxy: ProxyAddress) => string;
  readonly unreachable: string;
}

/** By whose word the door is believed. */
export type Trusting =
  /** PEM of the cluster's host authorities. */
  | { readonly by: "cluster"; readonly certificates: readonly string[] }
  | { readonly by: "system" }
  /** By nobody's; on this machine only. */
  | { readonly by: "nobody" };

export interface TlsOptions {
  readonly proxy: ProxyAddress;
  readonly trusting: Trusting;
  readonly clock: Clock;
  readonly hints: TlsHints;
  /** What the client shows of itself. */
  readonly identity?: { readonly certificate: string; readonly privateKey: Secret } | undefined;
  /** Whose door it must be; absent when that is not known yet. */
  readonly cluster?: string | undefined;
  /** For who opens many. */
  readonly kept?: KeptTls | undefined;
}

/** What connections to one door are opened with, made once for an identity and those who are trusted. */
export class KeptTls {
  #key = "";
  #context: SecureContext | undefined;
  #trust: Trust | undefined;

  /** Of the identity and the authorities, as they are in these options. */
  contextOf(options: TlsOptions): SecureContext {
    this.#look(options);
    return (this.#context ??= createSecureContext(contextOptions(options)));
  }

  /** The authorities of these options. */
  trustOf(options: TlsOptions, cluster: string, certificates: readonly string[]): Trust {
    this.#look(options);
    return (this.#trust ??= trustOf(cluster, { host: certificates }));
  }

  #look({ identity, trusting, cluster }: TlsOptions): void {
    const key = JSON.stringify([identity?.certificate, identity?.privateKey.reveal(), trusting, cluster]);
    if (key === this.#key) return;
    this.#key = key;
    this.#context = undefined;
    this.#trust = undefined;
  }
}

const CONNECT_MS = 10_000;

/**
 * Opens a connection.
 *
 * @throws PosternError `proxy_unreachable`, `proxy_untrusted`, `proxy_wrong_name`, `clock_skew`
 */
export async function openTls(options: TlsOptions): Promise<TLSSocket> {
  const { proxy, trusting, clock, cluster, kept } = options;
  const socket = connect({
    host: proxy.host,
    port: proxy.port,
    ...(isIP(proxy.host) === 0 ? { servername: proxy.host } : {}),
    ALPNProtocols: ["http/1.1"],
    rejectUnauthorized: trusting.by !== "nobody",
    ...(kept === undefined ? contextOptions(options) : { secureContext: kept.contextOf(options) }),
  });
  try {
    await secured(socket);
  } catch (cause) {
    socket.destroy();
    throw whyNot(cause, options);
  }
  try {
    if (trusting.by === "cluster" && cluster !== undefined) {
      const { certificates } = trusting;
      const trust = kept?.trustOf(options, cluster, certificates) ?? trustOf(cluster, { host: certificates });
      await requireDoor(socket.getPeerX509Certificate(), trust, clock);
    }
    return socket;
  } catch (thrown) {
    socket.destroy();
    const reason = messageOf(thrown).replace("Cannot accept the certificate: ", "");
    const code = thrown instanceof PosternError ? thrown.code : "";
    if (code === "certificate_not_yet_valid" || code === "certificate_expired") throw skewed(proxy, reason, thrown);
    throw untrusted(proxy, reason, "ask the cluster's administrator who answers at this address");
  }
}

/**
 * The authority that a door shows and that has one of these pins; nothing is sent. Whether it vouches for the door is for
 * the next connection to prove.
 *
 * @throws PosternError `pin_wrong`, and what `openTls()` throws
 */
export async function authorityByPin(
  options: Omit<TlsOptions, "trusting" | "identity" | "cluster">,
  pins: readonly string[],
): Promise<string> {
  const { proxy } = options;
  const socket = await openTls({ ...options, trusting: { by: "nobody" } });
  try {
    const pems = chainOf(socket).map((certificate) => certificate.toString());
    const found = pems.find((pem) => pins.includes(pinOf(pem)));
    if (found !== undefined) return found;
    throw new PosternError(
      "pin_wrong",
      `Cannot trust ${proxy.text}: none of the certificates that it shows has the pin ${pins.join(" or ")}`,
      {
        hint: "compare the pin with what postern ctl status shows on the auth service's machine; do not go on if it differs",
      },
    );
  } finally {
    socket.destroy();
  }
}

/** What the other side shows, its own certificate first. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  // The runtime closes the circle at the end: a root is its own issuer.
  while (next !== undefined && chain.length < MAX_CHAIN && !chain.includes(next)) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}

const MAX_CHAIN = 8;

/** A host of the cluster that is no door, such as an agent, must not stand in one. */
async function requireDoor(shown: X509Certificate | undefined, trust: Trust, clock: Clock): Promise<void> {
  const judging = { trust, clock, isRevoked: () => false };
  const { role } = await verifyHostCertificate(shown?.raw ?? new Uint8Array(), judging);
  if (role === "db")
    throw new Error(`its certificate is that of a database agent of cluster ${JSON.stringify(trust.cluster)}`);
}

function contextOptions({ trusting, identity }: TlsOptions): SecureContextOptions {
  return {
    minVersion: "TLSv1.2",
    ...(trusting.by === "cluster" ? { ca: [...trusting.certificates] } : {}),
    ...(identity === undefined ? {} : { cert: identity.certificate, key: identity.privateKey.reveal() }),
  };
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => socket.destroy(Object.assign(new Error("there was no answer"), { code: "ETIMEDOUT" })),
      CONNECT_MS,
    );
    socket.once("secureConnect", () => resolve());
    socket.once("error", reject);
    // Some ends make no error.
    socket.once("close", () => reject(Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" })));
    socket.once("secureConnect", () => clearTimeout(timer));
    socket.once("close", () => clearTimeout(timer));
  });
}

function whyNot(cause: unknown, { proxy, trusting, clock, hints }: TlsOptions): PosternError {
  const code = String((cause as NodeJS.ErrnoException).code ?? "");
  const here = new Date(clock.now()).toISOString();
  if (code === "CERT_NOT_YET_VALID" || code === "CERT_HAS_EXPIRED") {
    const how = code === "CERT_HAS_EXPIRED" ? "has ended" : "is not valid yet";
    return skewed(proxy, `its certificate ${how}, and here it is ${here}`, cause);
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return new PosternError("proxy_wrong_name", `Cannot trust ${proxy.text}: its certificate is for other names`, {
      cause,
      hint: "use the name that the cluster has as proxy_service.public_addr",
    });
  }
  if (UNTRUSTED.test(code)) {
    return trusting.by === "cluster"
      ? untrusted(
          proxy,
          "its certificate was not signed by the cluster that is known under this address",
          hints.changed(proxy),
          cause,
        )
      : untrusted(proxy, "no authority that this system trusts signed its certificate", hints.unknown, cause);
  }
  const reason = /^(?:ERR_SSL|EPROTO)/.test(code) ? "what answers there does not speak TLS as we do" : messageOf(cause);
  return new PosternError("proxy_unreachable", `Cannot reach ${proxy.text}: ${reason}`, {
    cause,
    hint: hints.unreachable,
  });
}

function skewed(proxy: ProxyAddress, reason: string, cause: unknown): PosternError {
  return new PosternError("clock_skew", `Cannot trust ${proxy.text}: ${reason}`, {
    cause,
    hint: "set this machine's clock right; when it is, the certificate of the proxy must be renewed",
  });
}

const UNTRUSTED =
  /^(?:SELF_SIGNED_CERT|DEPTH_ZERO|UNABLE_TO_|CERT_|INVALID_|ISSUER_|PATH_LENGTH|AUTHORITY_|SUBJECT_ISSUER|AKID_)/;

function untrusted(proxy: ProxyAddress, reason: string, hint: string, cause?: unknown): PosternError {
  return new PosternError("proxy_untrusted", `Cannot trust ${proxy.text}: ${reason}`, { hint, cause });
}
