/** Logging in: whom to trust, a key made here, a certificate for it from the cluster, and a profile when all of it fits. */

import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { userInfo } from "node:os";
import { PosternError } from "../../base/errors.ts";
import { Secret } from "../../base/secret.ts";
import { authorityByPin, type ProxyAddress, type Trusting } from "../../client/tls.ts";
import { isLoopback } from "../../config/address.ts";
import { pinOf } from "../../identity/authority.ts";
import { CLOCK_SKEW_MS } from "../../identity/authority-keys.ts";
import { readOwnCertificate, type StatedUser } from "../../identity/certificate-reader.ts";
import { nameFault, quoted } from "../../identity/names.ts";
import { CommandError } from "../command-error.ts";
import { Door, LOGIN_HINTS } from "./door.ts";
import { comeIn, wayIn } from "./ways.ts";
import { type Profile, proxyAddress } from "./profiles.ts";
import type { ClientSurroundings } from "./surroundings.ts";

export interface LoginOptions {
  readonly proxy?: string;
  readonly cluster?: string;
  readonly user?: string;
  readonly passwordStdin?: boolean;
  readonly otp?: string;
  readonly caPin?: string;
  readonly insecure?: boolean;
  /** `local`, or the name of a connector. */
  readonly auth?: string;
  /** `none`: none is opened. */
  readonly browser?: string;
  readonly headless?: boolean;
  /** Milliseconds. */
  readonly ttl?: number;
}

/** Logs in, or takes up a login that still holds. Nothing is written unless all went well. @returns the profile in use */
export async function logIn(options: LoginOptions, surroundings: ClientSurroundings): Promise<Profile> {
  const { profiles, clock, say } = surroundings;
  const { known, proxy } = await whereTo(options, surroundings);
  if (known !== undefined && takesUp(options, known, clock.now())) {
    profiles.use(proxy);
    say(`postern: still logged in to ${proxy.text}; postern logout --proxy=${proxy.text} ends that\n`);
    return known;
  }
  const usual = options.user ?? known?.stated.user.name ?? userInfo().username;
  const fault = nameFault(usual);
  if (fault !== undefined) throw new CommandError(2, `Cannot log in as ${quoted(usual)}: ${fault}`);
  const trusting = await trustingFor(options, proxy, known, surroundings);
  // A cluster that is known must stay the one that it was.
  const expected = trusting.by === "cluster" && options.caPin === undefined ? known?.stated.cluster : undefined;
  const first = new Door({ proxy, trusting, clock, cluster: expected });
  const welcome = await first.ping();
  const { cluster } = welcome;
  if (first.clocks !== undefined) say(`postern: warning: ${first.clocks}: logins may end early, or not begin\n`);
  const way = wayIn(options, welcome);
  const door = new Door({ proxy, trusting, clock, cluster });
  const { publicKey, privateKey } = newKey();
  // Who comes by a connector is whoever its provider says.
  const user = way.connector === undefined ? usual : options.user;
  const asked = { door, user, publicKey, ttl: options.ttl };
  const answer = await comeIn(way, asked, options, surroundings);
  const stated = await readOwnCertificate(answer.certificate).catch((cause: unknown) => {
    throw notFitting(proxy, "its certificate cannot be read", cause);
  });
  requireFitting(proxy, stated, { user, cluster, publicKey, said: answer.cluster });
  requireMoment(proxy, stated, clock.now(), door.clocks);
  requireAuthorities(proxy, answer.trusted, trusting);
  const trusted = answer.trusted;
  // Whom to trust was told by nobody in particular: that the next command will get in as well is tried now.
  if (trusting.by === "nobody")
    await new Door({ proxy, trusting: { by: "cluster", certificates: trusted }, clock, cluster }).ping();
  const profile: Profile = {
    proxy,
    door: trusting.by === "system" ? "system" : "cluster",
    certificate: answer.certificate,
    privateKey,
    trusted,
    stated,
  };
  profiles.save(profile);
  return profile;
}

/** By whose word a profile's door is believed. */
export function trustingOf({ door, trusted }: Profile): Trusting {
  return door === "system" ? { by: "system" } : { by: "cluster", certificates: trusted };
}

/** Whose door is meant, and what is known of it. */
export async function whereTo(
  { proxy, cluster }: LoginOptions,
  { profiles }: ClientSurroundings,
): Promise<{ readonly proxy: ProxyAddress; readonly known: Profile | undefined }> {
  // Looked at in any case: where somebody else could put a profile, none is written.
  const current = profiles.current();
  if (cluster !== undefined) {
    const known = await profiles.choose({ proxy, cluster });
    return { proxy: known.proxy, known };
  }
  const wanted = proxy ?? current;
  if (wanted === undefined) {
    throw new CommandError(2, "Cannot log in: it is not known where", {
      hint: "name the cluster's proxy: postern login --proxy=HOST:PORT --user=NAME",
    });
  }
  const address = proxyAddress(wanted);
  return { proxy: address, known: await profiles.read(address) };
}

/** As tsh does: who names a cluster that they are logged in to wants to use it. */
function takesUp(
  { user, passwordStdin, otp, caPin, insecure, ttl, auth, headless }: LoginOptions,
  known: Profile,
  now: number,
): boolean {
  const asksAnew = [passwordStdin, otp, caPin, insecure, ttl, auth, headless].some((option) => option !== undefined);
  const { stated } = known;
  return !asksAnew && (user === undefined || user === stated.user.name) && now < stated.expires;
}

/** By whose word the door is believed. */
export async function trustingFor(
  { caPin, insecure = false }: LoginOptions,
  proxy: ProxyAddress,
  known: Profile | undefined,
  { clock, say }: ClientSurroundings,
): Promise<Trusting> {
  if (caPin !== undefined && insecure) {
    throw new CommandError(2, "Cannot log in with both --ca-pin and --insecure", { hint: "--ca-pin is enough" });
  }
  if (caPin !== undefined) {
    const pin = caPin.toLowerCase();
    if (!/^sha256:[0-9a-f]{64}$/.test(pin)) {
      throw new CommandError(2, `Cannot use the pin ${quoted(caPin)}: it is not sha256: and 64 hex digits`, {
        hint: "postern ctl status shows it on the auth service's machine",
      });
    }
    return { by: "cluster", certificates: [await authorityByPin({ proxy, clock, hints: LOGIN_HINTS }, [pin])] };
  }
  if (insecure) {
    if (!isLoopback({ kind: "tcp", host: proxy.host, port: proxy.port })) {
      throw new CommandError(2, `Cannot log in to ${proxy.text} with --insecure: it is not this machine`, {
        hint: "use --ca-pin=sha256:…, which postern ctl status shows on the auth service's machine",
      });
    }
    say(`postern: warning: --insecure: whoever answers at ${proxy.text} is believed, and gets the password\n`);
    return { by: "nobody" };
  }
  return known === undefined ? { by: "system" } : trustingOf(known);
}

/** The private key never leaves this machine. */
export function newKey(): { readonly publicKey: string; readonly privateKey: Secret } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { publicKey, privateKey: new Secret(privateKey) };
}

/** What was asked for, and for nobody and nothing else. */
export function requireFitting(
  proxy: ProxyAddress,
  stated: StatedUser,
  asked: {
    readonly user: string | undefined;
    readonly cluster: string;
    readonly publicKey: string;
    readonly said: string;
  },
): void {
  const { user, cluster, publicKey, said } = asked;
  const key = stated.publicKey.export({ type: "spki", format: "pem" });
  if (key !== publicKey) throw notFitting(proxy, "its certificate is for another key");
  if (user !== undefined && stated.user.name !== user) {
    throw notFitting(proxy, `its certificate is for ${quoted(stated.user.name)}, and ${quoted(user)} asked for one`);
  }
  const other = [stated.cluster, said].find((one) => one !== cluster);
  if (other !== undefined) throw notFitting(proxy, `it speaks of cluster ${quoted(other)}, and is ${quoted(cluster)}`);
}

/** @throws PosternError `clock_skew` unless the certificate counts now */
export function requireMoment(
  proxy: ProxyAddress,
  { begins, expires }: StatedUser,
  now: number,
  clocks: string | undefined,
): void {
  const reason =
    now < begins - CLOCK_SKEW_MS
      ? `begins on ${new Date(begins).toISOString()}`
      : now >= expires
        ? `ended on ${new Date(expires).toISOString()}`
        : undefined;
  if (reason === undefined) return;
  const here = new Date(now).toISOString();
  throw new PosternError(
    "clock_skew",
    `Cannot use the certificate that ${proxy.text} has just issued: it ${reason}, and here it is ${here}${clocks === undefined ? "" : `; ${clocks}`}`,
    { hint: "set the clocks of this machine and of the cluster right" },
  );
}

/** Those who vouch for the door must be among those whom it would have trusted. */
export function requireAuthorities(proxy: ProxyAddress, trusted: readonly string[], trusting: Trusting): void {
  let pins: string[];
  try {
    pins = trusted.map((pem) => {
      const certificate = new X509Certificate(pem);
      if (!certificate.ca || !certificate.verify(certificate.publicKey)) throw new Error("it is no authority");
      return pinOf(pem);
    });
  } catch (cause) {
    throw notFitting(proxy, "what it says whom to trust cannot be used", cause);
  }
  if (trusting.by !== "cluster") return;
  if (!trusting.certificates.some((pem) => pins.includes(pinOf(pem)))) {
    throw notFitting(proxy, "it would have others trusted than those who vouch for it");
  }
}

/** An answer that is not believed. */
export function notFitting(proxy: ProxyAddress, reason: string, cause?: unknown): PosternError {
  return new PosternError("login_answer_refused", `Cannot use the answer of ${proxy.text}: ${reason}`, {
    cause,
    hint: "ask the cluster's administrator what answers at this address",
  });
}
