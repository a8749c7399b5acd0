import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { after, before, describe, it } from "node:test";
import { gatewayApp } from "../../../src/gateway/app.ts";
import { BODY_BUDGET_BYTES, BodyBudget } from "../../../src/gateway/body-budget.ts";
import type { UpstreamRequest } from "../../../src/gateway/ports.ts";
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

  it("lends one user a quarter, many the same each, and has room for whoever comes next", () => {
    const budget = new BodyBudget(400);
    const alice = [budget.lease({ user: "alice" }), budget.lease({ user: "alice" })] as const;
    assert.ok(alice[0].take(60));
    assert.ok(!alice[1].take(41));
    assert.ok(alice[1].take(40));
    assert.ok(!alice[0].take(1));
    assert.ok(alice[0].take(0));
    const most = (user: string): number => {
      const lease = budget.lease({ user });
      let size = 0;
      while (lease.take(1)) size++;
      return size;
    };
    assert.deepEqual([most("bob"), most("carol"), most("dave")], [75, 56, 42]);
    // Who is nobody in particular may have all that is left.
    assert.ok(budget.lease().take(400 - 100 - 75 - 56 - 42));
  });

  it("lends less to what is not proven, and counts it as the user's when it is", () => {
    const budget = new BodyBudget(800);
    const lease = (): ReturnType<BodyBudget["lease"]> => budget.lease({ user: "alice", unproven: true });
    const first = lease();
    assert.ok(first.take(100));
    assert.ok(!lease().take(1));
    first.prove();
    const second = lease();
    // It is hers: of all there is she has a quarter.
    assert.ok(second.take(100));
    second.prove();
    assert.ok(!lease().take(1));
    first.end();
    second.end();
    assert.ok(lease().take(100));
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

  it("has a share for each user of a cluster, and all of it for who speaks on a listener of its own", async () => {
    const [listener] = gateway.gateway.listeners;
    assert.ok(listener !== undefined);
    const bodies = new BodyBudget(800);
    const services = { ...gateway.gateway.services, bodies };
    const login = { roles: ["dev"], traits: {}, mfaVerified: false, issued: Date.now(), expires: Date.now() + 60_000 };
    const statusFor = async (user: string | undefined): Promise<number> => {
      const session = user === undefined ? {} : { user, session: { user, ...login } };
      const response = await gatewayApp(services, { ...listener, ...session }).request("http://localhost/", {
        method: "POST",
        headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem" },
        body: JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } }),
      });
      return response.status;
    };
    const held = bodies.lease({ user: "alice" });
    assert.ok(held.take(180));
    assert.deepEqual([await statusFor("alice"), await statusFor(undefined)], [503, 200]);
    held.end();
    assert.equal(await statusFor("alice"), 200);
  });

  it("gives back what a compressed body did not need, while it is under way", async () => {
    const [listener] = gateway.gateway.listeners;
    assert.ok(listener !== undefined);
    const bodies = new BodyBudget();
    let free = 0;
    const upstream = {
      ...gateway.gateway.services.upstream,
      send: (request: UpstreamRequest) => {
        const rest = bodies.lease();
        if (rest.take(BODY_BUDGET_BYTES - 1024)) free++;
        rest.end();
        return gateway.gateway.services.upstream.send(request);
      },
    };
    const response = await gatewayApp({ ...gateway.gateway.services, bodies, upstream }, listener).request(
      "http://localhost/",
      {
        method: "POST",
        headers: {
          "content-type": "application/x-amz-json-1.0",
          "x-amz-target": "DynamoDB_20120810.GetItem",
          "content-encoding": "gzip",
        },
        body: gzipSync(JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } })),
      },
    );
    assert.deepEqual([response.status, free], [200, 1]);
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
