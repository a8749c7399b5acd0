import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

describe("a gateway in front of AWS", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());

  it("passes an allowed request on, signed with the user's session of the AWS role", async () => {
    const answer = await gateway.call("GetItem", { TableName: "orders", Key: { id: { S: "ada#1" } } });
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, { Item: { id: { S: "ada#1" }, total: { N: "18.15" } } });
    const seen = gateway.sandbox.dynamodb.requests.at(-1);
    assert.match(String(seen?.principal), /:assumed-role\/ExampleRole\/alice$/);
  });

  it("answers a denied request with a typed error that names user, action, resource, reason and decision", async () => {
    const before = gateway.sandbox.dynamodb.requests.length;
    const answer = await gateway.call("DeleteTable", { TableName: "orders" });
    assert.equal(answer.status, 400);
    assert.equal(answer.body["__type"], "com.amazon.coral.service#AccessDeniedException");
    const id = answer.headers.get("x-postern-decision-id") ?? "none";
    const message = String(answer.body["Message"]);
    for (const part of [
      '"alice"',
      "dynamodb:DeleteTable",
      "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
      "rule_denied",
      id,
    ]) {
      assert.ok(message.includes(part), `${part} is not in: ${message}`);
    }
    assert.equal(gateway.sandbox.dynamodb.requests.length, before, "it was forwarded");
    const event = gateway.audit().find((line) => (line["decision"] as { id?: string } | null)?.id === id);
    assert.deepEqual(
      [event?.["event"], event?.["code"], event?.["outcome"]],
      ["db.session.dynamodb.request", "TDY01E", "denied"],
    );
  });

  it("forwards the very bytes that it judged", async () => {
    const body = ' {"Key" : {"id":{"S":"ada\\u00231"}},\n"TableName":"orders" }';
    await gateway.call("GetItem", body);
    const seen = gateway.sandbox.dynamodb.requests.at(-1);
    assert.equal(seen?.bodyDigest, createHash("sha256").update(body).digest("hex"));
  });

  it("rebuilds the headers: nothing of the client's but what the answer depends on goes upstream", async () => {
    await gateway.call(
      "GetItem",
      { TableName: "orders", Key: { id: { S: "ada#1" } } },
      {
        authorization: "AWS4-HMAC-SHA256 Credential=x",
        "x-amz-security-token": "stolen",
        "x-amz-date": "20000101T000000Z",
        "x-amz-foo": "bar",
        cookie: "a=b",
        "x-forwarded-for": "1.2.3.4",
      },
    );
    const seen = gateway.sandbox.dynamodb.requests.at(-1);
    const headers = Object.fromEntries((seen?.headers ?? []).map(([name, value]) => [name.toLowerCase(), value]));
    assert.deepEqual(Object.keys(headers).sort(), [
      "accept-encoding",
      "authorization",
      "content-length",
      "content-type",
      "host",
      "user-agent",
      "x-amz-date",
      "x-amz-security-token",
      "x-amz-target",
    ]);
    assert.notEqual(headers["x-amz-security-token"], "stolen");
  });
});
