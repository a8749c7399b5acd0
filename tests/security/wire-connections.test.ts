import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { eventually } from "../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { chunked, RawClient, requestBytes } from "../support/raw-http.ts";
import { type StubUpstream, stubHttp } from "../support/stub-upstream.ts";

const GET = JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } });
const getOf = (id: string): Buffer =>
  requestBytes({ body: JSON.stringify({ TableName: "orders", Key: { id: { S: id } } }) });
const DROP = requestBytes({ operation: "DeleteTable", body: '{"TableName":"orders"}' });

describe("one connection", () => {
  let gateway: TestGateway;
  let client: RawClient;
  before(async () => {
    gateway = await startTestGateway();
  });
  after(async () => {
    client.destroy();
    await gateway.close();
  });

  const legal: readonly [string, Buffer][] = [
    [
      "chunks with extensions and a trailer",
      requestBytes({
        headers: ["Transfer-Encoding: chunked"],
        body: chunked([GET.slice(0, 9), GET.slice(9)], {
          extension: ";a=b",
          trailer: "X-Amz-Target: DynamoDB_20120810.DeleteTable\r\n",
        }),
      }),
    ],
    ["chunks of one byte", requestBytes({ headers: ["Transfer-Encoding: chunked"], body: chunked([...GET]) })],
    ["gzip", requestBytes({ headers: ["Content-Encoding: gzip"], body: gzipSync(GET) })],
    [
      "gzip of two members",
      requestBytes({
        headers: ["Content-Encoding: gzip"],
        body: Buffer.concat([gzipSync(GET.slice(0, 9)), gzipSync(GET.slice(9))]),
      }),
    ],
    ["deflate", requestBytes({ headers: ["Content-Encoding: deflate"], body: deflateSync(GET) })],
    ["an identity encoding", requestBytes({ headers: ["Content-Encoding: identity"], body: GET })],
    [
      "headers in another case and order",
      requestBytes({
        without: ["host", "x-amz-target", "content-type"],
        headers: [
          "CONTENT-TYPE:application/json; charset=utf-8",
          "x-aMZ-tARGET:\t DynamoDB_20120810.GetItem \t",
          "hOST: LOCALHOST",
        ],
        body: GET,
      }),
    ],
  ];
  for (const [what, bytes] of legal) {
    it(`pitfalls 2, 3 and 5: forwards ${what} as the plain bytes that were judged`, async () => {
      gateway.sandbox.forget();
      client = await RawClient.open(gateway.port);
      await client.write(bytes);
      assert.equal((await client.mustAnswer()).status, 200);
      const [seen] = gateway.sandbox.dynamodb.requests;
      assert.equal(seen?.bodyDigest, createHash("sha256").update(GET).digest("hex"));
      const names = new Set(seen.headers.map(([name]) => name.toLowerCase()));
      for (const name of ["content-encoding", "transfer-encoding", "te", "trailer", "expect"])
        assert.ok(!names.has(name), name);
      client.destroy();
    });
  }

  it("answers pipelined requests in their order, the good, the denied and the malformed", async () => {
    client = await RawClient.open(gateway.port);
    gateway.sandbox.fail("dynamodb_slow", { times: 1, delayMs: 50 });
    const malformed = requestBytes({ line: "GET / HTTP/1.1" });
    await client.write(Buffer.concat([getOf("ada#1"), DROP, malformed, getOf("none"), DROP]));
    const answers = [];
    for (let at = 0; at < 5; at++) answers.push(await client.mustAnswer());
    assert.deepEqual(
      answers.map(({ status, json }) => [
        status,
        JSON.stringify(json["__type"] ?? "")
          .replaceAll('"', "")
          .split("#")
          .at(-1),
      ]),
      [
        [200, ""],
        [400, "AccessDeniedException"],
        [400, "UnknownOperationException"],
        [200, ""],
        [400, "AccessDeniedException"],
      ],
    );
    assert.deepEqual([answers[0]?.json["Item"] !== undefined, answers[3]?.json["Item"]], [true, undefined]);
    client.destroy();
  });

  it("answers bytes that are no request after the answers to the requests before them, once", async () => {
    client = await RawClient.open(gateway.port);
    gateway.sandbox.fail("dynamodb_slow", { times: 1, delayMs: 50 });
    const before = gateway.audit().length;
    await client.write(Buffer.concat([getOf("ada#1"), Buffer.from("garbage\r\n\r\n")]));
    for (let at = 0; at < 5; at++) await client.write("more garbage\r\n\r\n");
    const [first, second, end] = [await client.mustAnswer(), await client.mustAnswer(), await client.answer()];
    assert.deepEqual([first.status, second.status, end], [200, 400, "closed"]);
    assert.ok(first.json["Item"] !== undefined);
    const events = gateway
      .audit()
      .slice(before)
      .filter(({ event }) => event === "db.session.dynamodb.request");
    assert.deepEqual(
      events.map(({ outcome }) => String(outcome)).toSorted((one, other) => one.localeCompare(other)),
      ["completed", "rejected"],
    );
  });

  it("records a body that breaks HTTP's rules as one rejected request of its operation", async () => {
    client = await RawClient.open(gateway.port);
    await client.write(requestBytes({ headers: ["Transfer-Encoding: chunked"], body: '5\r\n{"Tab\r\n' }));
    await client.write("not a size\r\n");
    const answer = await client.mustAnswer();
    assert.equal(answer.json["__type"], "com.amazon.coral.service#SerializationException");
    const event = gateway.eventOf(answer.headers["x-postern-decision-id"]);
    assert.deepEqual([event["outcome"], event["target"]], ["rejected", "DynamoDB_20120810.GetItem"]);
    assert.equal(await client.answer(), "closed");
  });

  it("says 100 Continue before a body that is awaited, and nothing of it goes upstream", async () => {
    client = await RawClient.open(gateway.port);
    const bytes = requestBytes({ headers: ["Expect: 100-continue"], body: GET });
    const split = bytes.indexOf("\r\n\r\n") + 4;
    await client.write(bytes.subarray(0, split));
    assert.ok(await client.until((received) => received.toString("latin1").startsWith("HTTP/1.1 100 Continue\r\n")));
    await client.write(bytes.subarray(split));
    assert.equal((await client.mustAnswer()).status, 200);
    client.destroy();
  });

  it("gives no browser leave to read an answer", async () => {
    client = await RawClient.open(gateway.port);
    for (const bytes of [
      getOf("ada#1"),
      requestBytes({
        line: "OPTIONS / HTTP/1.1",
        headers: ["Origin: https://evil.example", "Access-Control-Request-Method: POST"],
      }),
    ]) {
      await client.write(bytes);
      const names = Object.keys((await client.mustAnswer()).headers);
      assert.deepEqual(
        names.filter((name) => name.startsWith("access-control-")),
        [],
      );
    }
    client.destroy();
  });

  it("lets a client that reads only when it has uploaded its 17 MiB learn why it is refused", async () => {
    client = await RawClient.open(gateway.port);
    client.socket.pause();
    await client.write(requestBytes({ operation: "PutItem", body: Buffer.alloc(17 * 1024 * 1024, 32) }));
    client.socket.resume();
    const answer = await client.mustAnswer();
    assert.deepEqual([answer.status, answer.json["__type"]], [413, "com.amazon.coral.service#RequestEntityTooLarge"]);
    client.destroy();
  });

  it("invariant 7: puts nothing of a query string or of user and password in a URL on record", async () => {
    client = await RawClient.open(gateway.port);
    for (const target of [
      "/?X-Amz-Signature=qs-secret&X-Amz-Security-Token=qs-secret",
      "http://user:qs-secret@127.0.0.1/x",
      "/#qs-secret",
    ]) {
      await client.write(requestBytes({ line: `POST ${target} HTTP/1.1`, body: GET }));
      const answer = await client.mustAnswer();
      assert.ok(!answer.body.includes("qs-secret"), answer.body);
    }
    assert.ok(!JSON.stringify(gateway.audit()).includes("qs-secret"));
    client.destroy();
  });

  it("ends every session that it began, also when the client leaves in the middle of a body", async () => {
    const ends = (): number =>
      gateway.audit().filter(({ outcome }) => outcome === "aborted" || outcome === "rejected").length;
    for (const leave of ["destroy", "resetAndDestroy"] as const) {
      const before = ends();
      client = await RawClient.open(gateway.port);
      await client.write(requestBytes({ headers: ["Content-Length: 100"], body: "{" }));
      await eventually(async () => (await gateway.inFlight()) === 1);
      client.socket[leave]();
      await eventually(() => ends() === before + 1);
    }
    await eventually(() => {
      const sids = (name: string): string[] =>
        gateway
          .audit()
          .filter(({ event }) => event === name)
          .map(({ sid }) => String(sid))
          .toSorted((one, other) => one.localeCompare(other));
      assert.deepEqual(sids("db.session.end"), sids("db.session.start"));
      return true;
    });
  });
});

describe("clients that take their time", () => {
  let gateway: TestGateway;
  let stub: StubUpstream;
  const PIECE = Buffer.alloc(64 * 1024, 120);
  before(async () => {
    stub = await stubHttp(async (request, response) => {
      if (request.headers["x-amz-target"] !== "DynamoDB_20120810.Scan") return;
      response.writeHead(200);
      for (let at = 0; at < 1000 && !response.destroyed; at++) {
        if (!response.write(PIECE))
          await new Promise<void>((resolve) => response.once("drain", resolve).once("close", resolve));
      }
      response.end();
    });
    gateway = await startTestGateway({
      uri: stub.url,
      timeouts: { headers: 60, request: 150, inspection: 20, silence: 300 },
    });
  });
  after(async () => {
    await gateway.close();
    await stub.close();
  });
  const requestEvents = (): Record<string, unknown>[] =>
    gateway.audit().filter(({ event }) => event === "db.session.dynamodb.request");

  it("are refused when their headers drag on", async () => {
    const client = await RawClient.open(gateway.port);
    await client.write("POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    const answer = await client.mustAnswer();
    assert.equal(answer.json["__type"], "com.amazon.coral.service#SerializationException");
    assert.equal(gateway.eventOf(answer.headers["x-postern-decision-id"])["outcome"], "rejected");
    assert.equal(await client.answer(), "closed");
  });

  it("are refused when their body drags on", async () => {
    const client = await RawClient.open(gateway.port);
    await client.write(requestBytes({ headers: ["Content-Length: 100"], body: "{" }));
    const answer = await client.mustAnswer();
    assert.equal(answer.json["__type"], "com.amazon.coral.service#SerializationException");
    assert.equal(gateway.eventOf(answer.headers["x-postern-decision-id"])["target"], "DynamoDB_20120810.GetItem");
    assert.equal(await client.answer(), "closed");
  });

  it("made no request when they never said anything", async () => {
    const before = requestEvents().length;
    const client = await RawClient.open(gateway.port);
    await client.closed;
    assert.deepEqual([requestEvents().length, client.received.length], [before, 0]);
  });

  it("lose the connection, and free the upstream's, when they do not read their answer", async () => {
    const client = await RawClient.open(gateway.port);
    client.socket.pause();
    await client.write(requestBytes({ operation: "Scan", body: '{"TableName":"orders"}' }));
    await eventually(() =>
      requestEvents().some(({ target, outcome }) => target === "DynamoDB_20120810.Scan" && outcome === "aborted"),
    );
    await eventually(() => stub.open() === 0);
    client.destroy();
  });

  // Plain requests are served one after the other, all others of a connection side by side.
  const inChunks = (operation: string, body: string): Buffer =>
    requestBytes({ operation, headers: ["Transfer-Encoding: chunked"], body: chunked([body]) });
  const never = JSON.stringify({ TableName: "orders", Key: { id: { S: "never answered" } } });
  it("lose the connection when they send many requests ahead of the answers", async () => {
    const open = (): number => gateway.gateway.services.recorder.stats().openRequests;
    const client = await RawClient.open(gateway.port);
    const answered = client.answer();
    const before = requestEvents().length;
    await client.write(Buffer.concat(Array.from({ length: 128 }, () => inChunks("GetItem", never))));
    assert.equal(await answered, "closed");
    await eventually(() => open() === 0);
    assert.equal(requestEvents().length - before, 64, "none of the others began");
  });

  const pipelines: readonly [string, Buffer, number][] = [
    ["of plain requests", Buffer.concat([getOf("never answered"), getOf("ada#1")]), 1],
    ["of other requests", Buffer.concat([inChunks("GetItem", never), inChunks("Scan", '{"TableName":"orders"}')]), 2],
  ];
  for (const [what, bytes, under] of pipelines) {
    it(`leave no request open when they go before a pipelined answer had its turn, ${what}`, async () => {
      const open = (): number => gateway.gateway.services.recorder.stats().openRequests;
      assert.equal(open(), 0);
      const client = await RawClient.open(gateway.port);
      await client.write(bytes);
      await eventually(() => open() === under);
      client.destroy();
      await eventually(() => open() === 0);
    });
  }
});
