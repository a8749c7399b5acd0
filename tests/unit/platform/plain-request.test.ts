import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { plainHead } from "../../../src/platform/plain-request.ts";

const HEAD = [
  "POST / HTTP/1.1",
  "Host: localhost:8000",
  "X-Amz-Target: \t DynamoDB_20120810.GetItem \t",
  "Content-Type:application/x-amz-json-1.0",
  "User-Agent: Boto3/1.44 md/Botocore#1.44 (a; b) \x7e",
  "x-empty:",
  "connection: Keep-Alive",
  "Content-Length: 2",
];
const textOf = (lines: readonly string[]): Buffer => Buffer.from(`${lines.join("\r\n")}\r\n\r\n{}`, "latin1");
const withLine = (line: string): Buffer => textOf([...HEAD, line]);
const replaced = (at: number, line: string): Buffer => textOf(HEAD.with(at, line));

/** What Node makes of the bytes: the first request's raw headers and body, or why there is none. */
interface Parsed {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly rawHeaders?: readonly string[];
  readonly body?: string;
  readonly refused?: string;
}

describe("plainHead()", () => {
  it("reads a plain head as it was sent, and says where its body is", () => {
    const bytes = textOf(HEAD);
    const head = plainHead(bytes);
    assert.deepEqual(head?.headers.slice(0, 6), [
      "Host",
      "localhost:8000",
      "X-Amz-Target",
      "DynamoDB_20120810.GetItem",
      "Content-Type",
      "application/x-amz-json-1.0",
    ]);
    assert.deepEqual([head.length, bytes.toString("latin1", head.size)], [2, "{}"]);
    assert.equal(plainHead(Buffer.concat([bytes, bytes]))?.size, head.size);
  });

  const others: readonly [string, Buffer][] = [
    ["nothing", Buffer.alloc(0)],
    ["a head that is not whole", textOf(HEAD).subarray(0, 60)],
    ["another method", replaced(0, "GET / HTTP/1.1")],
    ["a method in lower case", replaced(0, "post / HTTP/1.1")],
    ["another path", replaced(0, "POST /x HTTP/1.1")],
    ["an absolute form", replaced(0, "POST http://localhost/ HTTP/1.1")],
    ["another version", replaced(0, "POST / HTTP/1.0")],
    ["two spaces in the request line", replaced(0, "POST  / HTTP/1.1")],
    ["an empty line first", Buffer.concat([Buffer.from("\r\n"), textOf(HEAD)])],
    ["no length", textOf(HEAD.slice(0, -1))],
    ["two lengths", withLine("content-length: 2")],
    ["a length with a sign", replaced(7, "Content-Length: +2")],
    ["a list of lengths", replaced(7, "Content-Length: 2, 2")],
    ["an enormous length", replaced(7, "Content-Length: 99999999999999999999")],
    ["an empty length", replaced(7, "Content-Length:")],
    ["chunks", withLine("Transfer-Encoding: chunked")],
    ["chunks in another case", withLine("tRANSFER-eNCODING: identity")],
    ["an expectation", withLine("Expect: 100-continue")],
    ["an upgrade", withLine("Upgrade: h2c")],
    ["a connection that ends", replaced(6, "Connection: close")],
    ["a connection that names headers", replaced(6, "Connection: keep-alive, x-amz-target")],
    ["a proxy's connection that ends", withLine("Proxy-Connection: close")],
    ["a folded line", withLine("x-a: b\r\n c")],
    ["a space before a colon", withLine("x-a : b")],
    ["a name that is none", withLine("x(a): b")],
    ["no name", withLine(": b")],
    ["a line without colon", withLine("x-a")],
    ["a bare line feed", withLine("x-a: b\nx-c: d")],
    ["a bare carriage return", withLine("x-a: b\rx")],
    ["a NUL", withLine("x-a: b\0")],
    ["a byte beyond ASCII", withLine("x-a: \xe9")],
    ["a delete character", withLine("x-a: \x7f")],
    ["a head above the bound", withLine(`x-a: ${"a".repeat(17_000)}`)],
  ];
  for (const [what, bytes] of others) {
    it(`leaves ${what} to Node`, () => {
      assert.equal(plainHead(bytes), undefined);
    });
  }
});

describe("plainHead() beside Node's own parser", () => {
  let server: Server;
  let port = 0;
  let heard: ((parsed: Parsed) => void) | undefined;
  before(async () => {
    server = createServer({ requireHostHeader: false }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { method, url, rawHeaders } = request;
        heard?.({ method, url, rawHeaders, body: Buffer.concat(chunks).toString("latin1") });
        response.end();
      });
    });
    server.maxHeadersCount = 0;
    server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      // Of the connection before this one, which was left.
      if (error.code !== "ECONNRESET") heard?.({ refused: error.code ?? error.message });
      socket.destroy();
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    port = (server.address() as AddressInfo).port;
  });
  after(() => server.close());

  async function parsedByNode(bytes: Buffer): Promise<Parsed> {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.on("error", () => undefined);
    const parsed = await new Promise<Parsed>((resolve) => {
      heard = resolve;
      socket.write(bytes);
    });
    socket.destroy();
    return parsed;
  }

  it("reads damaged heads in the same way, or leaves them to it", async () => {
    let seed = 20_261_126;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    const pieces = [
      " ",
      "\t",
      "\r\n",
      "\n",
      "\r",
      ":",
      ",",
      "\0",
      "\x0b",
      "\xa0",
      "\xff",
      "x-amz-target: other\r\n",
      "0",
      "2",
      ";",
    ];
    const whole = textOf(HEAD).toString("latin1");
    const end = whole.length - 2;
    const tally = { plain: 0, other: 0 };
    for (let round = 0; round < 6_000; round++) {
      let text = whole;
      for (let changes = 1 + random(2); changes > 0; changes--) {
        const at = random(end);
        const piece = pieces[random(pieces.length)] ?? "";
        const kind = random(4);
        if (kind === 0) text = text.slice(0, at) + piece + text.slice(at);
        else if (kind === 1) text = text.slice(0, at) + text.slice(at + 1 + random(3));
        else if (kind === 2) text = text.slice(0, at) + String.fromCharCode(random(256)) + text.slice(at + 1);
        else text = text.slice(0, at) + text.slice(random(end), random(end)) + text.slice(at);
      }
      const bytes = Buffer.from(text, "latin1");
      const head = plainHead(bytes);
      // A body that is not all there would be waited for.
      if (head === undefined || bytes.length < head.size + head.length) {
        tally.other += 1;
        continue;
      }
      tally.plain += 1;
      assert.deepEqual(
        await parsedByNode(bytes.subarray(0, head.size + head.length)),
        {
          method: "POST",
          url: "/",
          rawHeaders: head.headers,
          body: bytes.toString("latin1", head.size, head.size + head.length),
        },
        JSON.stringify(text),
      );
    }
    assert.ok(tally.plain > 500 && tally.other > 500, JSON.stringify(tally));
  });
});
