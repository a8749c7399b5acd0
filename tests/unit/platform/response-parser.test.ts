import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MalformedResponse } from "../../../src/platform/response-head.ts";
import { ResponseParser } from "../../../src/platform/response-parser.ts";
import { damaged, generator } from "../../support/damage.ts";

/** What was read of an answer, or why nothing. */
interface Read {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly length: number;
  readonly body: string;
  readonly over: boolean;
  readonly persists: boolean;
  readonly keepAlive: number;
  /** Bytes that did not belong to it. */
  readonly rest: number;
  readonly fault: string;
}

/** Reads pieces out of a buffer whose bytes are lost after each call, as they are on a connection. */
function read(pieces: readonly Buffer[], closes = false): Read {
  const seen = { status: 0, headers: {} as Record<string, unknown>, length: -2, body: "" };
  const parser = new ResponseParser({
    onHead: (status, fields, length) => Object.assign(seen, { status, headers: { ...fields }, length }),
    onBody: (bytes, from, to) => (seen.body += bytes.toString("latin1", from, to)),
  });
  parser.reset();
  let rest = 0;
  let fault = "";
  try {
    for (const piece of pieces) {
      const lent = Buffer.concat([Buffer.from("HTTP/1.1 500 before\r\n\r\n"), piece, Buffer.from("\r\n\r\nbehind")]);
      const from = 23;
      const to = from + piece.length;
      const end = parser.read(lent, from, to);
      assert.ok(end >= from && end <= to, "it read what is not there");
      assert.ok(end === to || parser.over, "it stopped before the end");
      rest += to - end;
      lent.fill(0x41);
    }
    if (closes) parser.finish();
  } catch (error) {
    assert.ok(error instanceof MalformedResponse, String(error));
    fault = error.message;
  }
  const { over, persists, keepAlive } = parser;
  return { ...seen, over, persists, keepAlive, rest, fault };
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
const whole = (text: string, closes = false): Read => read([bytes(text)], closes);

const OK = {
  status: 200,
  headers: { "content-length": "2" },
  length: 2,
  body: "{}",
  over: true,
  persists: true,
  keepAlive: Number.POSITIVE_INFINITY,
  rest: 0,
  fault: "",
};

/** Answers as they are sent, and what they say. */
const SAMPLES: readonly (readonly [string, string, Partial<Read>, "closes"?])[] = [
  ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", {}],
  ["no reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}", {}],
  ["no reason and no space", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", {}],
  ["a reason in Latin-1", "HTTP/1.1 200 \u00fcber\tall\r\nContent-Length: 2\r\n\r\n{}", {}],
  [
    "no body",
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    { headers: { "content-length": "0" }, length: 0, body: "" },
  ],
  [
    "white space around values, and none",
    "HTTP/1.1 200 OK\r\nContent-Length:2\r\nA:\r\nB: \t \r\nC:\t x\t y \t\r\n\r\n{}",
    { headers: { "content-length": "2", a: "", b: "", c: "x\t y" } },
  ],
  [
    "names of every letter case, and names that objects have",
    "HTTP/1.1 200 OK\r\ncONTENT-lENGTH: 2\r\n__proto__: a\r\nConstructor: b\r\n!#$%&'*+-.^_`|~09aZ: c\r\n\r\n{}",
    {
      headers: Object.fromEntries([
        ["content-length", "2"],
        ["__proto__", "a"],
        ["constructor", "b"],
        ["!#$%&'*+-.^_`|~09az", "c"],
      ]),
    },
  ],
  [
    "repeated fields",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nx-b: 2\r\nx-a: 3\r\nX-A: 1\r\n\r\n{}",
    { headers: { "content-length": "2", "x-a": ["1", "3", "1"], "x-b": "2" } },
  ],
  [
    "one length said twice",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    { headers: { "content-length": ["2", "2"] } },
  ],
  [
    "chunks",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1\r\n{\r\n00a\r\n 012345678\r\n0\r\n\r\n",
    { headers: { "transfer-encoding": "Chunked" }, length: -1, body: "{ 012345678" },
  ],
  [
    "chunks with extensions and trailers",
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b;c="d e"\r\n{}\r\n000;x\r\nX-Trailer: dropped\r\nContent-Length: 9\r\n\r\n',
    { headers: { "transfer-encoding": "chunked" }, length: -1 },
  ],
  [
    "a body until the connection closes",
    "HTTP/1.1 200 OK\r\nX: y\r\n\r\n{}",
    { headers: { x: "y" }, length: -1, persists: false },
    "closes",
  ],
  [
    "a body until the connection of HTTP/1.0 closes",
    "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n{}",
    { headers: { connection: "keep-alive" }, length: -1, persists: false },
    "closes",
  ],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", { persists: false }],
  [
    "HTTP/1.0 that stays",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\n{}",
    { headers: { "content-length": "2", connection: "Keep-Alive" } },
  ],
  [
    "a connection that closes, said among others",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Hop ,\tCLOSE\r\n\r\n{}",
    { headers: { "content-length": "2", connection: "keep-alive, X-Hop ,\tCLOSE" }, persists: false },
  ],
  [
    "a connection that closes, said second",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n{}",
    { headers: { "content-length": "2", connection: ["keep-alive", "close"] }, persists: false },
  ],
  [
    "how long the connection is kept",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: max=5, timeout=7\r\n\r\n{}",
    { headers: { "content-length": "2", "keep-alive": "max=5, timeout=7" }, keepAlive: 7000 },
  ],
  [
    "interim answers before it",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    {},
  ],
  [
    "no content, whatever is said of a length",
    "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n",
    { status: 204, length: 0, body: "" },
  ],
  ["not modified", "HTTP/1.1 304 X\r\nContent-Length: 2\r\n\r\n", { status: 304, length: 0, body: "" }],
  ["another answer behind it", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1", { rest: 8 }],
];

describe("an answer", () => {
  for (const [what, text, difference, closes] of SAMPLES) {
    it(`is read alike whole, in two pieces split anywhere, and byte by byte: ${what}`, () => {
      const expected = { ...OK, ...difference };
      assert.deepEqual(whole(text, closes !== undefined), expected);
      const sent = bytes(text);
      for (let at = 0; at <= sent.length; at++) {
        assert.deepEqual(
          read([sent.subarray(0, at), sent.subarray(at)], closes !== undefined),
          expected,
          `split at ${at}`,
        );
      }
      assert.deepEqual(
        read(
          [...sent].map((byte) => Buffer.from([byte])),
          closes !== undefined,
        ),
        expected,
      );
    });
  }

  it("has a head of up to 64 KB and 200 fields, in one piece or many", () => {
    const head = (padding: number): Buffer =>
      bytes(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ${"x".repeat(padding)}\r\n\r\n`);
    const most = 64 * 1024 + 2 - head(0).length;
    for (const size of [1, 63, 4096, 1 << 20]) {
      assert.equal(read(pieces(head(most), size)).fault, "", `${size} bytes at a time`);
      assert.match(read(pieces(head(most + 1), size)).fault, /too large/, `${size} bytes at a time`);
    }
    const fields = (count: number): string =>
      `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${Array.from({ length: count - 1 }, (_, at) => `x${at}: y\r\n`).join("")}\r\n`;
    assert.equal(Object.keys(whole(fields(200)).headers).length, 200);
    assert.match(whole(fields(201)).fault, /too large/);
  });

  it("is dropped when its head, its trailers or its extensions never end", () => {
    for (const start of [
      "",
      "HTTP/1.1 200 ",
      "HTTP/1.1 200 OK\r\n",
      "HTTP/1.1 200 OK\r\nX: ",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ]) {
      for (const more of ["0", "a", "x: y\r\n", "1;a\r\n0\r\n"]) {
        const { fault } = read([bytes(start), ...pieces(bytes(more.repeat(Math.ceil(200_000 / more.length))), 1000)]);
        assert.notEqual(fault, "", `${JSON.stringify(start)} and ${JSON.stringify(more)} without end`);
      }
    }
  });

  for (const [what, text] of [
    ["a bare line feed after the status", "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\n{}"],
    ["a bare line feed after a field", "HTTP/1.1 200 OK\r\nContent-Length: 2\nX: y\r\n\r\n{}"],
    ["a bare line feed at the end of the head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\n{}"],
    ["a bare carriage return in a value", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\rb\r\n\r\n{}"],
    ["a bare carriage return at the end of the head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r{}"],
    ["a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\n{}"],
    ["a folded line at the start", "HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 2\r\n\r\n{}"],
    ["white space before a colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}"],
    ["a field without a name", "HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\n{}"],
    ["a field without a colon", "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 2\r\n\r\n{}"],
    ["a name beyond ASCII", "HTTP/1.1 200 OK\r\nX\u00fc: a\r\nContent-Length: 2\r\n\r\n{}"],
    ["a NUL in a name", "HTTP/1.1 200 OK\r\nX\0: a\r\nContent-Length: 2\r\n\r\n{}"],
    ["a NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0\r\nContent-Length: 2\r\n\r\n{}"],
    ["a NUL in the reason", "HTTP/1.1 200 O\0K\r\nContent-Length: 2\r\n\r\n{}"],
    ["a DEL in a value", "HTTP/1.1 200 OK\r\nX: a\x7f\r\nContent-Length: 2\r\n\r\n{}"],
    ["HTTP/0.9", "{}"],
    ["HTTP/2", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["HTTP in small letters", "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["an empty line before it", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["TLS", "\x16\x03\x01"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["a status of 099", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["a status of 600", "HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["two spaces before the status", "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    ["another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"],
    ["nine interim answers", `${"HTTP/1.1 100 X\r\n\r\n".repeat(9)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}`],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"],
    ["two spellings of a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 02\r\n\r\n{}"],
    ["a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n{}"],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}"],
    ["a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}"],
    ["a hexadecimal length", "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}"],
    ["an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n{}"],
    ["a length beyond numbers", "HTTP/1.1 200 OK\r\nContent-Length: 9007199254740993\r\n\r\n{}"],
    [
      "a length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ["a coding that is not chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n{}"],
    ["two codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    [
      "chunked twice",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
    ["chunked with a parameter", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;a\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ["a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n"],
    ["a chunk with a bad size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ng\r\n{}\r\n0\r\n\r\n"],
    ["a chunk with 0x", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"],
    ["a space behind a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n"],
    ["a size of too many digits", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000\r\n{}"],
    ["a bare line feed behind a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n"],
    ["a bare line feed in an extension", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n"],
    ["an extension without a name", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;\r\n{}\r\n0\r\n\r\n"],
    ["an open quotation", 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a="b\r\n{}\r\n0\r\n\r\n'],
    ["a bare line feed behind a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n"],
    ["a chunk longer than its size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n"],
    ["a trailer that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx y\r\n\r\n"],
  ] as const) {
    it(`is none with ${what}`, () => {
      assert.notEqual(whole(text).fault, "");
      // A line may be looked at when it ends only.
      const { fault } = read(pieces(bytes(text), 1), true);
      assert.notEqual(fault, "", "byte by byte it is one");
    });
  }

  it("is none when the connection closes before it ended", () => {
    for (const [what, text, , closes] of SAMPLES) {
      if (closes !== undefined) continue;
      const sent = bytes(text);
      for (let at = 0; at < sent.length; at++) {
        const { over, fault } = read([sent.subarray(0, at)], true);
        assert.notEqual(fault === "", !over, `${what}, after ${at} bytes`);
      }
    }
  });
});

describe("a damaged answer", () => {
  it("is read alike in any pieces, or refused; nothing else is ever thrown", () => {
    const random = generator(20_261_126);
    let [taken, refused] = [0, 0];
    for (let round = 0; round < 3000; round++) {
      const [, text, , closes] = SAMPLES[random(SAMPLES.length)] ?? SAMPLES[0] ?? assert.fail();
      const sent = damaged(bytes(text), random);
      const once = read([sent], closes !== undefined);
      const cut: Buffer[] = [];
      for (let at = 0; at < sent.length;) {
        const size = 1 + random(random(4) === 0 ? 40 : 4);
        cut.push(sent.subarray(at, at + size));
        at += size;
      }
      const again = read(cut, closes !== undefined);
      // What is refused may be refused for another of its faults, or when it ends only.
      if (once.fault === "") assert.deepEqual(again, once, sent.toString("latin1"));
      else assert.notEqual(read(cut, true).fault, "", sent.toString("latin1"));
      if (once.fault === "") taken++;
      else refused++;
    }
    assert.ok(taken > 300 && refused > 1000, `${taken} taken, ${refused} refused`);
  });
});

function pieces(sent: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(sent.length / size) }, (_, at) => sent.subarray(at * size, (at + 1) * size));
}
