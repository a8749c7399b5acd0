/** A whole gateway in this process, in front of a sandbox AWS that checks every signature, for tests of what comes out of it. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openGateway, type OpenGateway } from "../../src/compose.ts";
import { loadBuiltinBundle, loadControlBundle } from "../../src/cli/policy/builtin.ts";
import { loadConfig } from "../../src/config/load.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import type { FixedListener } from "../../src/gateway/listener.ts";
import type { Upstream } from "../../src/gateway/ports.ts";
import { endSession } from "../../src/gateway/trace.ts";
import { refuseUnparsable } from "../../src/gateway/unparsable.ts";
import type { GatewayServices } from "../../src/gateway/services.ts";
import type { Listening, ServeTimeouts } from "../../src/platform/ports.ts";
import { thisPlatform } from "../../src/platform/this-platform.ts";
import type { PolicyBundle } from "../../src/policy/bundle.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { silentLog, type Log } from "../../src/telemetry/log.ts";

export interface TestGatewayOptions {
  /** YAML documents of roles, users and locks. Absent: alice, who may do everything but DeleteTable. */
  readonly resources?: string;
  readonly log?: Log;
  /** Stands between the gateway and the sandbox. */
  readonly upstream?: (real: Upstream) => Upstream;
  readonly loadPolicy?: () => Promise<PolicyBundle>;
  /** YAML below `postern:`, for example `audit: {fsync: always}`. */
  readonly postern?: string;
  /** Another upstream than the sandbox's DynamoDB. */
  readonly uri?: string;
  /** YAML of one more key of the database, for example `key_schema: {orders: {partition_key: id}}`. */
  readonly database?: string;
  /** More YAML beside `postern:`, for example `auth_service: {enabled: yes}`. */
  readonly sections?: string;
  /** Called with the directory before anything is opened in it. */
  readonly prepare?: (directory: string) => unknown;
  /** Bounds on clients, in milliseconds. */
  readonly timeouts?: Partial<ServeTimeouts>;
  readonly listener?: Partial<Pick<FixedListener, "user" | "database" | "dbUser">> & {
    readonly hostNames?: readonly string[];
  };
}

export interface TestGateway {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly port: number;
  readonly sandbox: Sandbox;
  readonly gateway: OpenGateway;
  /** Where configuration, resources and data are. */
  readonly directory: string;
  /** Calls an operation with a bare `fetch`. One of another service than `DynamoDB_20120810` is written with it. */
  readonly call: Call;
  /** Opens one more listener, on which this user speaks; with `services` of one's own for a gateway that is to be wrong. */
  listenAs(user: string, services?: GatewayServices): Promise<Call>;
  /** Writes bytes on a fresh connection and reads until it closes or is silent for a while. */
  raw(bytes: string | Uint8Array): Promise<string>;
  /** The audit log so far. */
  audit(): Record<string, unknown>[];
  /** Requests under way, as the metric says it. */
  inFlight(): Promise<number>;
  /** The one request event with this decision id. */
  eventOf(decisionId: string | null | undefined): Record<string, unknown>;
  /** Stops accepting, as at SIGTERM; `close()` may follow. */
  drain(timeoutMs: number): Promise<void>;
  /** Rewrites the resources; the gateway notices by itself. */
  writeResources(yaml: string): void;
  close(): Promise<void>;
}

export type Call = (
  operation: string,
  input: unknown,
  headers?: Readonly<Record<string, string>>,
) => Promise<CallResult>;

export interface CallResult {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export const ALICE_MAY_NEARLY_EVERYTHING: string = `
kind: role
version: v7
metadata: {name: dev}
spec:
  allow:
    db_labels: {env: dev}
    db_users: [ExampleRole]
  deny:
    db_rules: [{actions: ["dynamodb:DeleteTable"]}]
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [dev]}
`;

export const ORDERS = {
  definition: {
    TableName: "orders",
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
    KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
  },
  items: [{ id: { S: "ada#1" }, total: { N: "18.15" } }],
} as const;

/** Starts sandbox and gateway; close it when done. */
export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const sandbox = await startSandbox();
  try {
    await sandbox.seed([ORDERS]);
    return await startBefore(sandbox, options);
  } catch (error) {
    // What stays open keeps the process of all tests from ending.
    await sandbox.close();
    throw error;
  }
}

async function startBefore(sandbox: Sandbox, options: TestGatewayOptions): Promise<TestGateway> {
  const directory = mkdtempSync(join(tmpdir(), "postern-test-"));
  await options.prepare?.(directory);
  const resources = join(directory, "resources");
  mkdirSync(resources);
  writeFileSync(join(resources, "all.yaml"), options.resources ?? ALICE_MAY_NEARLY_EVERYTHING);
  const file = join(directory, "postern.yaml");
  writeFileSync(file, configuration(options.uri ?? sandbox.dynamodb.url, options));
  const config = loadConfig(file, { env: {} });
  const platform = await thisPlatform();
  const real = platform.createUpstream();
  // The SDK that asks STS reads the environment of the process.
  const before = { ...process.env };
  Object.assign(process.env, sandbox.env);
  const gateway = await openGateway(config, {
    upstream: options.upstream?.(real) ?? real,
    log: options.log ?? silentLog,
    env: sandbox.env,
    loadPolicy: options.loadPolicy ?? (() => loadBuiltinBundle()),
    loadControl: loadControlBundle,
    version: "test",
  });
  const [listener] = gateway.listeners;
  const address = config.db_service.listeners[0]?.address;
  if (listener === undefined || address === undefined) throw new Error("The test configuration has no listener");
  const { services } = gateway;
  const listen = (of: GatewayServices, as: FixedListener): Promise<Listening> =>
    platform.listen(gatewayApp(of, as), address, {
      ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
      onDisconnection: (connection) => endSession(of, connection),
      onUnparsable: (connection, reason) => refuseUnparsable(of, as, connection, reason),
    });
  const listening = await listen(services, listener);
  const more: Listening[] = [];
  const port = Number(listening.address.split(":").at(-1));
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    port,
    sandbox,
    gateway,
    directory,
    call: callAt(url),
    async listenAs(user, own = services) {
      const other = await listen(own, { ...listener, user });
      more.push(other);
      return callAt(`http://127.0.0.1:${other.address.split(":").at(-1)}`);
    },
    raw: (bytes) => raw(port, bytes),
    audit: () => auditOf(join(directory, "data", "audit")),
    async inFlight() {
      const metric = await (await services.metrics.registry()).getSingleMetric("postern_requests_in_flight")?.get();
      return metric?.values[0]?.value ?? Number.NaN;
    },
    eventOf(decisionId) {
      const events = auditOf(join(directory, "data", "audit")).filter(
        ({ event, decision }) =>
          event === "db.session.dynamodb.request" && (decision as { id?: string } | null)?.id === decisionId,
      );
      const [only] = events;
      if (only === undefined || events.length > 1)
        throw new Error(`${events.length} events have the decision ${String(decisionId)}`);
      return only;
    },
    drain: (timeoutMs) => listening.drain(timeoutMs),
    writeResources: (yaml) => writeFileSync(join(resources, "all.yaml"), yaml),
    async close() {
      await Promise.all([listening, ...more].map((each) => each.drain(2_000)));
      await gateway.close("test ended");
      await sandbox.close();
      for (const name of Object.keys(sandbox.env)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function callAt(url: string): Call {
  return async (operation, input, headers = {}) => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "x-amz-target": operation.includes(".") ? operation : `DynamoDB_20120810.${operation}`,
        "content-type": "application/x-amz-json-1.0",
        ...headers,
      },
      body: typeof input === "string" ? input : JSON.stringify(input),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
  };
}

/** Reads the events of an audit directory, in the order of files and lines. */
export function auditOf(directory: string): Record<string, unknown>[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => readFileSync(join(directory, name), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function configuration(uri: string, options: TestGatewayOptions): string {
  const { postern = "", listener = {}, database: more = "", sections = "" } = options;
  const { user = "alice", database = "example", dbUser = "ExampleRole", hostNames = [] } = listener;
  return `
version: v3
postern:
  data_dir: ./data
  resources: ./resources
  ${postern}
${sections}
db_service:
  enabled: "yes"
  listeners: [{address: "127.0.0.1:0", user: ${user}, database: ${database}, db_user: "${dbUser}", host_names: ${JSON.stringify(hostNames)}}]
  databases:
    - {name: example, protocol: dynamodb, uri: "${uri}", static_labels: {env: dev}, aws: {region: us-east-1, account_id: "123456789012"}, ${more}}
`;
}

function raw(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    let silence: NodeJS.Timeout | undefined;
    const done = (): void => {
      clearTimeout(silence);
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => socket.write(bytes));
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      clearTimeout(silence);
      silence = setTimeout(done, 150);
    });
    socket.once("close", done);
    socket.once("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" ? done() : reject(error)));
  });
}
