import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { eventually } from "../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { RawClient, requestBytes } from "../support/raw-http.ts";
import { type StubUpstream, stubHttp } from "../support/stub-upstream.ts";

const REQUEST = requestBytes({ body: '{"TableName":"orders","Key":{"id":{"S":"a"}}}' });
const SCAN = requestBytes({ operation: "Scan", body: '{"TableName":"orders"}' });
const LONG_MS = 600_000;

describe("a gateway that is told to stop", () => {
  let gateway: TestGateway;
  let stub: StubUpstream;
  let waiting: ServerResponse[];
  beforeEach(async () => {
    waiting = [];
    stub = await stubHttp((_, response) => void waiting.push(response));
    // Nothing but the drain may end a connection.
    gateway = await startTestGateway({ uri: stub.url, timeouts: { keepAlive: LONG_MS, silence: LONG_MS } });
  });
  afterEach(async () => {
    await gateway.close();
    await stub.close();
  });
  const outcomes = (): unknown[] =>
    gateway.audit().flatMap(({ event, outcome }) => (event === "db.session.dynamodb.request" ? [outcome] : []));

  it("lets what is in flight end, with connection: close, and refuses new connections", async () => {
    const client = await RawClient.open(gateway.port);
    await client.write(REQUEST);
    await eventually(() => waiting.length === 1);
    const drained = gateway.drain(LONG_MS);
    await assert.rejects(RawClient.open(gateway.port), { code: "ECONNREFUSED" });
    waiting[0]?.end("{}");
    const answer = await client.mustAnswer();
    assert.deepEqual([answer.status, answer.headers["connection"]], [200, "close"]);
    assert.equal(await client.answer(), "closed");
    await drained;
    assert.deepEqual(outcomes(), ["completed"]);
  });

  it(
    "ends connections between two requests, and such as never said anything, at once",
    { timeout: 30_000 },
    async () => {
      const [used, silent] = [await RawClient.open(gateway.port), await RawClient.open(gateway.port)];
      await used.write(REQUEST);
      await eventually(() => waiting.length === 1);
      waiting[0]?.end("{}");
      assert.equal((await used.mustAnswer()).headers["connection"], "keep-alive");
      await gateway.drain(LONG_MS);
      await Promise.all([used.closed, silent.closed]);
    },
  );

  it("ends a connection whose answer had begun before, when it is whole", { timeout: 30_000 }, async () => {
    const client = await RawClient.open(gateway.port);
    await client.write(SCAN);
    await eventually(() => waiting.length === 1);
    waiting[0]?.writeHead(200, { "content-length": 200_000 });
    waiting[0]?.write("x".repeat(100_000));
    await client.until((received) => received.length > 50_000);
    const drained = gateway.drain(LONG_MS);
    waiting[0]?.end("x".repeat(100_000));
    const answer = await client.mustAnswer();
    assert.equal(answer.body.length, 200_000);
    assert.equal(await client.answer(), "closed");
    await drained;
    assert.deepEqual(outcomes(), ["completed"]);
  });

  it("breaks off what has not ended when its patience has, and records it", async () => {
    const client = await RawClient.open(gateway.port);
    await client.write(REQUEST);
    await eventually(() => waiting.length === 1);
    await gateway.drain(1);
    assert.equal(await client.answer(), "closed");
    await eventually(() => waiting[0]?.destroyed === true);
    await eventually(() => outcomes().length === 1);
    assert.deepEqual(outcomes(), ["aborted"]);
  });

  it("answers every request of a load that it took, and loses none without a word", async () => {
    let [sent, answered, refused] = [0, 0, 0];
    const pump = setInterval(() => {
      for (const response of waiting.splice(0)) response.end("{}");
    }, 1);
    const clients = Array.from({ length: 8 }, async () => {
      for (;;) {
        const socket = connect(gateway.port, "127.0.0.1");
        const client = new RawClient(socket);
        for (let at = 0; at < 5; at++) {
          await client.write(REQUEST);
          sent += 1;
          const answer = await client.answer();
          if (typeof answer === "string") {
            // A connection closes between two answers, never in the middle of one.
            assert.equal(answer, "closed");
            refused += 1;
            return;
          }
          assert.equal(answer.status, 200);
          answered += 1;
          if (answer.headers["connection"] === "close") break;
        }
        client.destroy();
      }
    });
    await eventually(() => answered > 100);
    await gateway.drain(LONG_MS);
    await Promise.all(clients);
    clearInterval(pump);
    assert.equal(refused, 8);
    assert.deepEqual(
      [answered, outcomes().length],
      [sent - refused, answered],
      "a request was executed, and its client not told",
    );
  });
});
