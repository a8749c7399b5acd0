/** Logging in: whom to trust, a key made here, a certificate for it from the cluster, and a profile when all of it fits. */

import { userInfo } from "node:os";
import { authorityByPin, type ProxyAddress, type Trusting } from "../../client/tls.ts";
import { isLoopback } from "../../config/address.ts";
import { nameFault, quoted } from "../../identity/names.ts";
import { CommandError } from "../command-error.ts";
import { Door, LOGIN_HINTS } from "./door.ts";
import { trustingOf } from "./door-of.ts";
import { fittingProfile } from "./fitting-profile.ts";
import { newKey } from "./new-key.ts";
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

/**
 * Logs in, or takes up a login that still holds. Nothing is written unless all went well.
 *
 * @param use whether its profile becomes the current one
 * @returns the profile
 */
export async function logIn(
  options: LoginOptions,
  surroundings: ClientSurroundings,
  { use }: { readonly use: boolean } = { use: true },
): Promise<Profile> {
  const { profiles, clock, say } = surroundings;
  const { known, proxy } = await whereTo(options, surroundings);
  if (known !== undefined && takesUp(options, known, clock.now())) {
    if (use) profiles.use(proxy);
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
  const answer = await comeIn(way, { door, user, publicKey, ttl: options.ttl }, options, surroundings);
  const asked = { proxy, trusting, cluster, user, publicKey, privateKey };
  const profile = await fittingProfile(answer, { ...asked, clocks: door.clocks }, surroundings);
  if (use) profiles.save(profile);
  else profiles.keep(profile);
  return profile;
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
