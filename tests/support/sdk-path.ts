/** The way of an SDK's request through a door to an agent, of real sockets, for tests of what goes wrong on it. */

import { createHash, createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type Agent, request } from "node:https";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { connect, type TLSSocket } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { ConnectionCounts } from "../../src/compose/connection-counts.ts";
import { doorRequests } from "../../src/compose/door-requests.ts";
import { Unread, type UnreadOptions } from "../../src/compose/unread.ts";
import { keyIdOf, newSessionCredentials } from "../../src/identity/session-credentials.ts";
import { listenTlsOnNode } from "../../src/platform/node-tls-server.ts";
import type { TlsTimeouts } from "../../src/platform/ports.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { AgentEnd } from "../../src/tunnel/agent.ts";
import { FrameReader, FrameWriter } from "../../src/tunnel/frames.ts";
import type { AgentNews } from "../../src/tunnel/protocol.ts";
import { headMessage, readRequestHead } from "../../src/tunnel/sdk-request.ts";
import { TUNNEL_TIMING } from "../../src/tunnel/timing.ts";
import { Tunnels } from "../../src/tunnel/tunnels.ts";
import { upgradeToTunnel } from "../../src/tunnel/upgrade.ts";
import { makeCertificate } from "./certificate.ts";
import { eventually } from "./eventually.ts";

export const door = makeCertificate(["localhost", "127.0.0.1"]);
const user = makeCertificate(["alice"]);
const agentKey = createPublicKey(createPrivateKey(makeCertificate(["agent"]).key));
export const keyId = keyIdOf(agentKey);
export const token = newSessionCredentials({
  certificate: new X509Certificate(user.cert).raw,
  privateKey: createPrivateKey(user.key),
  agents: [agentKey],
}).sessionToken.reveal();
export const orders = { name: "orders", labels: {}, uri: "", region: "us-east-1", account_id: "1", fault: null };

/** What a test has opened: to be closed by endOpened() after it. */
export const opened: (() => Promise<unknown> | void)[] = [];

export async function endOpened(): Promise<void> {
  for (const end of opened.splice(0).toReversed()) await end();
}

export interface SdkPath {
  readonly port: number;
  readonly tunnels: Tunnels;
  readonly counts: ConnectionCounts;
}

export interface SdkPathOptions {
  readonly identify?: () => Promise<{ readonly user: string; readonly database: string }>;
  readonly patience?: number;
  readonly timeouts?: Partial<TlsTimeouts>;
  readonly unread?: Partial<UnreadOptions>;
}

/** A door, and behind it no agent yet. */
export async function path({
  identify = async () => ({ user: "alice", database: "orders" }),
  patience = 1000,
  timeouts = {},
  unread: bounds = {},
}: SdkPathOptions = {}): Promise<SdkPath> {
  // In the order in which they came.
  const tunnels = new Tunnels({ random: () => 0 });
  const counts = new ConnectionCounts();
  const unread = new Unread({ log: silentLog, ...bounds });
  opened.push(() => unread.close());
  const listening = await listenTlsOnNode(
    async (asked) => new Response(`the API: ${await asked.text()}`),
    { kind: "tcp", host: "127.0.0.1", port: 0 },
    {
      identity: { chain: door.cert, key: new Secret(door.key), clientAuthorities: [] },
      takeOver: async () => ({
        headers: { upgrade: "postern-tunnel/1" },
        take: (socket) => tunnels.accept(socket, { hostId: `agent-${hosts++}`, databases: undefined }),
        leave: () => undefined,
      }),
      passOn: doorRequests({ tunnels, counts, unread, callers: { identify }, log: silentLog, patience }),
      timeouts,
    },
  );
  opened.push(
    () => listening.drain(0),
    () => tunnels.drain(0),
  );
  return { port: Number(listening.address.split(":").at(-1)), tunnels, counts };
}
let hosts = 0;

/** An agent; its app is told the request's headers and body. */
export async function agent(
  { port, tunnels }: SdkPath,
  answer: (stream: Duplex, headers: readonly string[], body: FrameReader, address: string) => Promise<void>,
  news: () => Partial<AgentNews> = () => ({}),
): Promise<void> {
  const before = tunnels.agents().length;
  const end = new AgentEnd({
    proxies: [String(port)],
    dial: async (at, signal) => {
      const socket = connect({ port: Number(at), host: "127.0.0.1", ca: door.cert });
      await once(socket, "secureConnect");
      return await upgradeToTunnel(socket, { host: "door", signal, timeout: 5000 });
    },
    news: () => ({
      node_name: "a",
      version: "1",
      draining: false,
      databases: [orders],
      sdk: { certificate: "", key_ids: [keyId] },
      ...news(),
    }),
    serve: (stream) => stream.destroy(),
    answer: (stream, { address }) => {
      stream.on("error", () => undefined);
      const reader = new FrameReader(stream);
      void (async () => {
        const head = readRequestHead(await reader.next());
        await answer(stream, head?.headers ?? [], reader, address);
      })().catch(() => stream.destroy());
    },
    timing: TUNNEL_TIMING,
    random: Math.random,
    clock: systemClock,
    log: silentLog,
  });
  opened.push(() => end.stop(0));
  await eventually(() => tunnels.agents().length === before + 1);
}

/** Answers whole. */
export async function say(stream: Duplex, text: string, status = 200): Promise<void> {
  const writer = new FrameWriter(stream);
  const bytes = Buffer.from(text);
  await writer.write(headMessage({ status, headers: { "x-a": "b" }, length: bytes.length }));
  await writer.write(bytes);
  writer.end();
}

/** Answers with what it was asked. */
export const echo = async (
  stream: Duplex,
  headers: readonly string[],
  body: FrameReader,
  address: string,
): Promise<void> => {
  const sum = createHash("sha256");
  for await (const chunk of body.rest()) sum.update(chunk);
  await say(stream, JSON.stringify({ headers, address, sum: sum.digest("hex") }), 400);
};

export const HEADERS: readonly string[] = [
  "Host",
  "door",
  "Authorization",
  "AWS4-HMAC-SHA256 x",
  "X-Amz-Security-Token",
  token,
];

/** One request, and its answer read whole. */
export async function call(
  { port }: SdkPath,
  body: string | Buffer = "{}",
  headers: readonly string[] = HEADERS,
  pool: Agent | false = false,
): Promise<{ status: number; headers: IncomingMessage["headers"]; body: Buffer; type: string | undefined }> {
  const asked = request({
    port,
    host: "127.0.0.1",
    ca: door.cert,
    method: "POST",
    path: "/",
    agent: pool,
    headers: [...headers, "Content-Length", String(Buffer.byteLength(body))] as unknown as Record<string, string>,
  });
  asked.end(body);
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  // An early answer closes the connection: what was still being sent is cut off.
  asked.on("error", () => undefined);
  const whole = await buffer(response);
  const type = /"__type":"[^#"]*#(\w+)"/.exec(whole.toString())?.[1];
  return { status: response.statusCode ?? 0, headers: response.headers, body: whole, type };
}

/** A raw connection of a client, which has said nothing yet. */
export async function rawClient({ port }: Pick<SdkPath, "port">): Promise<TLSSocket> {
  const socket = connect({ port, host: "127.0.0.1", ca: door.cert });
  await once(socket, "secureConnect");
  socket.on("error", () => undefined);
  opened.push(() => void socket.destroy());
  return socket;
}

/** One request as bytes, with a body of two. */
export function rawRequest(): string {
  const lines = HEADERS.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${HEADERS[at + 1] ?? ""}`] : []));
  return ["POST / HTTP/1.1", ...lines, "Content-Length: 2", "", "{}"].join("\r\n");
}
