import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { after, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { UpstreamError } from "../../../src/gateway/ports.ts";
import { eventually } from "../../support/eventually.ts";
import { damaged, generator } from "../../support/damage.ts";
import { answerText, type RawUpstream } from "../../support/raw-upstream.ts";
import { bytesOf, LeavingClient, outcome, send, UpstreamParts } from "../../support/upstream-client.ts";

const parts = new UpstreamParts();
after(() => parts.close());
const upstreamOf = parts.upstreamOf.bind(parts);
const serverOf = parts.serverOf.bind(parts);

/** A server that answers every second request on a connection, or rather the first of each connection, in the test's way. */
function oddThenGood(odd: (socket: Socket) => void): Promise<RawUpstream> {
  return serverOf((socket, { body }) => (body === "odd" ? odd(socket) : socket.write(answerText(body))));
}

const LARGE_HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";

describe("an answer that does not come", () => {
  for (const [what, cause, odd] of [
    ["at all", /No head/, () => undefined],
    ["beyond half a head", /No head/, (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Le")],
    ["beyond its interim answers", /No head/, (socket: Socket) => socket.write("HTTP/1.1 102 Processing\r\n\r\n")],
    [
      "beyond its head",
      /Nothing more/,
      (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    ],
    [
      "beyond half a body",
      /Nothing more/,
      (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"),
    ],
    [
      "beyond half a chunk",
      /Nothing more/,
      (socket: Socket) => socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"),
    ],
    ["beyond half of a large body", /Nothing more/, (socket: Socket) => socket.write(LARGE_HEAD + "x".repeat(50_000))],
    [
      "but in drops, before its head ends",
      /No head/,
      (socket: Socket) => {
        socket.write("HTTP/1.1 200 OK\r\nX: ");
        const drip = setInterval(() => socket.write("x"), 10);
        socket.once("close", () => clearInterval(drip));
      },
    ],
  ] as const) {
    it(`${what} is given up, with its connection`, async () => {
      const server = await oddThenGood((socket) => void odd(socket));
      const upstream = upstreamOf({ headersTimeout: 100, bodyTimeout: 100 });
      await assert.rejects(
        send(upstream, server.url, "odd").then((response) => bytesOf(response)),
        (error) => {
          assert.ok(error instanceof UpstreamError && error.cause instanceof Error);
          assert.equal(error.kind, "broken");
          assert.match(error.cause.message, cause);
          return true;
        },
      );
      await eventually(() => server.sockets.length === 0);
      assert.equal(await outcome(send(upstream, server.url, "good")), "good");
      assert.equal(server.opened(), 2);
    });
  }

  it("in time but slowly is waited for", async () => {
    const text = answerText("x".repeat(20));
    const server = await serverOf((socket) => {
      let sent = text.indexOf("\r\n\r\n") + 4;
      socket.write(text.slice(0, sent));
      const drip = setInterval(() => {
        socket.write(text.slice(sent, ++sent));
        if (sent === text.length) clearInterval(drip);
      }, 20);
    });
    // Longer than the pause between two pieces, shorter than all of them.
    assert.equal(await outcome(send(upstreamOf({ bodyTimeout: 300 }), server.url)), "x".repeat(20));
  });
});

describe("a large answer", () => {
  const SIZE = 64 * 1024 * 1024;

  it("comes no faster than it is read, and whole; the reader's own pauses are no fault of the upstream", async () => {
    let written = 0;
    const server = await serverOf((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n`);
      const block = Buffer.alloc(64 * 1024, "abc");
      const more = (): void => {
        while (written < SIZE) {
          written += block.length;
          if (!socket.write(block)) {
            socket.once("drain", more);
            return;
          }
        }
      };
      more();
    });
    const { body } = await send(upstreamOf({ bodyTimeout: 400 }), server.url);
    assert.ok(!(body instanceof Uint8Array));
    // What the two kernels hold between them goes on for a while, and then no more.
    let before = -1;
    await eventually(async () => {
      const still = written === before;
      before = written;
      await sleep(200);
      return still && written === before;
    });
    assert.ok(written < SIZE / 2, `${written} bytes were taken that nobody reads`);
    const digest = createHash("sha256");
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      digest.update(chunk);
    }
    const expected = createHash("sha256");
    for (let at = 0; at < SIZE / 65_536; at++) expected.update(Buffer.alloc(65_536, "abc"));
    assert.deepEqual([size, digest.digest("hex")], [SIZE, expected.digest("hex")]);
  });

  it("in tiny chunks is gathered into few pieces", async () => {
    const server = await serverOf((socket) =>
      socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(200_000)}0\r\n\r\n`),
    );
    const { body } = await send(upstreamOf(), server.url);
    assert.ok(!(body instanceof Uint8Array));
    let [pieces, size] = [0, 0];
    for await (const chunk of body) {
      await sleep(1);
      pieces += 1;
      size += chunk.length;
    }
    assert.equal(size, 200_000);
    assert.ok(pieces < 400, `${pieces} pieces`);
  });

  it("leaves its connection for others when it was read, and closes it when its reader leaves", async () => {
    const server = await serverOf((socket, { body }) => socket.write(answerText("y".repeat(Number(body)))));
    const upstream = upstreamOf();
    for (let at = 0; at < 3; at++)
      assert.equal((await outcome(send(upstream, server.url, "2000000"))).length, 2_000_000);
    assert.equal(server.opened(), 1);
    const { body } = await send(upstream, server.url, "20000000");
    assert.ok(!(body instanceof Uint8Array));
    for await (const chunk of body) {
      assert.ok(chunk.length > 0);
      break;
    }
    await eventually(() => server.sockets.length === 0);
    assert.equal(await outcome(send(upstream, server.url, "3")), "yyy");
  });
});

describe("a client that goes", () => {
  for (const [what, first, large] of [
    ["before the head", "", false],
    ["in the head", "HTTP/1.1 200 OK\r\nX", false],
    ["in a small body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", false],
    ["in a large body", LARGE_HEAD + "x".repeat(50_000), true],
  ] as const) {
    it(`${what} ends the request and its connection`, async () => {
      const server = await oddThenGood((socket) => void socket.write(first));
      const upstream = upstreamOf({ connections: 1 });
      const client = new LeavingClient();
      const sent = send(upstream, server.url, "odd", client);
      const ended = outcome(sent);
      await eventually(() => server.requests.length === 1);
      if (large) await sent;
      else await sleep(20);
      client.leave();
      assert.equal(await ended, "broken");
      await eventually(() => server.sockets.length === 0);
      assert.equal(await outcome(send(upstream, server.url, "good")), "good");
    });
  }

  it("after its answer ends nothing", async () => {
    const server = await oddThenGood(() => undefined);
    const upstream = upstreamOf({ connections: 1 });
    for (let at = 0; at < 3; at++) {
      const client = new LeavingClient();
      assert.equal(await outcome(send(upstream, server.url, String(at), client)), String(at));
      const next = outcome(send(upstream, server.url, "next"));
      client.leave();
      assert.equal(await next, "next");
    }
    assert.equal(server.opened(), 1);
  });
});

describe("an answer out of turn", () => {
  it("that begins before the request is out is taken, and its connection is not used again", async () => {
    const server = await serverOf(
      (socket, { body }) => socket.write(answerText(body)),
      (socket) => {
        // Answers the first kilobytes of what is too large, and reads no more of it.
        socket.once("data", (chunk: Buffer) => {
          if (chunk.length < 10_000) return;
          socket.pause();
          socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
        });
      },
    );
    const upstream = upstreamOf();
    const response = await send(upstream, server.url, Buffer.alloc(64 * 1024 * 1024));
    assert.deepEqual([response.status, (await bytesOf(response)).toString()], [413, "big"]);
    await eventually(() => server.sockets.every((socket) => socket.isPaused()));
    assert.equal(await outcome(send(upstream, server.url, "good")), "good");
    assert.equal(server.opened(), 2);
  });

  it("of 1xx is passed over", async () => {
    const server = await serverOf((socket, { body }) =>
      socket.write(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n${answerText(body)}`),
    );
    const upstream = upstreamOf();
    for (let at = 0; at < 3; at++) {
      const response = await send(upstream, server.url, String(at));
      assert.deepEqual([response.status, response.headers["link"]], [200, undefined]);
      assert.equal((await bytesOf(response)).toString(), String(at));
    }
    assert.equal(server.opened(), 1);
  });

  it("that lasts until the connection closes is whole then, and broken when it is reset", async () => {
    for (const size of [10, 200_000]) {
      const server = await serverOf((socket, { body }) => {
        socket.write(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(size)}`, () => {
          if (body === "close") socket.end();
          else setTimeout(() => socket.resetAndDestroy(), 20);
        });
      });
      const upstream = upstreamOf();
      assert.equal((await outcome(send(upstream, server.url, "close"))).length, size);
      assert.equal(await outcome(send(upstream, server.url, "reset")), "broken");
      assert.equal(server.opened(), 2);
    }
  });
});

describe("a damaged answer on a connection", () => {
  it("is taken or broken, in time, and after damage the connection is never used again", async () => {
    const random = generator(20_261_127);
    const samples = [
      answerText("odd"),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nodd\r\n0\r\n\r\n",
      "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n",
    ];
    let next: Buffer = Buffer.alloc(0);
    let sent = (): void => undefined;
    const server = await oddThenGood((socket) => {
      const cut = random(next.length + 1);
      socket.write(next.subarray(0, cut));
      setImmediate(() => {
        // Both ways of not coming to an end: silence, and a connection that closes.
        if (random(8) === 0) socket.write(next.subarray(cut), sent);
        else socket.end(next.subarray(cut), sent);
      });
    });
    const upstream = upstreamOf({ connections: 1, headersTimeout: 250, bodyTimeout: 250 });
    let broken = 0;
    for (let round = 0; round < 80; round++) {
      next = damaged(Buffer.from(samples[random(samples.length)] ?? "", "latin1"), random);
      const all = new Promise<void>((resolve) => (sent = resolve));
      const what = await outcome(send(upstream, server.url, "odd"));
      const { connection = 0 } = server.requests.at(-1) ?? {};
      if (what === "broken") broken += 1;
      else await all;
      // What comes after an answer that was whole is on its way.
      for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => void setImmediate(resolve));
      assert.notEqual(what, "unreachable");
      const text = next.toString("latin1");
      assert.equal(await outcome(send(upstream, server.url, `good ${round}`)), `good ${round}`, text);
      if (what === "broken") assert.notEqual(server.requests.at(-1)?.connection, connection, text);
    }
    assert.ok(broken > 25 && broken < 80, `${broken} of 80 were broken`);
  });
});
