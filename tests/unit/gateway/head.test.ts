import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readHead } from "../../../src/gateway/head.ts";
import { type FixedListener, hostName } from "../../../src/gateway/listener.ts";
import { type Exchange, STAYING } from "../../../src/gateway/ports.ts";
import { Refusal } from "../../../src/gateway/refusal.ts";

const LISTENER: FixedListener = {
  address: "127.0.0.1:8000",
  kind: "tcp",
  hosts: new Set(["gateway.internal"]),
  user: "alice",
  database: "example",
  dbUser: "ExampleRole",
};

const GOOD: readonly string[] = [
  "Host",
  "localhost:8000",
  "X-Amz-Target",
  "DynamoDB_20120810.GetItem",
  "Content-Type",
  "application/x-amz-json-1.0",
  "User-Agent",
  "Boto3/1.0",
];

function exchange(overrides: Partial<Exchange> = {}, extra: readonly string[] = []): Exchange {
  return {
    method: "POST",
    target: "/",
    headers: [...GOOD, ...extra],
    connection: { id: "c", ip: "127.0.0.1" },
    departure: STAYING,
    body: () => Promise.resolve(new Uint8Array()),
    ...overrides,
  };
}

function without(name: string, ...instead: string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < GOOD.length; at += 2) {
    if (GOOD[at]?.toLowerCase() !== name.toLowerCase()) kept.push(GOOD[at] ?? "", GOOD[at + 1] ?? "");
  }
  return [...kept, ...instead];
}

function refusal(broken: Exchange, listener: FixedListener = LISTENER): Refusal {
  try {
    readHead(broken, listener);
  } catch (error) {
    assert.ok(error instanceof Refusal);
    return error;
  }
  return assert.fail("it was not refused");
}

describe("readHead()", () => {
  it("picks out what matters of a well-formed head", () => {
    assert.deepEqual(readHead(exchange(), LISTENER), {
      target: "DynamoDB_20120810.GetItem",
      contentType: "application/x-amz-json-1.0",
      contentEncoding: "identity",
      acceptEncoding: null,
      userAgent: "Boto3/1.0",
    });
  });

  it("trims the target and takes application/json and an explicit UTF-8", () => {
    const headers = without("x-amz-target", "X-Amz-Target", " DynamoDB_20120810.Scan\t");
    assert.equal(readHead(exchange({ headers }), LISTENER).target, "DynamoDB_20120810.Scan");
    for (const type of [
      "application/json",
      "Application/JSON; charset=UTF-8",
      "application/x-amz-json-1.0;charset=utf-8",
    ]) {
      readHead(exchange({ headers: without("content-type", "content-type", type) }), LISTENER);
    }
  });

  for (const name of ["X-Amz-Target", "Authorization", "Content-Type", "Host", "Content-Encoding", "X-Amz-Date"]) {
    it(`refuses two ${name} headers`, () => {
      const twice = exchange({}, [name, "a", name.toLowerCase(), "a"]);
      assert.equal(refusal(twice).type, "SerializationException");
    });
  }

  for (const method of ["GET", "PUT", "OPTIONS", "post"]) {
    it(`refuses the method ${method}`, () =>
      assert.equal(refusal(exchange({ method })).type, "UnknownOperationException"));
  }

  for (const target of [
    "/x",
    "/?X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "http://localhost:8000/",
    "*",
    "//",
    "/service/DynamoDB/operation/GetItem",
  ]) {
    it(`refuses the request target ${target}`, () =>
      assert.equal(refusal(exchange({ target })).type, "UnknownOperationException"));
  }

  for (const type of [
    "application/x-amz-json-1.1",
    "text/plain",
    "application/cbor",
    "application/x-www-form-urlencoded",
    "application/json; version=2",
    "",
  ]) {
    it(`refuses the content type "${type}"`, () => {
      assert.equal(
        refusal(exchange({ headers: without("content-type", "content-type", type) })).type,
        "SerializationException",
      );
    });
  }

  it("refuses a missing content type and a missing target", () => {
    assert.equal(refusal(exchange({ headers: without("content-type") })).type, "SerializationException");
    assert.equal(refusal(exchange({ headers: without("x-amz-target") })).type, "UnknownOperationException");
  });

  for (const encoding of ["br", "gzip, gzip", "gzip, identity", "aws-chunked", "zstd"]) {
    it(`refuses the content encoding "${encoding}"`, () => {
      assert.equal(refusal(exchange({}, ["content-encoding", encoding])).type, "SerializationException");
    });
  }

  for (const encoding of ["gzip, chunked", "identity", "deflate"]) {
    it(`refuses the transfer encoding "${encoding}"`, () => {
      assert.equal(refusal(exchange({}, ["transfer-encoding", encoding])).type, "SerializationException");
    });
  }

  for (const origin of ["https://evil.example", "null", "http://localhost:3000"]) {
    it(`refuses a web page of origin ${origin}`, () => {
      const page = refusal(exchange({}, ["Origin", origin]));
      assert.deepEqual([page.type, page.code], ["AccessDeniedException", "request_rejected"]);
    });
  }

  for (const host of [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil",
    "[::1",
    "",
    "localhost:8000:1",
    "user@localhost",
  ]) {
    it(`refuses the host name "${host}" on a loopback listener`, () => {
      assert.equal(refusal(exchange({ headers: without("host", "host", host) })).type, "AccessDeniedException");
    });
  }

  for (const host of [
    "localhost",
    "LOCALHOST:1",
    "127.0.0.1:8000",
    "127.8.8.8",
    "[::1]:8000",
    "gateway.internal:8000",
  ]) {
    it(`answers to the host name "${host}"`, () => {
      readHead(exchange({ headers: without("host", "host", host) }), LISTENER);
    });
  }

  it("answers to any host name on a Unix socket, which no web page can reach", () => {
    readHead(exchange({ headers: without("host", "host", "postern") }), { ...LISTENER, kind: "unix" });
  });

  it("quotes a client's text without its control characters", () => {
    const { message } = refusal(exchange({ target: "/\r\nx" }));
    assert.ok(!message.includes("\r") && !message.includes("\n"), message);
  });
});

describe("hostName()", () => {
  it("takes the port off and folds case, and knows what is no host", () => {
    assert.deepEqual(
      ["LOCALHOST:1", "127.0.0.1", "[::1]:8000", "[::FFFF:7f00:1]", "a b", "x:y", ""].map((header) => hostName(header)),
      ["localhost", "127.0.0.1", "[::1]", "[::ffff:7f00:1]", null, null, null],
    );
  });
});
