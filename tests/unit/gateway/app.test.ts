import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { type GatewayApp, gatewayApp } from "../../../src/gateway/app.ts";
import { eventually } from "../../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";
import { type StubUpstream, stubHttp } from "../../support/stub-upstream.ts";

const GET = '{"TableName":"orders","Key":{"id":{"S":"ada#1"}}}';
const HEADERS = { "x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0" };

describe("gatewayApp() on a web-standard Request", () => {
  let gateway: TestGateway;
  let stub: StubUpstream;
  let app: GatewayApp;
  let size = 2;
  before(async () => {
    stub = await stubHttp((_, response) => void response.end(size === 2 ? "{}" : Buffer.alloc(size, 120)));
    gateway = await startTestGateway({ uri: stub.url });
    const [listener] = gateway.gateway.listeners;
    assert.ok(listener !== undefined);
    app = gatewayApp(gateway.gateway.services, listener);
  });
  after(async () => {
    await gateway.close();
    await stub.close();
  });
  const post = (overrides: RequestInit & { url?: string } = {}): Promise<Response> =>
    Promise.resolve(
      app.fetch(
        new Request(overrides.url ?? "http://localhost:8000/", {
          method: "POST",
          headers: HEADERS,
          body: GET,
          ...overrides,
        }),
      ),
    );
  const lastOutcome = (): unknown =>
    gateway
      .audit()
      .filter(({ event }) => event === "db.session.dynamodb.request")
      .at(-1)?.["outcome"];

  it("serves a good one", async () => {
    const response = await post();
    assert.deepEqual([response.status, await response.text()], [200, "{}"]);
    assert.ok(response.headers.get("x-postern-decision-id") !== null);
  });

  const twice = new Headers(HEADERS);
  twice.append("x-amz-target", "DynamoDB_20120810.DeleteTable");
  const refused: readonly [string, RequestInit & { url?: string }, string][] = [
    ["headers that were joined", { headers: twice }, "UnknownOperationException"],
    ["another path", { url: "http://localhost:8000/x" }, "UnknownOperationException"],
    ["a query string", { url: "http://localhost:8000/?a" }, "UnknownOperationException"],
    ["another host", { url: "http://evil.example/" }, "AccessDeniedException"],
    ["a web origin", { headers: { ...HEADERS, origin: "https://evil.example" } }, "AccessDeniedException"],
    ["another method", { method: "PUT" }, "UnknownOperationException"],
    [
      "a gzip bomb",
      { headers: { ...HEADERS, "content-encoding": "gzip" }, body: gzipSync(Buffer.alloc(17 * 1024 * 1024)) },
      "RequestEntityTooLarge",
    ],
    ["too much", { body: Buffer.alloc(17 * 1024 * 1024) }, "RequestEntityTooLarge"],
  ];
  for (const [what, overrides, type] of refused) {
    it(`refuses ${what}`, async () => {
      const response = await post(overrides);
      const { __type } = (await response.json()) as { __type: string };
      assert.equal(__type.split("#")[1], type);
      assert.equal(gateway.eventOf(response.headers.get("x-postern-decision-id"))["outcome"], "rejected");
    });
  }

  it("streams a large answer and records it once it is read", async () => {
    size = 300_000;
    const response = await post();
    assert.equal((await response.arrayBuffer()).byteLength, 300_000);
    assert.equal(lastOutcome(), "completed");
  });

  it("records an answer whose reader leaves as aborted", async () => {
    size = 3_000_000;
    const response = await post();
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await eventually(() => lastOutcome() === "aborted");
    size = 2;
  });
});
