import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterEach, describe, it } from "node:test";
import { connect } from "node:tls";
import { systemClock } from "../../../src/base/clock.ts";
import { PosternError } from "../../../src/base/errors.ts";
import { Secret } from "../../../src/base/secret.ts";
import { ConnectionCounts, MAX_CONNECTIONS } from "../../../src/compose/connection-counts.ts";
import { doorRequests } from "../../../src/compose/door-requests.ts";
import { keyIdOf, newSessionCredentials } from "../../../src/identity/session-credentials.ts";
import { listenTlsOnNode } from "../../../src/platform/node-tls-server.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { AgentEnd } from "../../../src/tunnel/agent.ts";
import { FrameReader, FrameWriter } from "../../../src/tunnel/frames.ts";
import type { AgentNews } from "../../../src/tunnel/protocol.ts";
import { headMessage, readRequestHead } from "../../../src/tunnel/sdk-request.ts";
import { TUNNEL_TIMING } from "../../../src/tunnel/timing.ts";
import { Tunnels } from "../../../src/tunnel/tunnels.ts";
import { upgradeToTunnel } from "../../../src/tunnel/upgrade.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { eventually } from "../../support/eventually.ts";

const door = makeCertificate(["localhost", "127.0.0.1"]);
const user = makeCertificate(["alice"]);
const agentKey = createPublicKey(createPrivateKey(makeCertificate(["agent"]).key));
const keyId = keyIdOf(agentKey);
const token = newSessionCredentials({
  certificate: new X509Certificate(user.cert).raw,
  privateKey: createPrivateKey(user.key),
  agents: [agentKey],
}).sessionToken.reveal();
const orders = { name: "orders", labels: {}, uri: "", region: "us-east-1", account_id: "1", fault: null };

const opened: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of opened.splice(0).toReversed()) await end();
});

interface Path {
  readonly port: number;
  readonly tunnels: Tunnels;
  readonly counts: ConnectionCounts;
}

async function path(identify = async () => ({ user: "alice", database: "orders" })): Promise<Path> {
  // In the order in which they came.
  const tunnels = new Tunnels({ random: () => 0 });
  const counts = new ConnectionCounts();
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
      passOn: doorRequests({ tunnels, counts, callers: { identify }, log: silentLog, patience: 1000 }),
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
async function agent(
  { port, tunnels }: Path,
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

async function say(stream: Duplex, text: string, status = 200): Promise<void> {
  const writer = new FrameWriter(stream);
  const bytes = Buffer.from(text);
  await writer.write(headMessage({ status, headers: { "x-a": "b" }, length: bytes.length }));
  await writer.write(bytes);
  writer.end();
}

const echo = async (stream: Duplex, headers: readonly string[], body: FrameReader, address: string): Promise<void> => {
  const sum = createHash("sha256");
  for await (const chunk of body.rest()) sum.update(chunk);
  await say(stream, JSON.stringify({ headers, address, sum: sum.digest("hex") }), 400);
};

const HEADERS = ["Host", "door", "Authorization", "AWS4-HMAC-SHA256 x", "X-Amz-Security-Token", token];

async function call(
  { port }: Path,
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

describe("the way of an SDK's request through a door", () => {
  it("carries headers to the letter and in order, the body, the answer, and where it came from", async () => {
    const whole = await path();
    await agent(whole, echo);
    const body = randomBytes(3_000_000);
    const headers = [...HEADERS, "x-AMZ-odd", "a  b", "X-Amz-Odd", "c"];
    const answer = await call(whole, body, headers);
    assert.equal(answer.status, 400);
    assert.equal(answer.headers["x-a"], "b");
    assert.equal(answer.headers["content-length"], String(answer.body.length));
    const got = JSON.parse(answer.body.toString()) as { headers: string[]; address: string; sum: string };
    assert.deepEqual(got.headers.slice(0, headers.length), headers);
    assert.equal(got.address, "127.0.0.1");
    assert.equal(got.sum, createHash("sha256").update(body).digest("hex"));
  });

  it("serves many at once on kept connections, and the API beside them", async () => {
    const whole = await path();
    await agent(whole, echo);
    const pool = new Agent({ keepAlive: true, maxSockets: 4 });
    opened.push(() => pool.destroy());
    const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => call(whole, `${at}`, HEADERS, pool)));
    assert.ok(answers.every(({ status }) => status === 400));
    assert.equal(Object.values(pool.sockets).length + Object.values(pool.freeSockets).flat().length > 0, true);
    const api = await call(whole, "hello", ["Host", "door"]);
    assert.equal(api.body.toString(), "the API: hello");
    await eventually(() => whole.counts.take("alice", "x") !== undefined);
  });

  it("resets no streams: an agent's HTTP/2 ends a tunnel after a thousand resets, and all that is in it", async () => {
    const whole = await path();
    await agent(whole, (stream, headers, body, address) =>
      headers.includes("early")
        ? say(stream, "no", 400).then(() => body.leave())
        : echo(stream, headers, body, address),
    );
    const pool = new Agent({ keepAlive: true, maxSockets: 16 });
    opened.push(() => pool.destroy());
    const early = [...HEADERS, "X-Answer", "early"];
    const calls = Array.from({ length: 1200 }, (_, at) => call(whole, "{}", at % 3 === 0 ? early : HEADERS, pool));
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    assert.deepEqual(new Set(statuses), new Set([400]));
  });

  it("asks another agent when one does not take it, with the whole request", async () => {
    const whole = await path();
    let asked = 0;
    // Says that it serves orders, and then takes nothing.
    await agent(
      whole,
      async () => assert.fail("it takes none"),
      () => ({ databases: asked++ === 0 ? [orders] : [] }),
    );
    await agent(whole, echo);
    const answer = await call(whole, "hello");
    const { sum } = JSON.parse(answer.body.toString()) as { sum: string };
    assert.equal(sum, createHash("sha256").update("hello").digest("hex"));
  });

  it("asks no other agent when one took it and went away: it may have been executed", async () => {
    const whole = await path();
    let taken = 0;
    const breaks = async (stream: Duplex): Promise<void> => {
      taken++;
      stream.destroy();
    };
    await agent(whole, breaks);
    await agent(whole, breaks);
    const answer = await call(whole);
    assert.deepEqual([answer.status, answer.type], [503, "ServiceUnavailable"]);
    assert.match(answer.body.toString(), /may have been executed/);
    assert.equal(taken, 1);
  });

  it("lets no answer look whole that is not", async () => {
    const whole = await path();
    await agent(whole, async (stream) => {
      const writer = new FrameWriter(stream);
      await writer.write(headMessage({ status: 200, headers: {} }));
      await writer.write(Buffer.from("half"));
      stream.end();
    });
    await assert.rejects(call(whole));
  });

  it("passes an early answer on to who is still sending", async () => {
    const whole = await path();
    await agent(whole, (stream) => say(stream, '{"__type":"a#UnrecognizedClientException"}', 400));
    const answer = await call(whole, randomBytes(8_000_000));
    assert.equal(answer.type, "UnrecognizedClientException");
    assert.equal(answer.headers.connection, "close");
  });

  it("tells the agent when the client goes, and gives its place back", async () => {
    const whole = await path();
    let gone = false;
    await agent(whole, async (stream) => {
      stream.once("close", () => (gone = true));
    });
    const places = Array.from({ length: MAX_CONNECTIONS.user - 1 }, () => whole.counts.take("alice", "192.0.2.1"));
    const asked = request({
      port: whole.port,
      host: "127.0.0.1",
      ca: door.cert,
      method: "POST",
      path: "/",
      agent: false,
      headers: HEADERS as unknown as Record<string, string>,
    });
    asked.on("error", () => undefined).end("{}");
    await eventually(async () => (await call(whole)).type === "ServiceUnavailable");
    assert.match((await call(whole)).body.toString(), /holds 500 connections/);
    asked.destroy();
    await eventually(() => gone);
    await eventually(() => {
      whole.counts.take("alice", "192.0.2.1")();
      return true;
    });
    for (const give of places) give();
  });

  it("waits for no agent for ever", async () => {
    const whole = await path();
    await agent(whole, async () => undefined);
    assert.deepEqual([(await call(whole)).type], ["ServiceUnavailable"]);
  });

  it("refuses what is none of these requests, in AWS's words, before an agent is asked", async () => {
    const whole = await path();
    await agent(whole, async () => assert.fail("nothing was to come"));
    const without = (name: string): string[] => HEADERS.filter((_, at) => HEADERS[at - (at % 2)] !== name);
    const target = ["X-Amz-Target", "DynamoDB_20120810.ListTables"];
    assert.equal(
      (await call(whole, "", [...without("Authorization"), ...target])).type,
      "MissingAuthenticationTokenException",
    );
    assert.equal((await call(whole, "", without("X-Amz-Security-Token"))).type, "UnrecognizedClientException");
    assert.equal(
      (await call(whole, "", [...HEADERS, "X-Amz-Security-Token", token])).type,
      "UnrecognizedClientException",
    );
    const large = await call(whole, Buffer.alloc(16 * 1024 * 1024 + 1));
    assert.deepEqual([large.status, large.type], [413, "RequestEntityTooLarge"]);
    for (const [code, type] of [
      ["certificate_expired", "ExpiredTokenException"],
      ["certificate_untrusted", "UnrecognizedClientException"],
      ["surprise", "InternalServerError"],
    ] as const) {
      const other = await path(async () => {
        throw new PosternError(code, "why");
      });
      assert.equal((await call(other)).type, type);
    }
  });

  it("says that nobody can read credentials that were made for agents that are gone", async () => {
    const whole = await path();
    await agent(whole, echo, () => ({ sdk: { certificate: "", key_ids: ["0123456789abcdef"] } }));
    const answer = await call(whole);
    assert.equal(answer.status, 503);
    assert.match(answer.body.toString(), /no agent that serves it now can read these credentials/);
    // An older agent says nothing of keys.
    const old = await path();
    await agent(old, echo, () => ({ sdk: undefined }));
    assert.deepEqual(old.tunnels.sdkAgents("orders"), []);
    assert.equal((await call(old)).status, 503);
  });
});
