import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { createLog } from "../../src/telemetry/log.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { chunked, RawClient, requestBytes } from "../support/raw-http.ts";

const ALLOWED = [
  "accept-encoding",
  "authorization",
  "content-length",
  "content-type",
  "host",
  "user-agent",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-target",
];

/** What a client might hope to have passed on, and what must not come of it. */
const HOSTILE: readonly string[] = [
  "Authorization: AWS4-HMAC-SHA256 Credential=AKIACLIENT/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=client-secret",
  "X-Amz-Security-Token: client-secret",
  "X-Amz-Date: 20000101T000000Z",
  "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD",
  "X-Amz-Target-2: DynamoDB_20120810.DeleteTable",
  "X-Amz-Account-Id: 999999999999",
  "X-Amz-Source-Arn: arn:aws:iam::999999999999:role/Admin",
  "X-Forwarded-Host: evil.example",
  "X-Forwarded-For: 10.0.0.1",
  "X-HTTP-Method-Override: DELETE",
  "Forwarded: host=evil.example",
  "Cookie: session=client-secret",
  "Proxy-Authorization: Basic client-secret",
  "Connection: keep-alive, Authorization, X-Amz-Date",
  "Keep-Alive: timeout=1",
  "TE: trailers",
  "Via: 1.1 client",
  "Expect: 100-continue",
  "User-Agent: Boto3/1.0 \u00e9\u0080 md/x",
  "Accept-Encoding: gzip",
  "If-Match: x",
  "Range: bytes=0-1",
];

describe("what was judged is what is sent", () => {
  let gateway: TestGateway;
  const log: string[] = [];
  before(async () => {
    gateway = await startTestGateway({
      log: createLog({ severity: "debug", format: "json", write: (line) => void log.push(line) }),
    });
  });
  after(() => gateway.close());

  const spellings: readonly [string, string][] = [
    ["no white space", '{"TableName":"orders","Key":{"id":{"S":"ada#1"}}}'],
    ["much white space", '\r\n\t {  "TableName" :\t"orders" ,\n"Key":{ "id":{"S":"ada#1" } }  } \r\n'],
    ["escapes", '{"TableName":"\\u006frders","Key":{"\\u0069d":{"\\u0053":"ada\\u00231"}}}'],
    ["members in another order", '{"Key":{"id":{"S":"ada#1"}},"TableName":"orders"}'],
    [
      "an ARN for the table",
      '{"TableName":"arn:aws:dynamodb:us-east-1:123456789012:table/orders","Key":{"id":{"S":"ada#1"}}}',
    ],
    ["text beyond ASCII", '{"TableName":"orders","Key":{"id":{"S":"ada\u{1f980}\u00e9"}}}'],
    ["an escaped pair of surrogates", '{"TableName":"orders","Key":{"id":{"S":"\\ud83e\\udd80"}}}'],
    ["an escaped solidus", '{"TableName":"orders","Key":{"id":{"S":"a\\/b"}}}'],
    [
      "a map key like an integer",
      '{"TableName":"orders","Key":{"id":{"S":"x"}},"ProjectionExpression":"#1,#0","ExpressionAttributeNames":{"#1":"b","#0":"a"}}',
    ],
    ["legacy parameters", '{"TableName":"orders","Key":{"id":{"S":"x"}},"AttributesToGet":["id"]}'],
    [
      "an attribute named __proto__",
      '{"TableName":"orders","Key":{"id":{"S":"x"}},"ProjectionExpression":"#p","ExpressionAttributeNames":{"#p":"__proto__"}}',
    ],
  ];
  for (const [what, body] of spellings) {
    for (const [how, bytes] of [
      ["plain", requestBytes({ body })],
      ["gzipped", requestBytes({ headers: ["Content-Encoding: gzip"], body: gzipSync(body) })],
      [
        "in chunks",
        requestBytes({
          headers: ["Transfer-Encoding: chunked"],
          body: chunked([Buffer.from(body).subarray(0, 7), Buffer.from(body).subarray(7)]),
        }),
      ],
    ] as const) {
      it(`pitfalls 14 and 62: ${what}, ${how}`, async () => {
        gateway.sandbox.forget();
        const client = await RawClient.open(gateway.port);
        await client.write(bytes);
        await client.mustAnswer();
        client.destroy();
        const [seen, ...more] = gateway.sandbox.dynamodb.requests;
        assert.deepEqual(more, []);
        assert.equal(seen?.refused, null);
        assert.equal(seen.bodyDigest, createHash("sha256").update(body).digest("hex"));
      });
    }
  }

  it("pitfalls 8 and 9: headers come from an allow-list, everything of weight is signed, and the client chooses none of it", async () => {
    gateway.sandbox.forget();
    const client = await RawClient.open(gateway.port);
    await client.write(requestBytes({ headers: HOSTILE, body: spellings[0]?.[1] ?? "" }));
    assert.equal((await client.mustAnswer()).status, 200);
    client.destroy();
    const [seen] = gateway.sandbox.dynamodb.requests;
    const headers = Object.fromEntries((seen?.headers ?? []).map(([name, value]) => [name.toLowerCase(), value]));
    assert.deepEqual(Object.keys(headers).toSorted(), ALLOWED);
    assert.equal(seen?.headers.length, ALLOWED.length, "a header is there twice");
    assert.deepEqual(seen.signedHeaders, [
      "content-type",
      "host",
      "x-amz-date",
      "x-amz-security-token",
      "x-amz-target",
    ]);
    assert.equal(headers["host"], new URL(gateway.sandbox.dynamodb.url).host);
    assert.match(
      headers["authorization"] ?? "",
      /^AWS4-HMAC-SHA256 Credential=[A-Z0-9]+\/[0-9]{8}\/us-east-1\/dynamodb\/aws4_request, /,
    );
    assert.equal(headers["user-agent"], "Boto3/1.0 ?? md/x postern");
    assert.equal(seen.principal, "arn:aws:sts::123456789012:assumed-role/ExampleRole/alice");
    assert.ok(!JSON.stringify(seen).includes("client-secret"));
  });

  it("invariant 7: nothing of the client's credentials is on record or in the log", () => {
    for (const [where, text] of [
      ["audit", JSON.stringify(gateway.audit())],
      ["log", log.join("")],
    ] as const) {
      for (const word of ["client-secret", "AKIACLIENT"]) assert.ok(!text.includes(word), `${word} is in the ${where}`);
    }
  });

  it("pitfall 10: each operation goes where its service is, whatever the client was pointed at", async () => {
    for (const [target, body] of [
      ["DynamoDBStreams_20120810.ListStreams", "{}"],
      ["DynamoDB_20120810.ListTables", "{}"],
    ] as const) {
      gateway.sandbox.forget();
      const client = await RawClient.open(gateway.port);
      await client.write(requestBytes({ without: ["x-amz-target"], headers: [`X-Amz-Target: ${target}`], body }));
      await client.mustAnswer();
      client.destroy();
      const [seen] = gateway.sandbox.dynamodb.requests;
      assert.deepEqual(seen?.headers.find(([name]) => name.toLowerCase() === "x-amz-target")?.[1], target);
    }
  });

  it("pitfall 10: the host of a service follows from the configured one and the operation alone", async () => {
    const sent: [origin: string, host: string | undefined, target: string | undefined][] = [];
    const aws = await startTestGateway({
      uri: "dynamodb.us-east-1.amazonaws.com:443",
      upstream: (real) => ({
        send: ({ origin, headers }) => {
          sent.push([origin, headers["host"], headers["x-amz-target"]]);
          return Promise.resolve({ status: 200, headers: {}, body: Buffer.from("{}") });
        },
        close: () => real.close(),
      }),
    });
    try {
      const vector = { TableName: "orders", IndexName: "by-likeness", TopK: 1, SearchVector: [{ N: "1" }] };
      const strange = { "x-amz-account-id": "999999999999", "x-forwarded-host": "evil.example" };
      for (const [target, input] of [
        ["DynamoDB_20120810.ListTables", {}],
        ["DynamoDBStreams_20120810.ListStreams", {}],
        ["DynamoDB_20120810.SearchVectors", vector],
      ] as const) {
        const answer = await aws.call("", input, { ...strange, "x-amz-target": target });
        assert.equal(answer.status, 200, JSON.stringify(answer.body));
      }
      assert.deepEqual(
        sent,
        [
          ["dynamodb.us-east-1.amazonaws.com", "DynamoDB_20120810.ListTables"],
          ["streams.dynamodb.us-east-1.amazonaws.com", "DynamoDBStreams_20120810.ListStreams"],
          ["search-dynamodb.us-east-1.amazonaws.com", "DynamoDB_20120810.SearchVectors"],
        ].map(([host, target]) => [`https://${host}`, host, target]),
      );
    } finally {
      await aws.close();
    }
  });

  it("pitfall 19: tables of another region or account are refused, not routed", async () => {
    gateway.sandbox.forget();
    for (const place of ["eu-west-1:123456789012", "us-east-1:999999999999"]) {
      const answer = await gateway.call("GetItem", {
        TableName: `arn:aws:dynamodb:${place}:table/orders`,
        Key: { id: { S: "a" } },
      });
      assert.equal(answer.status, 400);
    }
    assert.deepEqual(gateway.sandbox.dynamodb.requests, []);
  });

  it("pitfall 61: a table that is not there and one that is are denied alike", async () => {
    const messages = [];
    for (const TableName of ["orders", "nowhere"]) {
      const { status, body, headers } = await gateway.call("DeleteTable", { TableName });
      messages.push([
        status,
        String(body["Message"])
          .replaceAll(TableName, "T")
          .replaceAll(headers.get("x-postern-decision-id") ?? "-", "D"),
      ]);
    }
    assert.deepEqual(messages[0], messages[1]);
  });
});
