/** The way from a port of this machine to a database, as the user of a profile. */

import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext } from "node:tls";
import { PosternError } from "../../base/errors.ts";
import type { Secret } from "../../base/secret.ts";
import { KeptTls, openTls } from "../../client/tls.ts";
import { type Trust, trustOf } from "../../identity/certificate-reader.ts";
import { askForDatabase, secureToAgent } from "../../local-proxy/connect.ts";
import { type LocalAddress, type LocalProxy, type LocalTls, openLocalProxy } from "../../local-proxy/local-proxy.ts";
import { type RouteCredentials, RouteKeeper } from "../../local-proxy/route-keeper.ts";
import { type DatabaseDocument, Door, LOGIN_HINTS } from "../login/door.ts";
import { tlsOf } from "../login/door-of.ts";
import type { Choice } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { lineOf } from "../report-error.ts";
import { chosen } from "./choose.ts";
import { regionOf } from "./options.ts";
import { issueRoute, Login, type LogInAgain, verifyAgent } from "./route.ts";

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
  readonly logInAgain?: LogInAgain;
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
  const ends = new WeakMap<RouteCredentials, { readonly context: SecureContext; readonly trust: Trust }>();
  const kept = new KeptTls();
  let said = "";
  const connect = async (credentials: RouteCredentials): Promise<Duplex> => {
    const { certificate, privateKey, trusted } = credentials;
    const current = await login.profile();
    const end = ends.get(credentials) ?? {
      context: createSecureContext({
        cert: certificate,
        key: privateKey.reveal(),
        ca: [...trusted],
        minVersion: "TLSv1.3",
      }),
      trust: trustOf(current.stated.cluster, { host: trusted }),
    };
    ends.set(credentials, end);
    const door = await openTls({ ...tlsOf(current, around), hints: LOGIN_HINTS, kept });
    const through = await askForDatabase(door, name, OPEN_MS);
    const agent = await secureToAgent(through, {
      context: end.context,
      verifyAgent: (shown) => verifyAgent(shown, { trust: end.trust, database: name }, around),
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
