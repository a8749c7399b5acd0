/** An agent that says that it serves what its join token does not name: neither the door nor a client believes it. */

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, afterEach, before, describe, it } from "node:test";
import { Hono } from "hono";
import type { HostIdentity } from "../../src/agent/host-identity.ts";
import { asMember, joinCluster } from "../../src/agent/join-cluster.ts";
import { systemClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { splice } from "../../src/base/splice.ts";
import { credentialsCommand } from "../../src/cli/database/credentials.ts";
import { openDatabase } from "../../src/cli/database/open-database.ts";
import type { Input } from "../../src/cli/login/ask.ts";
import { Profiles, proxyAddress } from "../../src/cli/login/profiles.ts";
import type { ClientSurroundings } from "../../src/cli/login/surroundings.ts";
import { loadBuiltinBundle, loadControlBundle } from "../../src/cli/policy/builtin.ts";
import { readConfig } from "../../src/cli/start/index.ts";
import { runGateway } from "../../src/cli/start/run-gateway.ts";
import { openTls } from "../../src/client/tls.ts";
import { openGateway, type OpenGateway } from "../../src/compose.ts";
import type { GatewayApp } from "../../src/gateway/app.ts";
import { pinOf } from "../../src/identity/authority.ts";
import { readOwnCertificate } from "../../src/identity/certificate-reader.ts";
import { keyIdOf } from "../../src/identity/session-credentials.ts";
import { listenTlsOnNode } from "../../src/platform/node-tls-server.ts";
import { serveTunnelledOnNode } from "../../src/platform/node-tunnelled.ts";
import type { TakeoverHandler, TlsListening } from "../../src/platform/ports.ts";
import { thisPlatform } from "../../src/platform/this-platform.ts";
import { createLog, silentLog } from "../../src/telemetry/log.ts";
import { AgentEnd } from "../../src/tunnel/agent.ts";
import { TUNNEL_TIMING } from "../../src/tunnel/timing.ts";
import { Tunnels } from "../../src/tunnel/tunnels.ts";
import { upgradeToTunnel } from "../../src/tunnel/upgrade.ts";
import { newKeyPair } from "../support/cluster-authorities.ts";
import { callDoor } from "../support/door.ts";
import { eventually } from "../support/eventually.ts";
import { fillStore } from "../support/filled-store.ts";

const PASSWORD = "correct horse battery";
const [DEV, PROD] = ["token-of-dev-agents-0000", "token-of-prod-agents-000"];
const token = (name: string, databases: string): string =>
  `kind: token\nversion: v2\nmetadata: {name: ${name}, expires: "2999-01-01T00:00:00Z"}\nspec: {roles: [Db], databases: [${databases}]}\n`;
const RESOURCES = [
  "kind: role\nversion: v7\nmetadata: {name: all}\nspec: {allow: {db_labels: {'*': '*'}, db_users: [ExampleRole]}}\n",
  "kind: user\nversion: v2\nmetadata: {name: alice}\nspec: {roles: [all]}\n",
  token(DEV, '"dev-*"'),
  token(PROD, "prod"),
].join("---\n");

/** An agent, and the databases for which requests came to it. */
interface TestAgent {
  readonly identity: HostIdentity;
  readonly end: AgentEnd;
  readonly taken: string[];
}

describe("an agent of a token that names dev-*, which says that it serves prod", () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-lying-"));
  const profiles = new Profiles(join(directory, "home"));
  let gateway: OpenGateway;
  let listening: TlsListening;
  let at: string;
  let ca: string;
  let log = "";
  let talk = "";
  /** Those of a proxy that believes whatever agents say, and tells users so. */
  let lies: Tunnels | undefined;
  let named: readonly string[] = [];
  const opened: (() => Promise<unknown> | void)[] = [];
  const around: ClientSurroundings = {
    profiles,
    input: Readable.from([]) as unknown as Input,
    write: (words) => void (talk += words),
    say: (words) => void (talk += words),
    clock: systemClock,
    openBrowser: () => false,
  };

  before(async () => {
    const file = join(directory, "postern.yaml");
    writeFileSync(
      file,
      `version: v3
postern: {nodename: example, data_dir: ./data}
auth_service: {enabled: "yes", authentication: {second_factor: off}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
`,
    );
    const config = readConfig(file);
    mkdirSync(config.postern.data_dir, { mode: 0o700 });
    const filling = { yaml: RESOURCES, users: ["alice"], password: PASSWORD };
    ca = await fillStore(config, filling, async ({ cluster }) => (await cluster.authority("host")).active.certificate);
    gateway = await openGateway(config, {
      upstream: (await thisPlatform()).createUpstream(),
      log: createLog({ severity: "warn", format: "text", write: (line) => void (log += line) }),
      env: {},
      loadPolicy: () => loadBuiltinBundle(),
      loadControl: loadControlBundle,
      version: "1.2.3",
      door: true,
    });
    const { door } = gateway;
    assert.ok(door !== undefined);
    const takeOver: TakeoverHandler = async (asked, client) => {
      if (lies === undefined) return await door.takeOver(asked, client);
      const believing = lies;
      if (asked.kind === "connect") {
        const agent = await believing.open(asked.target, { address: client.address, connection: "c" });
        return { headers: {}, take: (socket) => splice(socket, agent), leave: () => void agent.destroy() };
      }
      return {
        headers: { upgrade: "postern-tunnel/1" },
        take: (socket) => believing.accept(socket, { hostId: "any", databases: undefined }),
        leave: () => undefined,
      };
    };
    listening = await listenTlsOnNode(
      async (asked, client) =>
        lies !== undefined && new URL(asked.url).pathname === "/v1/databases/agents"
          ? Response.json({ certificates: named })
          : await door.handle(asked, client, "proxy_service"),
      { kind: "tcp", host: "127.0.0.1", port: 0 },
      { identity: door.identity, takeOver, passOn: door.passOn },
    );
    at = listening.address;
    const { publicKey, privateKey } = newKeyPair();
    const body = { user: "alice", password: PASSWORD, public_key: publicKey };
    const { json } = await callDoor(Number(at.split(":")[1]), ca, "/v1/login", { method: "POST", body });
    const { certificate } = json as { certificate: string };
    profiles.save({
      proxy: proxyAddress(at),
      door: "cluster",
      certificate,
      privateKey: new Secret(privateKey),
      trusted: [ca],
      stated: await readOwnCertificate(certificate),
    });
  });
  afterEach(async () => {
    for (const end of opened.splice(0).toReversed()) await end();
    lies = undefined;
    talk = "";
  });
  after(async () => {
    await gateway.door?.drain(0);
    await listening.drain(0);
    await gateway.close("test");
    rmSync(directory, { recursive: true, force: true });
  });

  /** Joins by a token, and then says that it serves these. */
  async function agent(joinToken: string, databases: readonly string[], joined?: HostIdentity): Promise<TestAgent> {
    const proxy = proxyAddress(at);
    const options = { proxy, pins: [pinOf(ca)], nodeName: "db-1", clock: systemClock };
    const identity = joined ?? (await joinCluster({ ...options, token: () => new Secret(joinToken) }, undefined));
    const { certificate, privateKey, trusted } = identity;
    const taken: string[] = [];
    const service = serveTunnelledOnNode(
      async (_, { database }) => {
        const app = new Hono() as unknown as GatewayApp;
        app.all("*", async (context) => {
          taken.push(database);
          const answer = { status: 200, headers: {}, body: Buffer.from("taken") };
          return (await context.env.send?.(answer)) ?? new Response(null, { status: 500 });
        });
        return { app, onUnparsable: async () => ({ status: 400, headers: {}, body: new Uint8Array() }) };
      },
      { identity: { chain: certificate, key: privateKey, clientAuthorities: trusted.user } },
    );
    const sdk = { certificate, key_ids: [keyIdOf(new X509Certificate(certificate).publicKey)] };
    const told = databases.map((name) => ({
      ...{ name, labels: { env: name }, uri: "", fault: null },
      ...{ region: "us-east-1", account_id: "123456789012" },
    }));
    const end = new AgentEnd({
      proxies: [at],
      dial: async (_, signal, held) =>
        upgradeToTunnel(await openTls(asMember(proxy, identity, systemClock)), {
          host: at,
          signal,
          held,
          timeout: 5000,
        }),
      news: () => ({ node_name: "db-1", version: "1", draining: false, databases: told, sdk }),
      serve: (stream, { database, address }) => service.accept(stream, { database, address }),
      timing: TUNNEL_TIMING,
      random: Math.random,
      clock: systemClock,
      log: silentLog,
    });
    opened.push(
      () => service.drain(0),
      () => end.stop(0),
    );
    await eventually(() => end.tunnels > 0);
    return { identity, end, taken };
  }

  async function databases(): Promise<readonly string[]> {
    const { certificate, privateKey } = await profiles.choose({ proxy: at });
    const credentials = { cert: certificate, key: privateKey.reveal() };
    const { json } = await callDoor(Number(at.split(":")[1]), ca, "/v1/databases", { credentials });
    return (json as { databases: { metadata: { name: string } }[] }).databases.map(({ metadata }) => metadata.name);
  }

  const credentials = (database: string): Promise<unknown> =>
    credentialsCommand(() => around)
      .exitOverride()
      .parseAsync([`--proxy=${at}`, "--db-user=ExampleRole", database], { from: "user" });

  /** What comes back through a port of one's own. */
  async function askThrough(database: string): Promise<string> {
    const { address, close } = await openDatabase(
      { proxy: at, database, dbUser: "ExampleRole", address: { port: 0 } },
      around,
    );
    opened.push(close);
    return await new Promise((resolve, reject) => {
      const [host, port] = address.split(":");
      request({ host, port, method: "POST", agent: false }, (response) => {
        text(response).then(resolve, reject);
      })
        .on("error", reject)
        .end("{}");
    });
  }

  it("is led to for none of it, and the log says that it tried", async () => {
    const liar = await agent(DEV, ["prod", "dev-orders"]);
    assert.deepEqual(liar.identity.stated.databases, ["dev-*"]);
    await eventually(async () => (await databases()).join() === "dev-orders");
    await eventually(() => log.includes("certificate does not name"));
    assert.match(log, new RegExp(`host_id=${liar.identity.stated.hostId}.*prod`));
    await assert.rejects(askThrough("prod"), { exitCode: 1 });
    await assert.rejects(credentials("prod"), { code: "database_unknown" });
    assert.equal(await askThrough("dev-orders"), "taken");
    const honest = await agent(PROD, ["prod"]);
    await eventually(async () => (await databases()).join() === "dev-orders,prod");
    for (let round = 0; round < 8; round++) assert.equal(await askThrough("prod"), "taken");
    await credentials("prod");
    assert.deepEqual([new Set(honest.taken), new Set(liar.taken)], [new Set(["prod"]), new Set(["dev-orders"])]);
  });

  it("gets nothing of a client's, though a lying proxy leads there", async () => {
    await agent(PROD, ["prod"]);
    const { identity } = await agent(DEV, ["dev-orders"]);
    await eventually(async () => (await databases()).join() === "dev-orders,prod");
    lies = new Tunnels({ random: () => 0 });
    opened.push(() => lies?.drain(0));
    const liar = await agent(DEV, ["prod", "dev-orders"], identity);
    named = [identity.certificate];
    await eventually(() => lies?.agents().length === 1);
    // The way is there.
    assert.equal(await askThrough("dev-orders"), "taken");
    assert.doesNotMatch(await askThrough("prod"), /taken/);
    assert.match(talk, /Cannot trust what answers for the database: its certificate does not let it serve "prod"/);
    assert.deepEqual(liar.taken, ["dev-orders"]);
    await credentials("dev-orders");
    talk = "";
    await assert.rejects(credentials("prod"), { code: "agent_untrusted" });
    assert.equal(talk, "");
  });

  it("would have been told by its own log, where it is honest, and says nothing of the kind", async () => {
    log = "";
    let own = "";
    const file = join(directory, "agent.yaml");
    const aws = '{region: us-east-1, account_id: "123456789012"}';
    writeFileSync(
      file,
      `version: v3
postern: {nodename: db-2, data_dir: ./agent, proxy_server: "${at}", auth_token: ${DEV}, ca_pin: "${pinOf(ca)}"}
db_service:
  enabled: "yes"
  databases:
    - {name: prod, protocol: dynamodb, aws: ${aws}}
    - {name: dev-orders, protocol: dynamodb, aws: ${aws}}
`,
    );
    const running = await runGateway(readConfig(file), {
      log: createLog({ severity: "warn", format: "text", write: (line) => void (own += line) }),
      env: {},
    });
    opened.push(() => running.stop("test"));
    await eventually(async () => (await databases()).join() === "dev-orders");
    assert.match(own, /database=prod.*the certificate of this service does not name it|the certificate.*database=prod/);
    assert.doesNotMatch(own, /database=dev-orders/);
    assert.doesNotMatch(log, /certificate does not name/);
  });
});
