/** The way from a port of this machine to a database, as the user of a profile. */

import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext } from "node:tls";
import { messageOf, PosternError } from "../../base/errors.ts";
import { printable } from "../../base/printable.ts";
import type { Secret } from "../../base/secret.ts";
import { openTls } from "../../client/tls.ts";
import { readOwnCertificate, trustOf, verifyHostCertificate } from "../../identity/certificate-reader.ts";
import { quoted } from "../../identity/names.ts";
import { askForDatabase, secureToAgent } from "../../local-proxy/connect.ts";
import { type LocalAddress, type LocalProxy, type LocalTls, openLocalProxy } from "../../local-proxy/local-proxy.ts";
import { type RouteCredentials, RouteKeeper } from "../../local-proxy/route-keeper.ts";
import { type DatabaseDocument, Door, LOGIN_HINTS } from "../login/door.ts";
import { newKey, requireAuthorities, trustingOf } from "../login/log-in.ts";
import type { Choice, Profile } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { chosen } from "./choose.ts";
import { regionOf } from "./options.ts";

export interface DatabaseOptions extends Choice {
  /** Its name, or the beginning of it; absent: by the labels alone. */
  readonly database?: string | undefined;
  /** `key=value,…` */
  readonly labels?: string | undefined;
  readonly dbUser: string;
  readonly address: LocalAddress;
  readonly accessKeyId?: Secret | undefined;
  readonly tls?: LocalTls | undefined;
  /** Logs in again when the login has ended; absent: the error says that it must be done. */
  readonly logInAgain?: (profile: () => Promise<Profile>) => Promise<void>;
}

/** A port behind which a database is. */
export interface OpenDatabase extends LocalProxy {
  readonly cluster: string;
  readonly document: DatabaseDocument;
  readonly region: string;
}

const OPEN_MS = 15_000;
/** What an agent closes this soon it may have refused, in milliseconds. */
const REFUSED_WITHIN_MS = 1000;

/**
 * Opens the port. Whether the user may be this database user is asked with every operation, not here.
 *
 * @throws CommandError and PosternError, before anything listens
 */
export async function openDatabase(options: DatabaseOptions, around: ClientSurroundings): Promise<OpenDatabase> {
  const { dbUser, address, accessKeyId, tls, logInAgain } = options;
  const first = await around.profiles.choose(options);
  const login = new Login(first, around, logInAgain);
  const document = chosen(await new Door(tlsOf(await login.profile(), around)).databases(), {
    name: options.database,
    labels: options.labels,
  });
  const { name } = document.metadata;
  const region = regionOf(document);
  const keeper = new RouteKeeper({
    issue: () => issueRoute({ database: name, dbUser }, login, around),
    clock: around.clock,
    onRenewed: ({ expires }) =>
      around.say(
        `postern: Database certificate renewed: valid until ${new Date(expires).toISOString()} [valid for ${Math.round((expires - around.clock.now()) / 60_000)}m]\n`,
      ),
    onFailed: (error) => around.say(`postern: ${lineOf(error)}; the certificate at hand serves on\n`),
  });
  // What keeps the first connection from being opened is better told now.
  await keeper.current();
  const contexts = new WeakMap<RouteCredentials, SecureContext>();
  let said = "";
  const connect = async (credentials: RouteCredentials): Promise<Duplex> => {
    const { certificate, privateKey, trusted } = credentials;
    const context =
      contexts.get(credentials) ??
      createSecureContext({ cert: certificate, key: privateKey.reveal(), ca: [...trusted], minVersion: "TLSv1.3" });
    contexts.set(credentials, context);
    const current = await login.profile();
    const door = await openTls({ ...tlsOf(current, around), hints: LOGIN_HINTS });
    const through = await askForDatabase(door, name, OPEN_MS);
    const agent = await secureToAgent(through, {
      context,
      verifyAgent: (shown) => verifyAgent(shown, trusted, current, around),
      timeout: OPEN_MS,
    });
    // An agent says no to a certificate by closing at once.
    const opened = around.clock.monotonic();
    agent.once("close", () => {
      if (!agent.writableEnded && around.clock.monotonic() - opened < REFUSED_WITHIN_MS) keeper.doubt(credentials);
    });
    return agent;
  };
  const proxy = await openLocalProxy({
    address,
    accessKeyId,
    tls,
    clock: around.clock,
    random: Math.random,
    open: async () => {
      const credentials = await keeper.current();
      let agent: Duplex;
      try {
        agent = await connect(credentials);
      } catch (error) {
        if (!(error instanceof PosternError && error.code === "agent_untrusted")) throw error;
        // The cluster may have other authorities by now: its door says which. Nothing of the client's has been sent.
        const others = await keeper.instead(credentials);
        if (others === credentials) throw error;
        agent = await connect(others);
      }
      said = "";
      return agent;
    },
    onRefused: (error) => {
      const line = lineOf(error);
      // The same reason once: SDKs try again and again.
      if (line !== said) around.say(`postern: ${line}\n`);
      said = line;
    },
  });
  return { ...proxy, cluster: first.stated.cluster, document, region };
}

/** A login, as it is now: somebody may have logged in again, on any terminal. */
export class Login {
  readonly #first: Profile;
  readonly #around: ClientSurroundings;
  readonly #again: DatabaseOptions["logInAgain"];

  constructor(first: Profile, around: ClientSurroundings, again?: DatabaseOptions["logInAgain"]) {
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

/** How the door of a profile is reached. */
export function tlsOf(profile: Profile, { clock }: ClientSurroundings): ConstructorParameters<typeof Door>[0] {
  const { proxy, stated } = profile;
  return { proxy, trusting: trustingOf(profile), clock, identity: profile, cluster: stated.cluster };
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

/** By the cluster's authorities, and in a certificate of a database service: no proxy may stand in for one. */
export async function verifyAgent(
  certificate: Uint8Array,
  authorities: readonly string[],
  { stated }: Profile,
  { clock }: ClientSurroundings,
): Promise<void> {
  const { role } = await verifyHostCertificate(certificate, {
    trust: trustOf(stated.cluster, { host: authorities }),
    clock,
    isRevoked: () => false,
  });
  if (role !== "db") throw new Error(`its certificate is that of a ${role} service`);
}

function lineOf(error: unknown): string {
  const hint = error instanceof PosternError && error.hint !== undefined ? `: ${error.hint}` : "";
  return printable(`${messageOf(error)}${hint}`);
}
