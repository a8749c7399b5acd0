import assert from "node:assert/strict";
import { type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { NodeUpstream } from "../../src/platform/node-upstream.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { RawClient, requestBytes } from "../support/raw-http.ts";
import { type StubUpstream, stubHttp, stubTcp } from "../support/stub-upstream.ts";

const GET = { TableName: "orders", Key: { id: { S: "ada#1" } } };
const SERVICE_UNAVAILABLE = "com.amazonaws.dynamodb.v20120810#ServiceUnavailable";
const OK = "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\n\r\n{}";
const quick = (): NodeUpstream =>
  new NodeUpstream({ connections: 4, connectTimeout: 300, headersTimeout: 150, bodyTimeout: 150 });

describe("an upstream that fails", () => {
  let gateway: TestGateway;
  let stub: StubUpstream;
  const log: string[] = [];
  let serve: (socket: Socket, request: string) => void;
  before(async () => {
    stub = await stubTcp((socket) => {
      let seen = "";
      socket.on("data", (chunk) => {
        seen += chunk.toString("latin1");
        const length = Number(/content-length: ([0-9]+)/i.exec(seen)?.[1] ?? Number.NaN);
        if (!(seen.length >= seen.indexOf("\r\n\r\n") + 4 + length)) return;
        const request = seen;
        seen = "";
        serve(socket, request);
      });
    });
    gateway = await startTestGateway({
      uri: stub.url,
      upstream: (real) => {
        void real.close();
        return quick();
      },
      log: createLog({ severity: "debug", format: "json", write: (line) => void log.push(line) }),
    });
  });
  after(async () => {
    await gateway.close();
    await stub.close();
  });

  const failures: readonly [string, (socket: Socket) => void][] = [
    ["closes without a word", (socket) => socket.destroy()],
    ["resets", (socket) => socket.resetAndDestroy()],
    ["never answers", () => undefined],
    ["answers with garbage", (socket) => socket.write("\x16\x03\x01 garbage\r\n\r\n")],
    ["answers in HTTP/0.9", (socket) => socket.end("{}")],
    ["sends half a head", (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Le")],
    ["sends half a head and waits", (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Le")],
    ["closes in the middle of a small body", (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")],
    [
      "resets in the middle of a small body",
      (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", () => socket.resetAndDestroy()),
    ],
    [
      "stalls in the middle of a small body",
      (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    ],
    [
      "sends a broken chunk",
      (socket) => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n"),
    ],
    [
      "sends two lengths",
      (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    ],
    [
      "sends a head of 1 MB",
      (socket) => socket.end(`HTTP/1.1 200 OK\r\nX-A: ${"a".repeat(1_000_000)}\r\nContent-Length: 2\r\n\r\n{}`),
    ],
    [
      "switches protocols",
      (socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
    ],
  ];
  for (const [what, fail] of failures) {
    it(`and ${what} gives a retryable 503, an event that says failed, and a good answer afterwards`, async () => {
      serve = fail;
      const { status, headers, body } = await gateway.call("GetItem", GET);
      assert.deepEqual([status, body["__type"]], [503, SERVICE_UNAVAILABLE]);
      const event = gateway.eventOf(headers.get("x-postern-decision-id"));
      assert.deepEqual([event["outcome"], event["code"], event["status_code"]], ["failed", "TDY01E", 503]);
      serve = (socket) => socket.write(OK);
      assert.equal((await gateway.call("GetItem", GET)).status, 200);
    });
  }

  it("tells clients nothing of where it is, and the log why", () => {
    const port = new URL(stub.url).port;
    assert.ok(log.some((line) => line.includes("The upstream gave no answer") && line.includes(port)));
  });

  for (const [what, fail] of [
    ["closes", (socket: Socket) => socket.end()],
    ["resets", (socket: Socket) => socket.resetAndDestroy()],
    ["stalls", () => undefined],
  ] as const) {
    it(`and ${what} in the middle of a large answer breaks the client's answer off too, and is recorded as failed`, async () => {
      const head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
      serve = (socket) => socket.write(head + "x".repeat(300_000), () => setTimeout(() => fail(socket), 20));
      for (const version of ["HTTP/1.1", "HTTP/1.0"]) {
        const client = await RawClient.open(gateway.port);
        let reset = false;
        client.socket.on("error", () => (reset = true));
        await client.write(
          requestBytes({ line: `POST / ${version}`, operation: "Scan", body: '{"TableName":"orders"}' }),
        );
        await client.until((received) => received.includes("\r\n\r\n"));
        const id = /x-postern-decision-id: (\S+)/i.exec(client.received.toString("latin1"))?.[1];
        if (version === "HTTP/1.1") assert.equal(await client.answer(), "broken");
        await client.closed;
        if (version === "HTTP/1.0") assert.ok(reset, "an answer that is cut off looks whole");
        assert.equal(gateway.eventOf(id)["outcome"], "failed");
      }
      assert.equal(gateway.gateway.services.recorder.stats().openRequests, 0);
    });
  }

  it("passes DynamoDB's own errors on as they are", async () => {
    for (const [status, type] of [
      [400, "ProvisionedThroughputExceededException"],
      [500, "InternalServerError"],
      [503, "ServiceUnavailable"],
    ] as const) {
      const text = `{"__type":"com.amazonaws.dynamodb.v20120810#${type}","message":"m"}`;
      serve = (socket) => socket.write(`HTTP/1.1 ${status} X\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
      const answer = await gateway.call("GetItem", GET);
      assert.deepEqual([answer.status, answer.body], [status, JSON.parse(text)]);
      const event = gateway.eventOf(answer.headers.get("x-postern-decision-id"));
      assert.deepEqual([event["outcome"], (event["response"] as { error: string }).error], ["completed", type]);
    }
  });

  it("leaves nothing in flight", async () => {
    await eventually(async () => (await gateway.inFlight()) === 0);
  });
});

describe("an upstream that is not there", () => {
  it("gives a retryable 503 and is used again when it comes back", async () => {
    const gone = await stubHttp(() => undefined);
    await gone.close();
    const gateway = await startTestGateway({ uri: gone.url });
    let back: StubUpstream | undefined;
    try {
      const { status, body, headers } = await gateway.call("GetItem", GET);
      assert.deepEqual([status, body["__type"]], [503, SERVICE_UNAVAILABLE]);
      assert.ok(!JSON.stringify(body).includes(new URL(gone.url).port), "the answer says where the upstream is");
      assert.equal(gateway.eventOf(headers.get("x-postern-decision-id"))["outcome"], "failed");
      back = await stubHttp((_, response) => void response.end("{}"), Number(new URL(gone.url).port));
      await eventually(async () => (await gateway.call("GetItem", GET)).status === 200);
    } finally {
      await gateway.close();
      await back?.close();
    }
  });
});

describe("invariant 8: an upstream that is too slow for what is asked of it", () => {
  it("makes requests wait up to a number, and refuses the next at once", async () => {
    const waiting: ServerResponse[] = [];
    const stub = await stubHttp((_, response) => void waiting.push(response));
    const gateway = await startTestGateway({
      uri: stub.url,
      upstream: (real) => (void real.close(), new NodeUpstream({ connections: 1, waiting: 2 })),
    });
    try {
      const under: Promise<{ status: number }>[] = [];
      for (let at = 0; at < 3; at++) {
        under.push(gateway.call("GetItem", GET));
        await eventually(() => waiting.length === 1);
        await eventually(async () => (await gateway.inFlight()) === at + 1);
      }
      await eventually(() => gateway.gateway.services.recorder.stats().openRequests === 3);
      const refused = await gateway.call("GetItem", GET);
      assert.deepEqual([refused.status, refused.body["__type"]], [503, SERVICE_UNAVAILABLE]);
      for (let at = 0; at < 3; at++) {
        await eventually(() => waiting.length === 1);
        waiting.shift()?.end("{}");
      }
      assert.deepEqual(
        (await Promise.all(under)).map(({ status }) => status),
        [200, 200, 200],
      );
    } finally {
      await gateway.close();
      await stub.close();
    }
  });
});

describe("a client that goes away", () => {
  let gateway: TestGateway;
  let stub: StubUpstream;
  const waiting: ServerResponse[] = [];
  before(async () => {
    stub = await stubHttp((_, response) => void waiting.push(response));
    gateway = await startTestGateway({
      uri: stub.url,
      upstream: (real) => (void real.close(), new NodeUpstream({ connections: 1 })),
    });
  });
  afterEach(() => {
    for (const response of waiting.splice(0)) response.end("{}");
  });
  after(async () => {
    await gateway.close();
    await stub.close();
  });
  const outcomes = (): unknown[] =>
    gateway.audit().flatMap(({ event, outcome }) => (event === "db.session.dynamodb.request" ? [outcome] : []));

  it("ends its upstream request, and is recorded as aborted", async () => {
    const client = await RawClient.open(gateway.port);
    await client.write(requestBytes({ body: JSON.stringify(GET) }));
    await eventually(() => waiting.length === 1);
    client.destroy();
    await eventually(() => waiting[0]?.destroyed === true);
    await eventually(() => outcomes().at(-1) === "aborted");
  });

  it("while it waits for a free connection is never sent upstream", async () => {
    const [first, second] = [await RawClient.open(gateway.port), await RawClient.open(gateway.port)];
    await first.write(requestBytes({ body: JSON.stringify(GET) }));
    await eventually(() => waiting.length === 1);
    await second.write(requestBytes({ operation: "Scan", body: '{"TableName":"orders"}' }));
    await eventually(async () => (await gateway.inFlight()) === 2);
    const before = outcomes().length;
    second.destroy();
    await eventually(() => outcomes().length === before + 1);
    assert.equal(outcomes().at(-1), "aborted");
    waiting.shift()?.end("{}");
    assert.equal((await first.mustAnswer()).status, 200);
    first.destroy();
    await eventually(async () => (await gateway.inFlight()) === 0);
    assert.equal(waiting.length, 0, "it was sent after its client had gone");
  });
});
