import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, describe, it, mock } from "node:test";
import { BatchWriteItemCommand, DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { systemClock } from "../../../src/base/clock.ts";
import { PosternError } from "../../../src/base/errors.ts";
import { Secret } from "../../../src/base/secret.ts";
import { type LocalProxyOptions, openLocalProxy } from "../../../src/local-proxy/local-proxy.ts";
import { eventually } from "../../support/eventually.ts";

const KEY = "Zm9yLXRlc3RzLW9ubHk";
const opened: (() => unknown)[] = [];
afterEach(async () => {
  mock.timers.reset();
  for (const end of opened.splice(0).toReversed()) await end();
});

/** A port whose way leads to something that answers every chunk; how often it was gone is counted. */
async function port(more: Partial<LocalProxyOptions> = {}): Promise<{ port: number; ways: () => number }> {
  let ways = 0;
  const proxy = await openLocalProxy({
    address: { port: 0 },
    onRefused: () => undefined,
    clock: systemClock,
    random: () => 0,
    open: async () => {
      ways++;
      return new Duplex({
        read: () => undefined,
        write(_chunk, _encoding, done) {
          this.push('HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{"TableNames":[]}');
          done();
        },
        final(done) {
          this.push(null);
          done();
        },
      });
    },
    ...more,
  });
  opened.push(() => proxy.close());
  return { port: Number(proxy.address.split(":")[1]), ways: () => ways };
}

function ask(at: number, headers: Readonly<Record<string, string>>): Promise<[number | undefined, string]> {
  return new Promise((resolve, reject) => {
    const asked = request({ port: at, method: "POST", agent: false, headers }, (response) => {
      text(response).then((body) => resolve([response.statusCode, body]), reject);
    });
    asked.on("error", reject).end("{}");
  });
}
const signed = (key: string): string =>
  `AWS4-HMAC-SHA256 Credential=${key}/20261127/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0`;
const down: LocalProxyOptions["open"] = () =>
  Promise.reject(new PosternError("agent_unreachable", "Cannot reach the database's agent: it is away"));

describe("a port with an access key of its own", () => {
  const keyed = { accessKeyId: new Secret(KEY) };

  it("serves the SDK that signs with it", async () => {
    const { port: at } = await port(keyed);
    const client = new DynamoDBClient({
      endpoint: `http://127.0.0.1:${at}`,
      region: "us-east-1",
      credentials: { accessKeyId: KEY, secretAccessKey: "postern" },
    });
    opened.push(() => client.destroy());
    assert.deepEqual((await client.send(new ListTablesCommand({}))).TableNames, []);
  });

  it("opens no way for anybody else, and tells them nothing of it", async () => {
    const { port: at, ways } = await port(keyed);
    const strangers: Readonly<Record<string, string>>[] = [
      {},
      { authorization: signed("postern") },
      { authorization: signed(KEY.slice(0, -1)) },
      { authorization: signed(`${KEY}x`) },
      { authorization: signed(KEY.toLowerCase()) },
      { authorization: `Basic ${KEY}` },
      { "x-authorization": signed(KEY) },
      { "x-amz-credential": KEY },
    ];
    for (const headers of strangers) {
      const [status, body] = await ask(at, headers);
      assert.equal(status, 400);
      assert.match(body, /AccessDeniedException.*own access key id/);
      assert.ok(!body.includes(KEY));
    }
    assert.equal(ways(), 0);
  });

  it("looks in the head alone: a body cannot hold it, nor the end of a line", async () => {
    const { port: at, ways } = await port(keyed);
    const raw = async (bytes: string): Promise<string> => {
      const socket = connect(at, "127.0.0.1");
      socket.write(bytes);
      return await text(socket);
    };
    const head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 200\r\n";
    assert.match(await raw(`${head}\r\nauthorization: ${signed(KEY)}\r\n\r\n`), /AccessDenied/);
    assert.match(await raw(`${head}x: authorization: ${signed(KEY)}\r\n\r\n`), /AccessDenied/);
    assert.equal(ways(), 0);
  });

  it("reads no more of a head than heads have, and waits for none for ever", async () => {
    const { port: at, ways } = await port(keyed);
    const long = connect(at, "127.0.0.1");
    long.write(`POST / HTTP/1.1\r\nx: ${"x".repeat(40_000)}`);
    assert.match(await text(long), /AccessDenied/);
    mock.timers.enable({ apis: ["setTimeout"] });
    const slow = connect(at, "127.0.0.1");
    const ended = closing(slow);
    await once(slow, "connect");
    slow.write("POST / HTTP/1.1\r\n");
    await passing(ended, 15_000);
    assert.equal(ways(), 0);
  });
});

describe("a port that there is no way behind", () => {
  it("answers a client that sends 16 MB, and goes on answering", async () => {
    const { port: at } = await port({ open: down });
    const client = new DynamoDBClient({
      endpoint: `http://127.0.0.1:${at}`,
      region: "us-east-1",
      credentials: { accessKeyId: "a", secretAccessKey: "b" },
      maxAttempts: 1,
    });
    opened.push(() => client.destroy());
    const Item = { id: { S: "x" }, data: { S: "x".repeat(1_000_000) } };
    const large = new BatchWriteItemCommand({
      RequestItems: { orders: Array.from({ length: 16 }, () => ({ PutRequest: { Item } })) },
    });
    for (const command of [large, new ListTablesCommand({}), large]) {
      const error = await client.send(command as ListTablesCommand).then(
        () => assert.fail("It was answered"),
        (thrown: Error) => thrown,
      );
      assert.match(error.message, /Cannot reach the database's agent: it is away/);
      assert.equal((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode, 503);
    }
  });

  it("does not wait for ever for a request that it could answer, nor for a client that stays", async () => {
    const { port: at } = await port({ open: down });
    mock.timers.enable({ apis: ["setTimeout"] });
    const silent = connect(at, "127.0.0.1");
    const ended = closing(silent);
    await once(silent, "connect");
    await passing(ended, 5000);
    const staying = connect({ port: at, host: "127.0.0.1", allowHalfOpen: true });
    staying.on("error", () => undefined);
    const answered = once(staying, "data");
    staying.write("POST / HTTP/1.1\r\n\r\n");
    await answered;
    // It never says that it is done, and sends on.
    const gone = closing(staying);
    const sending = setInterval(() => staying.write("x"), 5);
    await passing(gone, 5000).finally(() => clearInterval(sending));
  });
});

describe("many clients of a port", () => {
  it("are turned away above what it takes, and the port serves on", async () => {
    const { port: at, ways } = await port({ maxConnections: 20 });
    const sockets: Socket[] = [];
    for (let n = 0; n < 60; n++) sockets.push(connect(at, "127.0.0.1").on("error", () => undefined));
    opened.push(() => sockets.map((socket) => socket.destroy()));
    await eventually(() => sockets.filter(({ closed }) => closed).length === 40);
    assert.ok(ways() <= 20);
    for (const socket of sockets) socket.destroy();
    await eventually(async () => (await ask(at, {}).catch(() => []))[0] === 200);
  });
});

/** However it ends. */
function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket
      .on("error", () => undefined)
      .resume()
      .once("close", () => resolve());
  });
}

/** Lets so much time pass, again and again: what starts a timer may do so at any moment. */
async function passing(until: Promise<unknown>, milliseconds: number): Promise<void> {
  let done = false;
  void until.then(() => (done = true));
  while (!done) {
    mock.timers.tick(milliseconds);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
