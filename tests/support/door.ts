/** A cluster's door on a port of this machine, and a client that calls it over TLS, for tests. */

import { request } from "node:https";
import { loadBuiltinBundle, loadControlBundle } from "../../src/cli/policy/builtin.ts";
import { Administrators } from "../../src/compose/administrators.ts";
import { clusterApi } from "../../src/control/api.ts";
import type { Api } from "../../src/control/api-routes.ts";
import { Bots } from "../../src/control/bots.ts";
import { DoorIdentity } from "../../src/control/door-identity.ts";
import type { AskSts } from "../../src/control/identity-proofs.ts";
import { Joins } from "../../src/control/joins.ts";
import { Renewals } from "../../src/control/renewals.ts";
import type { TokenJudging } from "../../src/identity/workload-tokens.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import type { SecondFactor } from "../../src/identity/second-factor.ts";
import { nodePlatform } from "../../src/platform/node.ts";
import type { TlsListening, TlsOptions } from "../../src/platform/ports.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { type KeyPair, newKeyPair } from "./cluster-authorities.ts";
import { startLogins, type TestLogins } from "./logins.ts";

export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

export interface Call {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Text as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly credentials?: Credentials;
  /** Another name to call the door by than its address. */
  readonly servername?: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly json: unknown;
}

export interface TestDoor extends TestLogins {
  readonly port: number;
  readonly listening: TlsListening;
  readonly identity: DoorIdentity;
  /** The key that `logIn` asks a certificate for. */
  readonly keys: KeyPair;
  call(path: string, call?: Call): Promise<Answered>;
  logIn(user: string, password: string, more?: object): Promise<Answered>;
  /** What a login gives to call with. */
  credentials(user: string, password: string): Promise<Credentials>;
  /** What the service has logged. */
  log(): string;
}

/** What joins ask of others. */
export interface Outside {
  readonly askSts: AskSts;
  readonly keysOf: TokenJudging["keysOf"];
}

export async function startDoor(
  yaml: string,
  secondFactor: SecondFactor,
  { localAuth = true, ...options }: Partial<TlsOptions> & { readonly localAuth?: boolean } = {},
  outside: Partial<Outside> = {},
): Promise<TestDoor> {
  const started = await startLogins(yaml, secondFactor, localAuth);
  const { cluster, ring, clock, passkeys, party, logged } = started;
  const log = createLog({ severity: "debug", format: "json", write: (line) => void (logged.text += line) });
  const events = {
    healthy: true,
    record: async (event: TestLogins["events"][number]) => void started.events.push(event),
  };
  const askSts = outside.askSts ?? (() => Promise.reject(new Error("There is no STS here")));
  const keysOf = outside.keysOf ?? (() => Promise.reject(new Error("There is no issuer here")));
  const common = { cluster, ring, events, clock };
  const joining = {
    joins: new Joins({ ...common, askSts }),
    bots: new Bots({ ...common, keysOf }),
    renewals: new Renewals(common),
  };
  const names = ["localhost", "127.0.0.1", "::1"];
  const identity = new DoorIdentity({ cluster, ring, events, clock, role: "proxy", names });
  const administrators = new Administrators({
    opened: { cluster, ring },
    events,
    clock,
    service: "proxy_service",
    version: "1.2.3",
    loadControl: loadControlBundle,
    loadPolicy: () => loadBuiltinBundle(),
    taken: async () => new Set(),
    publicAddress: undefined,
    passwords: new Passwords({ cost: { ln: 10, r: 8, p: 1 } }),
  });
  let api: Api | undefined;
  const listening = await nodePlatform.listenTls?.(
    async (asked, connected) => api?.fetch(asked, { connected }) ?? new Response(null, { status: 503 }),
    { kind: "tcp", host: "127.0.0.1", port: 0 },
    { identity: await identity.current(), ...options },
  );
  if (listening === undefined) throw new Error("There is no TLS on this platform");
  started.events.length = 0;
  const port = Number(listening.address.split(":").at(-1));
  party.origin = `https://localhost:${port}`;
  api = clusterApi({
    ...started,
    localAuth,
    joining,
    administratorOf: administrators.of.bind(administrators),
    passkeys: secondFactor === "webauthn" ? passkeys : undefined,
    events,
    clock,
    secondFactor,
    version: "1.2.3",
    log,
    origin: party.origin,
    proxy: `localhost:${port}`,
    databasesOf: ({ name }) => [{ kind: "db", metadata: { name: `of-${name}` } }],
  });
  const { active } = await cluster.authority("host");
  const keys = newKeyPair();
  const call = (path: string, given: Call = {}): Promise<Answered> => callDoor(port, active.certificate, path, given);
  const logIn = (user: string, password: string, more: object = {}): Promise<Answered> =>
    call("/v1/login", { method: "POST", body: { user, password, public_key: keys.publicKey, ...more } });
  return {
    ...started,
    port,
    listening,
    identity,
    keys,
    call,
    logIn,
    credentials: async (user, password) => {
      const { json, text } = await logIn(user, password);
      const { certificate } = json as { certificate?: string };
      // Without one, the next call would be refused for that, and for nothing that a test means.
      if (certificate === undefined) throw new Error(`Cannot log in as ${user}: ${text}`);
      return { cert: certificate, key: keys.privateKey };
    },
    log: () => logged.text,
    close: async () => {
      await listening.drain(0);
      await started.close();
    },
  };
}

/** Calls a door whose host authority is known. */
export function callDoor(port: number, ca: string, path: string, given: Call = {}): Promise<Answered> {
  const { method = "GET", body, credentials, servername, headers = {} } = given;
  const bytes = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
  const length =
    bytes === undefined || "transfer-encoding" in headers ? {} : { "content-length": `${Buffer.byteLength(bytes)}` };
  const type = bytes === undefined ? {} : { "content-type": "application/json", ...length };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        ca,
        agent: false,
        headers: { ...type, ...headers },
        ...credentials,
        ...(servername === undefined ? {} : { servername }),
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => (text += chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(bytes);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
