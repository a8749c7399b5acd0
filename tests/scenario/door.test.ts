import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.ts";
import { loadBuiltinBundle, loadControlBundle } from "../../src/cli/policy/builtin.ts";
import { readConfig } from "../../src/cli/start/index.ts";
import { runGateway, type RunningGateway } from "../../src/cli/start/run-gateway.ts";
import { openDoor } from "../../src/compose/door.ts";
import { openClusterOf } from "../../src/compose/store.ts";
import type { ShownIdentity } from "../../src/control/door-identity.ts";
import { rotateAuthorities } from "../../src/control/rotation.ts";
import { createLog, silentLog } from "../../src/telemetry/log.ts";
import { newKeyPair } from "../support/cluster-authorities.ts";
import { type Answered, type Call, callDoor } from "../support/door.ts";
import { eventually } from "../support/eventually.ts";
import { fillStore } from "../support/filled-store.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const PASSWORD = "correct horse battery";
const database = (name: string, env: string): string =>
  `kind: db\nversion: v3\nmetadata: {name: ${name}, labels: {env: ${env}}}\nspec: {protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}\n`;
const RESOURCES = [
  `kind: role\nversion: v7\nmetadata: {name: dev}\nspec: {allow: {db_labels: {env: dev}, db_users: [ExampleRole]}}\n`,
  `kind: user\nversion: v2\nmetadata: {name: alice}\nspec: {roles: [dev]}\n`,
  database("orders", "dev"),
  database("payroll", "prod"),
].join("---\n");

/** A configuration of a cluster without any gateway. */
function configuration(directory: string, more = ""): string {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "postern.yaml");
  writeFileSync(
    file,
    `
version: v3
postern: {nodename: example, data_dir: ./data${more}}
auth_service: {enabled: "yes", authentication: {second_factor: off}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0", public_addr: "postern.example.com:3080"}
`,
  );
  return file;
}

/** Puts alice and the databases into the store, as the command line does. @returns the host authority's certificate */
async function prepare(file: string): Promise<string> {
  const config = readConfig(file);
  mkdirSync(config.postern.data_dir, { mode: 0o700 });
  return await fillStore(config, { yaml: RESOURCES, users: ["alice"], password: PASSWORD }, async ({ cluster }) => {
    return (await cluster.authority("host")).active.certificate;
  });
}

async function logIn(
  port: number,
  ca: string,
): Promise<{ answered: Answered; credentials: Required<Call>["credentials"] }> {
  const { publicKey, privateKey } = newKeyPair();
  const body = { user: "alice", password: PASSWORD, public_key: publicKey };
  const answered = await callDoor(port, ca, "/v1/login", { method: "POST", body });
  return { answered, credentials: { cert: (answered.json as { certificate: string }).certificate, key: privateKey } };
}

function services(dataDirectory: string): string[] {
  const audit = join(dataDirectory, "audit");
  return readdirSync(audit)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(audit, name), "utf8").split("\n"))
    .filter((line) => line.includes('"postern.service.'))
    .map((line) => JSON.parse(line) as { code: string; service: string })
    .map(({ code, service }) => `${code} ${service}`);
}

describe("a cluster without a gateway", () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-door-"));
  let running: RunningGateway;
  let ca: string;
  let text = "";
  before(async () => {
    const file = configuration(directory);
    ca = await prepare(file);
    const log = createLog({ severity: "info", format: "text", write: (line) => void (text += line) });
    running = await runGateway(readConfig(file), { log, env: {} });
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("listens at its door, is ready, lets alice in, and shows her the databases that her role's labels fit", async () => {
    assert.match(text, /Listening {2}address=127\.0\.0\.1:\d+ service=proxy_service/);
    assert.deepEqual(Object.values(await running.readiness()), [null, null, null, null]);
    const port = Number(running.addresses[0]?.split(":").at(-1));
    const { answered, credentials } = await logIn(port, ca);
    assert.equal(answered.status, 200, answered.text);
    const { json } = await callDoor(port, ca, "/v1/databases", { credentials });
    assert.deepEqual(json, {
      databases: [
        {
          kind: "db",
          version: "v3",
          metadata: { name: "orders", labels: { env: "dev" } },
          spec: {
            protocol: "dynamodb",
            uri: "https://dynamodb.us-east-1.amazonaws.com",
            aws: { region: "us-east-1", account_id: "123456789012" },
          },
          users: { allowed: ["ExampleRole"], denied: [] },
        },
      ],
    });
    assert.equal((await callDoor(port, ca, "/v1/databases")).status, 401);
    const named = await callDoor(port, ca, "/webapi/ping", { servername: "postern.example.com" });
    assert.equal(named.status, 200);
  });

  it("stops in order, and has its start and its stop on record", async () => {
    await running.stop("test");
    assert.deepEqual(services(join(directory, "data")), ["PSV01I proxy_service", "PSV02I proxy_service"]);
    assert.ok(!text.includes(PASSWORD));
  });
});

describe("the certificate of a cluster's door", () => {
  const events = { healthy: true, record: async (): Promise<void> => undefined };
  const AROUND = {
    env: {},
    events,
    version: "1.2.3",
    loadControl: loadControlBundle,
    loadPolicy: () => loadBuiltinBundle(),
    state: () => ({ policy: { shows: () => false }, databases: new Map(), directory: { role: () => undefined } }),
  };

  it("is shown anew in time, and the one at hand serves on while the store cannot be read", async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-door-"));
    const config = readConfig(configuration(directory));
    mkdirSync(config.postern.data_dir, { mode: 0o700 });
    let ahead = 0;
    const clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() };
    const opened = await openClusterOf(config, { clock, env: {} });
    let text = "";
    const log = createLog({ severity: "info", format: "text", write: (line) => void (text += line) });
    const door = await openDoor(config, opened, { ...AROUND, clock, log, lookEvery: 5 });
    const shown: unknown[] = [];
    door.follow((identity) => shown.push(identity));
    ahead = 6 * 24 * 3_600_000;
    await eventually(() => shown.length === 1 && shown[0] !== door.identity);
    await opened.cluster.store.close();
    await eventually(() => text.includes("Cannot renew the door's certificate"));
    await door.drain(0);
    assert.equal(shown.length, 1);
    rmSync(directory, { recursive: true, force: true });
  });

  it("is shown anew at once when the authorities change", async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-door-"));
    const config = readConfig(configuration(directory));
    mkdirSync(config.postern.data_dir, { mode: 0o700 });
    const opened = await openClusterOf(config, { clock: systemClock, env: {} });
    const door = await openDoor(config, opened, { ...AROUND, clock: systemClock, log: silentLog });
    const shown: ShownIdentity[] = [];
    door.follow((identity) => shown.push(identity));
    const change = { kinds: ["user"], phase: "init", manual: true, grace: 0 } as const;
    await rotateAuthorities("root", change, { ...opened, events, clock: systemClock });
    // By themselves they are looked at once a minute.
    await eventually(() => shown.length === 1);
    assert.equal(shown[0]?.clientAuthorities.length, 2);
    assert.equal(door.identity.clientAuthorities.length, 1);
    await door.drain(0);
    await opened.cluster.store.close();
    rmSync(directory, { recursive: true, force: true });
  });
});

describe("an auth service", () => {
  const ALONE = 'auth_service: {enabled: "yes", listen_addr: "127.0.0.1:0", authentication: {second_factor: off}}';
  const cases: readonly (readonly [what: string, yaml: string, services: readonly string[]])[] = [
    ["alone, serves the API by itself", ALONE, ["auth_service"]],
    [
      "with an address of its own beside the proxy service, serves it at both",
      `${ALONE}\nproxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}`,
      ["proxy_service", "auth_service"],
    ],
  ];
  for (const [what, yaml, ports] of cases) {
    it(what, async () => {
      const directory = mkdtempSync(join(tmpdir(), "postern-door-"));
      const file = configuration(directory);
      writeFileSync(file, `version: v3\npostern: {nodename: example, data_dir: ./data}\n${yaml}\n`);
      const ca = await prepare(file);
      let text = "";
      const log = createLog({ severity: "info", format: "text", write: (line) => void (text += line) });
      const running = await runGateway(readConfig(file), { log, env: {} });
      try {
        assert.deepEqual(
          [...text.matchAll(/Listening .*service=(\S+)/g)].map(([, service]) => service),
          ports,
        );
        for (const address of running.addresses) {
          const { answered, credentials } = await logIn(Number(address.split(":").at(-1)), ca);
          assert.equal(answered.status, 200, answered.text);
          const other = running.addresses.find((one) => one !== address) ?? address;
          // What one of them gave counts at the other.
          const status = await callDoor(Number(other.split(":").at(-1)), ca, "/v1/status", { credentials });
          assert.equal(status.status, 200, status.text);
        }
        const last = Number(running.addresses.at(-1)?.split(":").at(-1));
        for (const path of ["/web/invite/x", "/%77eb/invite/x", "/w%65b/oidc/callback"]) {
          const { status, text } = await callDoor(last, ca, path);
          assert.deepEqual([status, text.includes("<html")], [404, false], `there are no pages: ${path}`);
        }
      } finally {
        await running.stop("test");
      }
      assert.deepEqual(
        services(join(directory, "data")).sort(),
        ports.flatMap((service) => [`PSV01I ${service}`, `PSV02I ${service}`]).sort(),
      );
      rmSync(directory, { recursive: true, force: true });
    });
  }

  it("alone, has port 3025 unless told otherwise", () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-door-"));
    const file = join(directory, "postern.yaml");
    writeFileSync(file, "version: v3\nauth_service: {enabled: yes}\n");
    assert.deepEqual(readConfig(file).auth_service?.listen_addr, { kind: "tcp", host: "127.0.0.1", port: 3025 });
    rmSync(directory, { recursive: true, force: true });
  });
});

describe("a cluster with two workers", () => {
  it("has its door in one of them, and ends on SIGTERM", async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-door-"));
    const file = configuration(directory, ", workers: 2");
    const ca = await prepare(file);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")));
    const child = spawn(process.execPath, [LAUNCHER, "start", "-c", file], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
    });
    try {
      let text = "";
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
      await eventually(() => text.split("are in force").length === 3 && text.includes("Listening"));
      assert.equal(text.split("Listening").length, 2, text);
      const port = Number(/Listening {2}address=127\.0\.0\.1:(\d+)/.exec(text)?.[1]);
      for (let round = 0; round < 4; round++) assert.equal((await logIn(port, ca)).answered.status, 200);
      child.kill("SIGTERM");
      assert.equal(await ended, 0, text);
      assert.deepEqual(services(join(directory, "data")), ["PSV01I proxy_service", "PSV02I proxy_service"]);
    } finally {
      child.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("a proxy service", () => {
  const refused: Record<string, { yaml: string; message: RegExp }> = {
    "without an auth service": {
      yaml: "proxy_service: {enabled: yes}",
      message: /auth_service is not enabled beside it/,
    },
    "with passkeys at an address without a name": {
      yaml: 'auth_service: {enabled: yes, authentication: {second_factor: webauthn}}\nproxy_service: {enabled: yes, public_addr: "192.0.2.1:443"}',
      message: /Cannot ask for passkeys at "192\.0\.2\.1"/,
    },
    "with a public address that is none": {
      yaml: 'auth_service: {enabled: yes}\nproxy_service: {enabled: yes, public_addr: "https://x/y"}',
      message: /Cannot be called "https:\/\/x\/y"/,
    },
  };
  for (const [what, { yaml, message }] of Object.entries(refused)) {
    it(`does not start ${what}, and says where`, async () => {
      const directory = mkdtempSync(join(tmpdir(), "postern-door-"));
      const file = join(directory, "postern.yaml");
      writeFileSync(file, `version: v3\npostern: {nodename: example, data_dir: ./data}\n${yaml}\n`);
      const log = createLog({ severity: "error", format: "text", write: () => undefined });
      await assert.rejects(runGateway(readConfig(file), { log, env: {} }), (error: Error & { position?: unknown }) => {
        assert.match(error.message, message);
        return error.position !== undefined;
      });
      rmSync(directory, { recursive: true, force: true });
    });
  }
});
