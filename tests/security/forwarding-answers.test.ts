import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type OutgoingHttpHeaders, request as httpRequest } from "node:http";
import { after, before, describe, it } from "node:test";
import { crc32, gunzipSync, gzipSync } from "node:zlib";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { RawClient, requestBytes } from "../support/raw-http.ts";
import { type StubUpstream, stubHttp } from "../support/stub-upstream.ts";

const SCAN = '{"TableName":"orders"}';

describe("what DynamoDB answers", () => {
  let gateway: TestGateway;
  let stub: StubUpstream;
  let next: { status: number; headers: OutgoingHttpHeaders; body: Buffer };
  before(async () => {
    stub = await stubHttp((_, response) => {
      response.writeHead(next.status, next.headers);
      response.end(next.body);
    });
    gateway = await startTestGateway({ uri: stub.url });
  });
  after(async () => {
    await gateway.close();
    await stub.close();
  });

  for (const size of [0, 1, 200, 8 * 1024, 8 * 1024 + 1, 64 * 1024, 64 * 1024 + 1, 3 * 1024 * 1024]) {
    for (const encoding of ["identity", "gzip"]) {
      for (const framing of ["content-length", "chunked"]) {
        it(`reaches the client byte by byte: ${size} bytes, ${encoding}, ${framing}`, async () => {
          // Bytes of every value: nothing on the way may take them for text.
          const plain = Buffer.from(Array.from({ length: size }, (_, at) => (at * 7919 + (at >> 8)) & 0xff));
          const body = encoding === "gzip" ? gzipSync(plain, { level: 0 }) : plain;
          next = {
            status: 200,
            headers: {
              "content-type": "application/x-amz-json-1.0",
              "x-amz-crc32": String(crc32(body)),
              "x-amzn-requestid": "AWS-REQUEST-ID",
              ...(encoding === "gzip" ? { "content-encoding": "gzip" } : {}),
              ...(framing === "chunked" ? {} : { "content-length": body.length }),
            },
            body,
          };
          const { status, headers, bytes } = await scan(gateway.port, "gzip");
          assert.equal(status, 200);
          assert.equal(digest(bytes), digest(body));
          assert.equal(headers["x-amz-crc32"], String(crc32(bytes)));
          assert.equal(headers["x-amzn-requestid"], "AWS-REQUEST-ID");
          assert.equal(headers["content-encoding"], encoding === "gzip" ? "gzip" : undefined);
          if (encoding === "gzip") assert.equal(digest(gunzipSync(bytes)), digest(plain));
          const event = gateway.eventOf(String(headers["x-postern-decision-id"]));
          assert.deepEqual(
            [event["outcome"], event["aws_request_id"], event["status_code"]],
            ["completed", "AWS-REQUEST-ID", 200],
          );
        });
      }
    }
  }

  it("loses its hop-by-hop headers, those it names itself included, and cannot name the decision", async () => {
    next = {
      status: 400,
      headers: {
        connection: "close, X-Hop",
        "x-hop": "1",
        "keep-alive": "timeout=99",
        "proxy-authenticate": "Basic",
        "x-postern-decision-id": "forged",
        "x-stays": "1",
        "content-length": 2,
      },
      body: Buffer.from("{}"),
    };
    const { status, headers } = await scan(gateway.port, "identity");
    assert.equal(status, 400);
    for (const name of ["x-hop", "proxy-authenticate"]) assert.equal(headers[name], undefined, name);
    assert.notEqual(headers["keep-alive"], "timeout=99");
    assert.equal(headers["x-stays"], "1");
    assert.equal(gateway.eventOf(String(headers["x-postern-decision-id"]))["outcome"], "completed");
  });

  it("reaches a client of HTTP/1.0 whole", async () => {
    const body = Buffer.alloc(200_000, 97);
    next = { status: 200, headers: { "content-length": body.length }, body };
    const client = await RawClient.open(gateway.port);
    await client.write(requestBytes({ line: "POST / HTTP/1.0", operation: "Scan", body: SCAN }));
    await client.closed;
    const text = client.received.toString("latin1");
    assert.equal(text.slice(text.indexOf("\r\n\r\n") + 4), body.toString("latin1"));
  });

  for (const body of [
    Buffer.from("<html>garbage</html>"),
    Buffer.from([0xff, 0xfe, 0x00]),
    Buffer.from('{"Items":[[[['),
  ]) {
    it(`passes garbage on as it is, and goes on: ${body.toString("hex").slice(0, 12)}`, async () => {
      next = { status: 200, headers: { "content-length": body.length }, body };
      const { bytes, headers } = await scan(gateway.port, "identity");
      assert.equal(digest(bytes), digest(body));
      assert.equal(gateway.eventOf(String(headers["x-postern-decision-id"]))["outcome"], "completed");
    });
  }

  it("does not follow a redirect", async () => {
    next = {
      status: 307,
      headers: { location: `${gateway.sandbox.dynamodb.url}/`, "content-length": 0 },
      body: Buffer.alloc(0),
    };
    gateway.sandbox.forget();
    assert.equal((await scan(gateway.port, "identity")).status, 307);
    assert.deepEqual(gateway.sandbox.dynamodb.requests, []);
  });
});

interface Scanned {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
}

function scan(port: number, accepts: string): Promise<Scanned> {
  return new Promise((resolve, reject) => {
    const headers = {
      "x-amz-target": "DynamoDB_20120810.Scan",
      "content-type": "application/x-amz-json-1.0",
      "accept-encoding": accepts,
    };
    const sent = httpRequest({ port, host: "127.0.0.1", method: "POST", headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes: Buffer.concat(chunks) }),
      );
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(SCAN);
  });
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
