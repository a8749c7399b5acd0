import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

const BODY = JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } });

describe("host names of a listener", () => {
  let postern: TestGateway;
  before(async () => {
    postern = await startTestGateway({ listener: { hostNames: ["Gateway.Internal"] } });
  });
  after(() => postern.close());

  const statusOf = async (host: string, ...headers: string[]): Promise<number> => {
    const head = [
      "POST / HTTP/1.1",
      `Host: ${host}`,
      "X-Amz-Target: DynamoDB_20120810.GetItem",
      "Content-Type: application/x-amz-json-1.0",
      `Content-Length: ${BODY.length}`,
      "Connection: close",
      ...headers,
    ];
    const answer = await postern.raw(`${head.join("\r\n")}\r\n\r\n${BODY}`);
    return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
  };

  it("are answered to in any case and with any port, beside loopback's own", async () => {
    for (const host of ["gateway.internal", "GATEWAY.internal:8000", "localhost:1", "127.0.0.1", "[::1]:8000"]) {
      assert.equal(await statusOf(host), 200, host);
    }
  });

  it("leave every other name refused, so that a rebound name reaches nothing", async () => {
    for (const host of ["evil.example", "a.gateway.internal", "gateway.internal.evil.example", "gateway.internal."]) {
      assert.equal(await statusOf(host), 400, host);
    }
    const events = postern.audit().filter(({ event }) => event === "db.session.dynamodb.request");
    const refused = events.filter(({ outcome }) => outcome === "rejected");
    assert.equal(refused.length, 4);
  });

  it("let no web page in, not even one of that very name", async () => {
    assert.equal(await statusOf("gateway.internal", "Origin: http://gateway.internal"), 400);
  });
});
