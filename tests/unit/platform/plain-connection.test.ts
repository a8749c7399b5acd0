import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { after, before, beforeEach, describe, it } from "node:test";
import { Hono } from "hono";
import type { GatewayApp } from "../../../src/gateway/app.ts";
import { type Answer, type Exchange } from "../../../src/gateway/ports.ts";
import { listenOnNode } from "../../../src/platform/node-server.ts";
import type { Listening } from "../../../src/platform/ports.ts";
import { eventually } from "../../support/eventually.ts";
import { RawClient } from "../../support/raw-http.ts";

const ROOM = { take: () => true };
const LIMIT = 1024 * 1024;
/** More than the kernel takes off our hands. */
const LARGE = new Uint8Array(16 * 1024 * 1024);

const post = (body: string, ...headers: readonly string[]): string =>
  ["POST / HTTP/1.1", "Host: localhost", ...headers, `Content-Length: ${Buffer.byteLength(body)}`, "", body].join(
    "\r\n",
  );

/** Answers each request with what its body asks for, and remembers in which order they began and ended. */
class Script {
  began: string[] = [];
  readonly #waiting = new Map<string, () => void>();
  readonly app: GatewayApp = new Hono();

  constructor() {
    this.app.all("*", async (context) => {
      const { exchange, send } = context.env;
      assert.ok(exchange !== undefined && send !== undefined);
      return await send(await this.#answer(exchange));
    });
    this.app.onError((error) => {
      throw error;
    });
  }

  /** Lets the request with this body be answered. */
  release(body: string): void {
    this.#waiting.get(body)?.();
  }

  #until(what: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(what, resolve);
    });
  }

  async #answer(exchange: Exchange): Promise<Answer> {
    // The body may come while nobody waits for it.
    if (exchange.headers.includes("X-Late")) await this.#until("late");
    let body = "refused";
    try {
      body = Buffer.from(await exchange.body(LIMIT, ROOM)).toString("latin1");
    } catch {
      this.began.push(body);
      return { status: 400, headers: {}, body: Buffer.from(body) };
    }
    this.began.push(body);
    if (body.startsWith("wait")) await this.#until(body);
    if (body === "large") return { status: 200, headers: {}, body: LARGE };
    if (body === "streamed, last") return { status: 200, headers: {}, body: streamed(body), close: true };
    return { status: 200, headers: {}, body: Buffer.from(body), ...(body === "last" ? { close: true } : {}) };
  }
}

async function* streamed(text: string): AsyncGenerator<Uint8Array> {
  await turn();
  yield Buffer.from(text);
}

/** A client that keeps its side open when the other has closed. */
async function stayingClient(port: number): Promise<RawClient> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  await once(socket, "connect");
  return new RawClient(socket);
}

describe("a connection of plain requests", () => {
  let script: Script;
  let listening: Listening;
  let port = 0;
  let left = 0;
  before(async () => {
    script = new Script();
    listening = await listenOnNode(
      script.app,
      { kind: "tcp", host: "127.0.0.1", port: 0 },
      {
        onUnparsable: () => Promise.resolve({ status: 400, headers: {}, body: new Uint8Array() }),
        onDisconnection: () => (left += 1),
      },
    );
    port = Number(listening.address.split(":").at(-1));
  });
  after(() => listening.drain(0));
  beforeEach(() => {
    script.began = [];
    left = 0;
  });

  it("takes no byte of a body that was refused for another request, however late it comes", async () => {
    const client = await stayingClient(port);
    await client.write(`POST / HTTP/1.1\r\nContent-Length: ${LIMIT + 1}\r\n\r\n{`);
    assert.equal((await client.mustAnswer()).status, 400);
    // What is sent while the refused body is dropped would count as that body, so it comes after.
    assert.equal(await client.answer(), "closed");
    client.socket.end(post("smuggled"));
    await eventually(() => left === 1);
    assert.deepEqual(script.began, ["refused"]);
  });

  for (const body of ["last", "streamed, last"]) {
    it(`begins no request behind an answer that ends the connection: ${body}`, async () => {
      const client = await stayingClient(port);
      await client.write(post(body) + post("ahead"));
      const answer = await client.mustAnswer();
      assert.deepEqual([answer.headers["connection"], answer.body], ["close", body]);
      client.socket.end(post("behind"));
      await eventually(() => left === 1);
      assert.deepEqual(script.began, [body]);
    });
  }

  it("serves one request at a time to a client that does not read its answers", async () => {
    const client = await RawClient.open(port);
    client.socket.pause();
    await client.write(post("large"));
    await eventually(() => script.began.length === 1);
    await client.write(post("wait one") + post("two"));
    await client.write(post("three"));
    for (let at = 0; at < 200; at++) await turn();
    assert.deepEqual(script.began, ["large"]);
    client.socket.resume();
    assert.equal((await client.mustAnswer()).body.length, LARGE.length);
    await eventually(() => script.began.length > 1);
    for (let at = 0; at < 200; at++) await turn();
    assert.deepEqual(script.began, ["large", "wait one"]);
    script.release("wait one");
    for (const body of ["wait one", "two", "three"]) assert.equal((await client.mustAnswer()).body, body);
    client.destroy();
    await eventually(() => left === 1);
  });

  it("goes on reading after a body that came before it was asked for", async () => {
    const client = await RawClient.open(port);
    const bytes = post("first", "X-Late: yes");
    await client.write(bytes.slice(0, -5));
    for (let at = 0; at < 20; at++) await turn();
    await client.write(bytes.slice(-5));
    for (let at = 0; at < 200; at++) await turn();
    script.release("late");
    assert.equal((await client.mustAnswer()).body, "first");
    await client.write(post("second"));
    assert.equal((await client.mustAnswer()).body, "second");
    client.destroy();
    await eventually(() => left === 1);
  });

  it("reads the same requests wherever their bytes come apart", async () => {
    const bytes = post("first") + post("") + post("second");
    for (let at = 1; at < bytes.length; at++) {
      const client = await RawClient.open(port);
      await client.write(bytes.slice(0, at));
      for (let turns = 0; turns < 3; turns++) await turn();
      await client.write(bytes.slice(at));
      for (const body of ["first", "", "second"]) assert.equal((await client.mustAnswer()).body, body, `${at}`);
      client.destroy();
    }
    assert.equal(script.began.length, 3 * (bytes.length - 1));
    await eventually(() => left === bytes.length - 1);
  });

  it("takes a body in any number of pieces for the one that was sent", async () => {
    const body = Array.from({ length: 30_000 }, (_, at) => `${at} `).join("");
    const client = await RawClient.open(port);
    const bytes = post(body) + post("behind");
    const head = bytes.indexOf("\r\n\r\n") + 4;
    await client.write(bytes.slice(0, head));
    for (let at = head; at < bytes.length; at += 20_011) {
      await turn();
      await client.write(bytes.slice(at, at + 20_011));
    }
    assert.equal((await client.mustAnswer()).body, body);
    assert.equal((await client.mustAnswer()).body, "behind");
    client.destroy();
    await eventually(() => left === 1);
  });

  it("gives Node every byte of a pipeline from the first request that is not plain, once", async () => {
    const client = await RawClient.open(port);
    const other = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nother\r\n0\r\n\r\n";
    const filler = "x".repeat(70_000);
    await client.write(post("wait") + post("two") + other + post(filler) + other + post("end"));
    await eventually(() => script.began.length === 1);
    await client.write(post("more"));
    script.release("wait");
    for (const body of ["wait", "two", "other", filler, "other", "end", "more"])
      assert.equal((await client.mustAnswer()).body, body);
    await client.write(post("still there"));
    assert.equal((await client.mustAnswer()).body, "still there");
    client.destroy();
    await eventually(() => left === 1);
  });

  it("lets an answer that is not read yet go out when the listener drains", async () => {
    const own = await listenOnNode(
      script.app,
      { kind: "tcp", host: "127.0.0.1", port: 0 },
      { onUnparsable: () => Promise.resolve({ status: 400, headers: {}, body: new Uint8Array() }) },
    );
    const client = await RawClient.open(Number(own.address.split(":").at(-1)));
    client.socket.pause();
    await client.write(post("large"));
    await eventually(() => script.began.length === 1);
    for (let at = 0; at < 20; at++) await turn();
    const drained = own.drain(60_000);
    for (let at = 0; at < 20; at++) await turn();
    client.socket.resume();
    assert.equal((await client.mustAnswer()).body.length, LARGE.length);
    await drained;
    await client.closed;
  });
});
