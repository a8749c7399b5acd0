import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gatewayApp } from "../../../src/gateway/app.ts";
import { BodyBudget } from "../../../src/gateway/body-budget.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";

describe("BodyBudget", () => {
  it("lends what is there and no more, and gets it back once", () => {
    const budget = new BodyBudget(100);
    const [one, other] = [budget.lease(), budget.lease()];
    assert.ok(one.take(60));
    assert.ok(!other.take(41));
    assert.ok(other.take(40));
    assert.ok(!one.take(1));
    one.end();
    one.end();
    assert.ok(!other.take(61));
    assert.ok(other.take(60));
  });
});

describe("a gateway without memory for more bodies", () => {
  let gateway: TestGateway;
  before(async () => {
    gateway = await startTestGateway();
  });
  after(() => gateway.close());

  it("answers 503, which SDKs retry, forwards nothing, and serves again when there is room", async () => {
    const [listener] = gateway.gateway.listeners;
    assert.ok(listener !== undefined);
    const bodies = new BodyBudget(500);
    const app = gatewayApp({ ...gateway.gateway.services, bodies }, listener);
    const post = (body: string): Promise<Response> =>
      Promise.resolve(
        app.request("http://localhost/", {
          method: "POST",
          headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem" },
          body,
        }),
      );
    const small = JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } });
    const forwarded = gateway.sandbox.dynamodb.requests.length;
    const refused = await post(small + " ".repeat(500));
    assert.equal(refused.status, 503);
    assert.equal(gateway.sandbox.dynamodb.requests.length, forwarded);
    assert.equal(gateway.audit().at(-1)?.["outcome"], "failed");
    // The same small one again and again: what each took came back.
    for (let round = 0; round < 20; round++) assert.equal((await post(small)).status, 200);
  });

  it("does not begin to read what is announced to be more than there is room for", async () => {
    const lease = gateway.gateway.services.bodies.lease();
    assert.ok(lease.take(256 * 1024 * 1024 - 100));
    try {
      const answer = await gateway.call("GetItem", { TableName: "orders", Key: { id: { S: "x".repeat(200) } } });
      assert.equal(answer.status, 503);
    } finally {
      lease.end();
    }
    assert.equal((await gateway.call("GetItem", { TableName: "orders", Key: { id: { S: "ada#1" } } })).status, 200);
  });
});
