/** The way of a login to one database: the certificate for it, and who may answer there. */

import { PosternError } from "../../base/errors.ts";
import { readOwnCertificate, type Trust, verifyHostCertificate } from "../../identity/certificate-reader.ts";
import { mayServe } from "../../identity/host-databases.ts";
import { quoted } from "../../identity/names.ts";
import type { RouteCredentials } from "../../local-proxy/route-keeper.ts";
import { Door } from "../login/door.ts";
import { tlsOf, trustingOf } from "../login/door-of.ts";
import { requireAuthorities } from "../login/fitting.ts";
import { newKey } from "../login/new-key.ts";
import type { Profile } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { lineOf } from "../report-error.ts";

/** Logs in again; is given the profile as it is now. */
export type LogInAgain = (profile: () => Promise<Profile>) => Promise<void>;

/** A login, as it is now: somebody may have logged in again, on any terminal. */
export class Login {
  readonly #first: Profile;
  readonly #around: ClientSurroundings;
  readonly #again: LogInAgain | undefined;

  constructor(first: Profile, around: ClientSurroundings, again?: LogInAgain) {
    this.#first = first;
    this.#around = around;
    this.#again = again;
  }

  /** @throws PosternError `login_required` */
  async profile(): Promise<Profile> {
    const profile = await this.#read();
    if (this.#holds(profile)) return profile;
    if (this.#again !== undefined) {
      await this.#again(() => this.#read());
      const next = await this.#read();
      if (this.#holds(next)) return next;
    }
    throw loginRequired("The login has ended");
  }

  /** Of the same proxy and user, whichever profile is the current one by now: a port is nobody else's meanwhile. */
  async #read(): Promise<Profile> {
    const { proxy, stated } = this.#first;
    const profile = await this.#around.profiles.read(proxy);
    if (profile === undefined) throw loginRequired(`Nobody is logged in to ${proxy.text} any more`);
    if (profile.stated.user.name === stated.user.name && profile.stated.cluster === stated.cluster) return profile;
    throw loginRequired(`This port is that of ${quoted(stated.user.name)}, who is not logged in any more`);
  }

  #holds({ stated }: Profile): boolean {
    return this.#around.clock.now() < stated.expires;
  }
}

function loginRequired(message: string): PosternError {
  return new PosternError("login_required", message, { hint: "log in again with postern login" });
}

/** Asks for the certificate of a route, for a key that is made for it. */
export async function issueRoute(
  route: { readonly database: string; readonly dbUser: string },
  login: Login,
  around: ClientSurroundings,
): Promise<RouteCredentials> {
  const profile = await login.profile();
  const { publicKey, privateKey } = newKey();
  const door = new Door(tlsOf(profile, around));
  const { certificate, trusted } = await door.databaseCertificate({ ...route, publicKey });
  requireAuthorities(profile.proxy, trusted, trustingOf(profile));
  const stated = await readOwnCertificate(certificate);
  const { user, expires } = stated;
  if (stated.publicKey.export({ type: "spki", format: "pem" }) !== publicKey || user.name !== profile.stated.user.name)
    throw new PosternError("proxy_answer_invalid", "The certificate that came is not the one that was asked for", {
      hint: "ask the cluster's administrator who answers at this address",
    });
  // Authorities change while logins last: who was told of the next ones in time gets in when the old ones are gone.
  if (JSON.stringify(trusted) !== JSON.stringify(profile.trusted)) {
    try {
      around.profiles.trust(profile, trusted);
    } catch (error) {
      around.say(`postern: warning: the cluster's new authorities could not be kept: ${lineOf(error)}\n`);
    }
  }
  return { certificate, privateKey, trusted, expires };
}

/**
 * By the cluster's authorities, and in a certificate of a database service that may serve this database: neither a proxy nor another
 * database's agent may stand in for one, and who leads there is not asked.
 */
export async function verifyAgent(
  certificate: Uint8Array,
  { trust, database }: { readonly trust: Trust; readonly database: string },
  { clock }: Pick<ClientSurroundings, "clock">,
): Promise<void> {
  const { role, databases } = await verifyHostCertificate(certificate, { trust, clock, isRevoked: () => false });
  if (role !== "db") throw new Error(`its certificate is that of a ${role} service`);
  if (!mayServe(databases, database)) throw new Error(`its certificate does not let it serve ${quoted(database)}`);
}
