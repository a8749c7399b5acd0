import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { deflateSync, gzipSync } from "node:zlib";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { chunked, RawClient, requestBytes } from "../support/raw-http.ts";

const GET = JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } });
const GOOD = requestBytes({ body: GET });

const SERIALIZATION = "com.amazon.coral.service#SerializationException";
const VALIDATION = "com.amazon.coral.validate#ValidationException";
const UNKNOWN = "com.amazon.coral.service#UnknownOperationException";
const DENIED = "com.amazon.coral.service#AccessDeniedException";
const TOO_LARGE = "com.amazon.coral.service#RequestEntityTooLarge";

interface Case {
  readonly what: string;
  readonly bytes: string | Uint8Array;
  readonly type?: string;
  readonly status?: number;
  /** HTTP does not let the connection serve another request. */
  readonly closes?: true;
}

/** Each request is refused with the type, on record as rejected, and nothing of it goes upstream. */
function refuses(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    let gateway: TestGateway;
    before(async () => {
      gateway = await startTestGateway();
    });
    after(() => gateway.close());

    for (const { what, bytes, type = SERIALIZATION, status = 400, closes } of cases) {
      it(`refuses ${what}`, async () => {
        gateway.sandbox.forget();
        const client = await RawClient.open(gateway.port);
        try {
          const written = client.write(bytes);
          const answer = await client.mustAnswer();
          assert.deepEqual([answer.status, answer.json["__type"]], [status, type], answer.body);
          const id = answer.headers["x-postern-decision-id"];
          assert.ok(id !== undefined && answer.headers["x-amzn-requestid"] === id, "the answer names no decision");
          assert.deepEqual(gateway.sandbox.dynamodb.requests, []);
          const event = gateway.eventOf(id);
          assert.deepEqual([event["code"], event["outcome"], event["status_code"]], ["TDY01E", "rejected", status]);
          await written;
          if (closes === true) {
            assert.equal(await client.answer(), "closed", "something follows the refusal");
          } else {
            await client.write(GOOD);
            const good = await client.mustAnswer();
            assert.equal(good.status, 200, "the connection did not survive");
            assert.equal(gateway.sandbox.dynamodb.requests.length, 1);
          }
        } finally {
          client.destroy();
        }
      });
    }
  });
}

const twice = (header: string): string => requestBytes({ headers: [header, header], body: GET }).toString("latin1");

refuses("pitfalls 1 and 2: duplicate headers and spellings of the target", [
  {
    what: "a second X-Amz-Target",
    bytes: requestBytes({ headers: ["X-Amz-Target: DynamoDB_20120810.DeleteTable"], body: GET }),
  },
  {
    what: "the same X-Amz-Target again",
    bytes: requestBytes({ headers: ["x-amz-target: DynamoDB_20120810.GetItem"], body: GET }),
  },
  { what: "a second Host", bytes: requestBytes({ headers: ["Host: 127.0.0.1:8000"], body: GET }) },
  { what: "a second Content-Type", bytes: requestBytes({ headers: ["Content-Type: text/plain"], body: GET }) },
  { what: "two Authorizations", bytes: twice("Authorization: AWS4-HMAC-SHA256 x") },
  { what: "two X-Amz-Dates", bytes: twice("X-Amz-Date: 20260101T000000Z") },
  { what: "two X-Amz-Security-Tokens", bytes: twice("X-Amz-Security-Token: t") },
  { what: "two X-Amz-Content-Sha256s", bytes: twice("X-Amz-Content-Sha256: t") },
  { what: "two Content-Encodings", bytes: twice("Content-Encoding: identity") },
  { what: "a target in another case", bytes: requestBytes({ operation: "getitem", body: GET }), type: UNKNOWN },
  { what: "a target with a tab inside", bytes: requestBytes({ operation: "Get\tItem", body: GET }), type: UNKNOWN },
  {
    what: "a target that only begins like one",
    bytes: requestBytes({ operation: "GetItems", body: GET }),
    type: UNKNOWN,
  },
  {
    what: "two targets in one header",
    bytes: requestBytes({ operation: "GetItem, DynamoDB_20120810.Scan", body: GET }),
    type: UNKNOWN,
  },
  {
    what: "an empty target",
    bytes: requestBytes({ without: ["x-amz-target"], headers: ["X-Amz-Target: "], body: GET }),
    type: UNKNOWN,
  },
  { what: "no target", bytes: requestBytes({ without: ["x-amz-target"], body: GET }), type: UNKNOWN },
  {
    what: "a target with a no-break space behind it",
    bytes: requestBytes({ operation: "GetItem\u00a0", body: GET }),
    type: UNKNOWN,
  },
]);

refuses("pitfall 3: HTTP that two parsers may read differently", [
  { what: "space before a colon", bytes: requestBytes({ headers: ["X-Foo : a"], body: GET }), closes: true },
  { what: "a folded header", bytes: requestBytes({ headers: ["X-Foo: a", " b"], body: GET }), closes: true },
  {
    what: "Content-Length with Transfer-Encoding",
    bytes: requestBytes({ headers: ["Content-Length: 5", "Transfer-Encoding: chunked"], body: "0\r\n\r\n" }),
    closes: true,
  },
  {
    what: "two equal Content-Lengths",
    bytes: requestBytes({ headers: ["Content-Length: 2", "Content-Length: 2"], body: "{}" }),
    closes: true,
  },
  {
    what: "two different Content-Lengths",
    bytes: requestBytes({ headers: ["Content-Length: 2", "Content-Length: 3"], body: "{}" }),
    closes: true,
  },
  {
    what: "a Content-Length with a sign",
    bytes: requestBytes({ headers: ["Content-Length: +2"], body: "{}" }),
    closes: true,
  },
  {
    what: "a Content-Length beyond all numbers",
    bytes: requestBytes({ headers: ["Content-Length: 99999999999999999999"], body: "{}" }),
    closes: true,
  },
  {
    what: "line feeds without carriage returns",
    bytes: requestBytes({ body: GET }).toString("latin1").replaceAll("\r\n", "\n"),
    closes: true,
  },
  { what: "NUL in a header", bytes: requestBytes({ headers: ["X-Foo: a\0b"], body: GET }), closes: true },
  {
    what: "Transfer-Encoding: gzip, chunked",
    bytes: requestBytes({ headers: ["Transfer-Encoding: gzip, chunked"], body: chunked([gzipSync(GET)]) }),
  },
  {
    what: "Transfer-Encoding: chunked twice in one header",
    bytes: requestBytes({ headers: ["Transfer-Encoding: chunked, chunked"], body: chunked([GET]) }),
    closes: true,
  },
  {
    what: "two Transfer-Encodings",
    bytes: requestBytes({
      headers: ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
      body: chunked([GET]),
    }),
    closes: true,
  },
  {
    what: "Transfer-Encoding: xchunked",
    bytes: requestBytes({ headers: ["Transfer-Encoding: xchunked"], body: chunked([GET]) }),
    closes: true,
  },
  {
    what: "a chunk size that is no number",
    bytes: requestBytes({ headers: ["Transfer-Encoding: chunked"], body: `zz\r\n${GET}\r\n0\r\n\r\n` }),
    closes: true,
  },
  { what: "what is not HTTP at all", bytes: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", closes: true },
  { what: "HTTP/2 prior knowledge", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", closes: true },
  { what: "an unknown method", bytes: requestBytes({ line: "BREW / HTTP/1.1", body: GET }), closes: true },
  {
    what: "headers of more than 16 KB",
    bytes: requestBytes({ headers: [`X-Foo: ${"a".repeat(17_000)}`], body: GET }),
    closes: true,
  },
  {
    what: "an absolute-form URI",
    bytes: requestBytes({ line: "POST http://127.0.0.1:8000/ HTTP/1.1", body: GET }),
    type: UNKNOWN,
  },
  {
    what: "an absolute-form URI that is none",
    bytes: requestBytes({ line: "POST http://[ HTTP/1.1", body: GET }),
    type: UNKNOWN,
  },
  {
    what: "a Host header that is no host",
    bytes: requestBytes({ without: ["host"], headers: ["Host: a b"], body: GET }),
    type: DENIED,
  },
  {
    what: "a Host header that is a URL",
    bytes: requestBytes({ without: ["host"], headers: ["Host: http://127.0.0.1/"], body: GET }),
    type: DENIED,
  },
  { what: "no Host", bytes: requestBytes({ without: ["host"], body: GET }), type: DENIED },
  { what: "an Expect that is not 100-continue", bytes: requestBytes({ headers: ["Expect: 200-ok"], body: GET }) },
  {
    what: "CONNECT",
    bytes: "CONNECT dynamodb.us-east-1.amazonaws.com:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    closes: true,
  },
  {
    what: "an Upgrade",
    bytes: requestBytes({ line: "GET / HTTP/1.1", headers: ["Connection: Upgrade", "Upgrade: h2c"] }),
    type: UNKNOWN,
  },
]);

const browser = (line: string, ...headers: string[]): Buffer => requestBytes({ line, headers, body: GET });

refuses("pitfalls 6, 7 and 9: other content types, methods, paths, hosts, and web pages", [
  ...[
    "application/x-amz-json-1.1",
    "text/plain",
    "application/cbor",
    "multipart/form-data; boundary=x",
    "application/json;charset=utf-16",
  ].map((contentType) => ({
    what: `the content type ${contentType}`,
    bytes: requestBytes({ without: ["content-type"], headers: [`Content-Type: ${contentType}`], body: GET }),
  })),
  { what: "no content type", bytes: requestBytes({ without: ["content-type"], body: GET }) },
  { what: "GET", bytes: requestBytes({ line: "GET / HTTP/1.1" }), type: UNKNOWN },
  { what: "GET of another page", bytes: requestBytes({ line: "GET /health HTTP/1.1" }), type: UNKNOWN },
  { what: "PUT", bytes: requestBytes({ line: "PUT / HTTP/1.1", body: GET }), type: UNKNOWN },
  { what: "OPTIONS *", bytes: requestBytes({ line: "OPTIONS * HTTP/1.1" }), type: UNKNOWN },
  { what: "a path with a backslash", bytes: requestBytes({ line: "POST /\\ HTTP/1.1", body: GET }), type: UNKNOWN },
  { what: "a path that normalises to /", bytes: requestBytes({ line: "POST /./ HTTP/1.1", body: GET }), type: UNKNOWN },
  {
    what: "the rpc-v2 path",
    bytes: requestBytes({
      line: "POST /service/DynamoDB_20120810/operation/GetItem HTTP/1.1",
      headers: ["smithy-protocol: rpc-v2-cbor"],
      body: GET,
    }),
    type: UNKNOWN,
  },
  {
    what: "a signature in the query string",
    bytes: requestBytes({
      line: "POST /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Security-Token=querysecret HTTP/1.1",
      body: GET,
    }),
    type: UNKNOWN,
  },
  { what: "a page's POST", bytes: browser("POST / HTTP/1.1", "Origin: https://evil.example"), type: DENIED },
  { what: "a sandboxed page's POST", bytes: browser("POST / HTTP/1.1", "Origin: null"), type: DENIED },
  {
    what: "a page of this very origin",
    bytes: browser("POST / HTTP/1.1", "Origin: http://127.0.0.1:8000"),
    type: DENIED,
  },
  {
    what: "a preflight",
    bytes: browser("OPTIONS / HTTP/1.1", "Origin: https://evil.example", "Access-Control-Request-Method: POST"),
    type: DENIED,
  },
  {
    what: "an Origin behind 2000 other headers",
    bytes: browser("POST / HTTP/1.1", ...Array<string>(2100).fill("a:"), "Origin: https://evil.example"),
    type: DENIED,
  },
  ...[
    "evil.example",
    "127.0.0.1.evil.example:8000",
    "localhost.evil.example",
    "dynamodb.us-east-1.amazonaws.com",
    "[::ffff:10.0.0.1]",
    "0.0.0.0",
    "localhost.",
  ].map((host) => ({
    what: `the host name ${host}`,
    bytes: requestBytes({ without: ["host"], headers: [`Host: ${host}`], body: GET }),
    type: DENIED,
  })),
]);

const encoded = (encoding: string, body: Uint8Array): Buffer =>
  requestBytes({ headers: [`Content-Encoding: ${encoding}`], body });
const BOMB = gzipSync(Buffer.alloc(17 * 1024 * 1024, 32));

refuses("pitfalls 4 and 5: encodings, and bodies over 16 MiB", [
  { what: "a body that is not gzip", bytes: encoded("gzip", Buffer.from(GET)) },
  { what: "a truncated gzip", bytes: encoded("gzip", gzipSync(GET).subarray(0, -9)) },
  { what: "a gzip without its checksum", bytes: encoded("gzip", gzipSync(GET).subarray(0, -8)) },
  {
    what: "a gzip with a wrong checksum",
    bytes: encoded("gzip", Buffer.concat([gzipSync(GET).subarray(0, -8), Buffer.alloc(8, 1)])),
  },
  { what: "junk behind a gzip", bytes: encoded("gzip", Buffer.concat([gzipSync(GET), Buffer.from("junk")])) },
  { what: "junk behind a deflate", bytes: encoded("deflate", Buffer.concat([deflateSync(GET), Buffer.from("junk")])) },
  { what: "a truncated deflate", bytes: encoded("deflate", deflateSync(GET).subarray(0, -5)) },
  { what: "a gzip of a gzip", bytes: encoded("gzip", gzipSync(gzipSync(GET))) },
  { what: "an empty gzip", bytes: encoded("gzip", new Uint8Array()) },
  { what: "two encodings", bytes: encoded("gzip, gzip", gzipSync(gzipSync(GET))) },
  { what: "brotli", bytes: encoded("br", Buffer.from(GET)) },
  { what: "a gzip bomb", bytes: encoded("gzip", BOMB), status: 413, type: TOO_LARGE },
  {
    what: "a deflate bomb",
    bytes: encoded("deflate", deflateSync(Buffer.alloc(17 * 1024 * 1024))),
    status: 413,
    type: TOO_LARGE,
  },
  {
    what: "a gzip bomb of many members",
    bytes: encoded("gzip", Buffer.concat(Array<Buffer>(17).fill(gzipSync(Buffer.alloc(1024 * 1024, 32))))),
    status: 413,
    type: TOO_LARGE,
  },
  {
    what: "17 MiB with their Content-Length",
    bytes: requestBytes({ body: Buffer.alloc(17 * 1024 * 1024, 32) }),
    status: 413,
    type: TOO_LARGE,
    closes: true,
  },
  {
    what: "17 MiB in chunks",
    bytes: requestBytes({
      headers: ["Transfer-Encoding: chunked"],
      body: chunked(Array<Buffer>(17).fill(Buffer.alloc(1024 * 1024, 32))),
    }),
    status: 413,
    type: TOO_LARGE,
    closes: true,
  },
]);

const bodied = (what: string, body: string | Uint8Array, type = SERIALIZATION): Case => ({
  what,
  bytes: requestBytes({ body }),
  type,
});
const nested = (levels: number): string => `{"M":{"a":`.repeat(levels) + '{"S":"x"}' + "}}".repeat(levels);

refuses("pitfalls 13 to 18: JSON that two readers may understand differently", [
  bodied("an empty body", ""),
  bodied("a duplicate key", '{"TableName":"orders","TableName":"secrets","Key":{"id":{"S":"a"}}}'),
  bodied(
    "a duplicate key written with an escape",
    '{"TableName":"orders","\\u0054ableName":"secrets","Key":{"id":{"S":"a"}}}',
  ),
  bodied("a duplicate key deep inside", '{"TableName":"orders","Key":{"id":{"S":"a"},"id":{"S":"b"}}}'),
  bodied("a byte order mark", `\ufeff${GET}`),
  bodied("UTF-16", Buffer.from(GET, "utf16le")),
  bodied(
    "bad UTF-8",
    Buffer.concat([
      Buffer.from('{"TableName":"orders","Key":{"id":{"S":"'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"}}}'),
    ]),
  ),
  bodied(
    "overlong UTF-8",
    Buffer.concat([
      Buffer.from('{"TableName":"orders","Key":{"id":{"S":"'),
      Buffer.from([0xc0, 0xaf]),
      Buffer.from('"}}}'),
    ]),
  ),
  bodied("a lone surrogate", '{"TableName":"orders","Key":{"id":{"S":"\\ud800"}}}'),
  bodied("100,000 nested arrays", "[".repeat(100_000)),
  bodied("100,000 nested maps", `{"TableName":"orders","Key":{"id":${nested(10_000)}}}`),
  bodied("attribute values 40 levels deep", `{"TableName":"orders","Key":{"id":${nested(35)}}}`, VALIDATION),
  bodied("an unknown member", '{"TableName":"orders","Key":{"id":{"S":"a"}},"Tablename":"secrets"}'),
  bodied("a member in another case", '{"tableName":"orders","Key":{"id":{"S":"a"}}}'),
  bodied("an explicit null", '{"TableName":"orders","Key":{"id":{"S":"a"}},"ProjectionExpression":null}'),
  bodied("__type beside the members", '{"__type":"x","TableName":"orders","Key":{"id":{"S":"a"}}}'),
  bodied("__proto__ beside the members", '{"__proto__":{"TableName":"x"},"TableName":"orders","Key":{"id":{"S":"a"}}}'),
  bodied("an attribute value with two types", '{"TableName":"orders","Key":{"id":{"S":"a","N":"1"}}}', VALIDATION),
  bodied("an attribute value of no type", '{"TableName":"orders","Key":{"id":{}}}', VALIDATION),
  bodied("an attribute value of an unknown type", '{"TableName":"orders","Key":{"id":{"X":"a"}}}'),
  bodied("an array", "[]"),
  bodied("a word", "null"),
  bodied("two documents", `${GET}{}`),
  bodied("a document with NUL behind it", `${GET}\0`),
  bodied("a truncated document", GET.slice(0, -1)),
  bodied("an exponent beyond all numbers", '{"TableName":"orders","Limit":1e999999999}'),
  bodied(
    "an attribute number with a huge exponent",
    '{"TableName":"orders","Key":{"id":{"N":"1e99999999999999999999"}}}',
    VALIDATION,
  ),
  bodied("a number in place of an attribute's text", '{"TableName":"orders","Key":{"id":{"S":1}}}'),
]);

refuses("pitfall 11: operations that are not known", [
  ...[
    "DynamoDB_20111205.GetItem",
    "DynamoDB_20120810.DeleteEverything",
    "DynamoDBStreams_20120810.GetItem",
    "AmazonDynamoDB.GetItem",
    "GetItem",
    "__proto__",
    "constructor",
  ].map((target) => ({
    what: target,
    bytes: requestBytes({ without: ["x-amz-target"], headers: [`X-Amz-Target: ${target}`], body: GET }),
    type: UNKNOWN,
  })),
]);
