/** The way from a port of this machine to a database, as the user of a profile. */

import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext } from "node:tls";
import { PosternError } from "../../base/errors.ts";
import type { Secret } from "../../base/secret.ts";
import { openTls } from "../../client/tls.ts";
import { newAuthority } from "../../identity/authority.ts";
import { readOwnCertificate, Trust, verifyHostCertificate } from "../../identity/certificate-reader.ts";
import { quoted } from "../../identity/names.ts";
import { nearMiss } from "../../identity/near-miss.ts";
import { askForDatabase, secureToAgent } from "../../local-proxy/connect.ts";
import { type LocalAddress, type LocalProxy, openLocalProxy } from "../../local-proxy/local-proxy.ts";
import { type RouteCredentials, RouteKeeper } from "../../local-proxy/route-keeper.ts";
import { CommandError } from "../command-error.ts";
import { type DatabaseDocument, Door, LOGIN_HINTS } from "../login/door.ts";
import { newKey, trustingOf } from "../login/log-in.ts";
import type { Choice, Profile } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";

/** Which database, as whom. */
export interface RouteOptions extends Choice {
  readonly database: string;
  readonly dbUser: string;
  /** Logs in again when the login has ended; absent: the error says that it must be done. */
  readonly logInAgain?: () => Promise<void>;
}

export interface DatabaseOptions extends RouteOptions {
  readonly address: LocalAddress;
  readonly accessKeyId?: Secret | undefined;
}

/** A port behind which a database is. */
export interface OpenDatabase extends LocalProxy {
  readonly cluster: string;
  readonly document: DatabaseDocument;
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
  const { database, address, accessKeyId } = options;
  const profile = await profileOf(options, around);
  const document = await documentOf(database, profile, around);
  const keeper = new RouteKeeper({
    issue: () => issueRoute(options, around),
    clock: around.clock,
    onRenewed: ({ expires, issued }) =>
      around.say(
        `postern: Database certificate renewed: valid until ${new Date(expires).toISOString()} [valid for ${Math.round((expires - issued) / 60_000)}m]\n`,
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
    const current = await profileOf(options, around);
    const door = await openTls({ ...tlsOf(current, around), hints: LOGIN_HINTS });
    const through = await askForDatabase(door, database, OPEN_MS);
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
    open: async () => {
      const credentials = await keeper.current();
      try {
        return await connect(credentials);
      } catch (error) {
        if (!(error instanceof PosternError && error.code === "agent_untrusted")) throw error;
        // The cluster may have other authorities by now: its door says which. Nothing of the client's has been sent.
        const others = await keeper.instead(credentials);
        if (others === credentials) throw error;
        return await connect(others);
      }
    },
    onRefused: (error) => {
      const line = lineOf(error);
      // The same reason once: SDKs try again and again.
      if (line !== said) around.say(`postern: ${line}\n`);
      said = line;
    },
  });
  return { ...proxy, cluster: profile.stated.cluster, document };
}

/** The profile as it is now: somebody may have logged in again. @throws PosternError `login_required` */
export async function profileOf(
  options: Choice & Pick<DatabaseOptions, "logInAgain">,
  around: ClientSurroundings,
): Promise<Profile> {
  const profile = await around.profiles.choose(options);
  if (around.clock.now() < profile.stated.expires) return profile;
  if (options.logInAgain !== undefined) {
    await options.logInAgain();
    const next = await around.profiles.choose(options);
    if (around.clock.now() < next.stated.expires) return next;
  }
  throw new PosternError("login_required", "The login has ended", { hint: "log in again with postern login" });
}

/** How the door of a profile is reached. */
export function tlsOf(profile: Profile, { clock }: ClientSurroundings): ConstructorParameters<typeof Door>[0] {
  const { proxy, stated } = profile;
  return { proxy, trusting: trustingOf(profile), clock, identity: profile, cluster: stated.cluster };
}

/** As Teleport does: the beginning of a name is enough where there is one of it. */
export async function documentOf(
  name: string,
  profile: Profile,
  around: ClientSurroundings,
): Promise<DatabaseDocument> {
  const databases = await new Door(tlsOf(profile, around)).databases();
  const found = databases.find(({ metadata }) => metadata.name === name);
  if (found !== undefined) return found;
  const names = databases.map(({ metadata }) => metadata.name);
  const meant = nearMiss(name, names);
  throw new CommandError(
    1,
    `database ${quoted(name)} not found, use 'postern db ls' to see the databases that you may use`,
    meant === undefined ? {} : { hint: `did you mean ${quoted(meant)}?` },
  );
}

/** Asks for the certificate of a route, for a key that is made for it. */
export async function issueRoute(options: RouteOptions, around: ClientSurroundings): Promise<RouteCredentials> {
  const { database, dbUser } = options;
  const profile = await profileOf(options, around);
  const { publicKey, privateKey } = newKey();
  const door = new Door(tlsOf(profile, around));
  const { certificate, trusted } = await door.databaseCertificate({ database, dbUser, publicKey });
  const stated = await readOwnCertificate(certificate);
  const { user, begins, expires } = stated;
  if (stated.publicKey.export({ type: "spki", format: "pem" }) !== publicKey || user.name !== profile.stated.user.name)
    throw new PosternError("proxy_answer_invalid", "The certificate that came is not the one that was asked for", {
      hint: "ask the cluster's administrator who answers at this address",
    });
  await learn(trusted, options, around);
  return { certificate, privateKey, trusted, issued: begins, expires };
}

/** Whoever vouches now says who will: a profile that is used follows its cluster through a rotation. */
async function learn(trusted: readonly string[], options: RouteOptions, around: ClientSurroundings): Promise<void> {
  // As it is now: somebody may have logged in again.
  const profile = await around.profiles.choose(options);
  if (trusted.join() === profile.trusted.join()) return;
  try {
    around.profiles.keep({ ...profile, trusted });
  } catch (error) {
    // The port serves on without.
    around.say(`postern: ${lineOf(error)}\n`);
  }
}

/** By the cluster's authorities, and in a certificate of a database service: no proxy may stand in for one. */
export async function verifyAgent(
  certificate: Uint8Array,
  [first = "", second]: readonly string[],
  { stated }: Profile,
  { clock }: ClientSurroundings,
): Promise<void> {
  const own = newAuthority("host", stated.cluster, { certificate: first, sealedKey: "" });
  const host = second === undefined ? own : { ...own, other: { certificate: second, sealedKey: "" } };
  const { role } = await verifyHostCertificate(certificate, {
    trust: new Trust({ host }),
    clock,
    isRevoked: () => false,
  });
  if (role !== "db") throw new Error(`its certificate is that of a ${role} service`);
}

function lineOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hint = error instanceof PosternError && error.hint !== undefined ? `: ${error.hint}` : "";
  return `${error.message}${hint}`;
}
