import assert from "node:assert/strict";
import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from "node:http";
import { after, before, describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { UpstreamError } from "../../src/gateway/ports.ts";
import { NodeUpstream } from "../../src/platform/node-upstream.ts";
import { damaged, generator } from "../support/damage.ts";
import { type RawUpstream, rawUpstream } from "../support/raw-upstream.ts";
import { bytesOf, send } from "../support/upstream-client.ts";

/** An answer as a client saw it. */
interface Seen {
  readonly status: number;
  /** Each name with its values in their order, joined. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const ITEM = Buffer.from(JSON.stringify({ Item: { id: { S: "ada#1" }, note: { S: "\u00fc\u{1f980}" } } }));
const BINARY = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7919 + (at >> 8)) & 0xff));

const ANSWERS: readonly (readonly [string, Buffer])[] = [
  [
    "an item",
    answer("200 OK", ["Content-Type: application/x-amz-json-1.0", "x-amzn-RequestId: ABC", "x-amz-crc32: 1"], ITEM),
  ],
  ["an item, compressed", answer("200 OK", ["Content-Encoding: gzip"], gzipSync(ITEM))],
  ["an item, compressed and in chunks", chunked("200 OK", ["Content-Encoding: gzip"], gzipSync(ITEM), 7)],
  ["much, compressed", answer("200 OK", ["Content-Encoding: gzip"], gzipSync(BINARY))],
  ["bytes of every value", answer("200 OK", [], BINARY)],
  ["bytes of every value, in chunks", chunked("200 OK", [], BINARY, 10_007)],
  ["nothing", answer("200 OK", [], Buffer.alloc(0))],
  ["nothing, in chunks", chunked("200 OK", [], Buffer.alloc(0), 1)],
  ["created", answer("201 Created", [], ITEM)],
  ["no content", Buffer.from("HTTP/1.1 204 No Content\r\nX: y\r\n\r\n")],
  ["not modified", Buffer.from("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n")],
  ["a redirect", answer("307 Temporary Redirect", ["Location: /elsewhere"], ITEM)],
  ["a client's error", answer("400 Bad Request", [], ITEM)],
  ["a server's error without a reason", answer("500 ", [], ITEM)],
  ["unavailable", answer("503 Service Unavailable", ["Retry-After: 1"], ITEM)],
  ["until the connection closes", Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\nX: y\r\n\r\n"), ITEM])],
  ["from a server of HTTP/1.0", Buffer.concat([Buffer.from("HTTP/1.0 200 OK\r\nX: y\r\n\r\n"), ITEM])],
  ["repeated headers", answer("200 OK", ["X-A: 1", "X-B: 2", "x-a: 3", "Warning: a", "Warning: b"], ITEM)],
  ["headers with white space and without a value", answer("200 OK", ["X-A: \t a\tb  ", "X-B:", "X-C:c"], ITEM)],
  [
    "headers in Latin-1",
    Buffer.concat([Buffer.from("HTTP/1.1 200 \u00fc\r\nX-A: \u00fc\r\nContent-Length: 0\r\n\r\n", "latin1")]),
  ],
  [
    "after interim answers",
    Buffer.concat([
      Buffer.from("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
      answer("200 OK", [], ITEM),
    ]),
  ],
];

let server: RawUpstream;
let upstream: NodeUpstream;
let next: Buffer;
before(async () => {
  server = await rawUpstream((socket) => socket.end(next));
  upstream = new NodeUpstream({ headersTimeout: 2_000, bodyTimeout: 2_000 });
});
after(async () => {
  await upstream.close();
  await server.close();
});

describe("an answer is to us what it is to Node's own clients", () => {
  for (const [what, bytes] of ANSWERS) {
    it(what, async () => {
      next = bytes;
      const ours = await viaUpstream();
      assert.deepEqual(ours, await viaHttp());
      const { status, headers, body } = await viaFetch();
      assert.deepEqual({ status, headers }, { status: ours.status, headers: ours.headers });
      // fetch undoes encodings, and we must not.
      const plain = headers["content-encoding"] === "gzip" ? gunzipSync(Buffer.from(ours.body, "latin1")) : undefined;
      assert.equal(plain?.toString("latin1") ?? ours.body, body);
    });
  }

  it("also when it is damaged, unless we refuse it", async () => {
    const random = generator(20_261_128);
    const samples = ANSWERS.filter(([, bytes]) => bytes.length < 1000);
    let taken = 0;
    for (let round = 0; round < 600; round++) {
      const [, sample = Buffer.alloc(0)] = samples[random(samples.length)] ?? [];
      next = damaged(sample, random);
      let ours: Seen;
      try {
        ours = await viaUpstream();
      } catch (error) {
        assert.ok(error instanceof UpstreamError);
        assert.equal(error.kind, "broken");
        continue;
      }
      taken += 1;
      const theirs = await viaHttp().catch((error: NodeJS.ErrnoException) => error.code);
      // Node takes no tab behind a length, and no length twice.
      if (theirs !== "HPE_INVALID_CONTENT_LENGTH" && theirs !== "HPE_UNEXPECTED_CONTENT_LENGTH")
        assert.deepEqual(theirs, ours, next.toString("latin1"));
    }
    assert.ok(taken > 50 && taken < 500, `${taken} of 600 were taken`);
  });
});

async function viaUpstream(): Promise<Seen> {
  const response = await send(upstream, server.url);
  const body = (await bytesOf(response)).toString("latin1");
  return { status: response.status, headers: joined(response.headers), body };
}

function viaHttp(): Promise<Seen> {
  return new Promise((resolve, reject) => {
    let received: IncomingMessage | undefined;
    const sent = httpRequest(
      server.url,
      { method: "POST", agent: false, headers: { "content-length": 2 } },
      (response) => {
        received = response;
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: joined(response.headersDistinct as IncomingHttpHeaders),
            body: Buffer.concat(chunks).toString("latin1"),
          }),
        );
      },
    );
    // What comes behind the answer is an error to it, and no part of the answer.
    sent.on("error", (error) => (received?.complete === true ? undefined : reject(error)));
    sent.end("{}");
  });
}

async function viaFetch(): Promise<Seen> {
  const response = await fetch(server.url, { method: "POST", body: "{}", redirect: "manual" });
  const body = Buffer.from(await response.arrayBuffer()).toString("latin1");
  // fetch leaves white space behind a value.
  const trimmed = [...response.headers].map(([name, value]) => [name, value.trimEnd()] as const);
  return { status: response.status, headers: Object.fromEntries(trimmed), body };
}

function joined(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === "string" ? value : value.join(", ")]],
    ),
  );
}

function answer(status: string, fields: readonly string[], body: Buffer): Buffer {
  const head = [`HTTP/1.1 ${status}`, ...fields, `Content-Length: ${body.length}`, "", ""].join("\r\n");
  return Buffer.concat([Buffer.from(head), body]);
}

function chunked(status: string, fields: readonly string[], body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [
    Buffer.from([`HTTP/1.1 ${status}`, ...fields, "Transfer-Encoding: chunked", "", ""].join("\r\n")),
  ];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)};ext\r\n`), piece, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\nX-Trailer: x\r\n\r\n")]);
}
