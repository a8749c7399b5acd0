import { deepEqual, equal, match } from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ProxyAddress } from "../../../src/client/tls.ts";
import { AgentResources } from "../../../src/compose/agent-resources.ts";
import { gatewayApp } from "../../../src/gateway/app.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { startTestGateway, type TestGateway } from "../../support/gateway.ts";

describe("an agent that has lost its cluster", () => {
  let gateway: TestGateway;
  let now = 0;
  const clock = { now: () => now, monotonic: () => now };
  // Its host has not joined, so that nothing is dialled: what is heard is told by hand.
  const resources = new AgentResources({
    membership: { identity: undefined },
    proxies: [] as readonly ProxyAddress[],
    clock,
    log: silentLog,
    random: () => 0,
  });
  before(async () => {
    gateway = await startTestGateway();
  });
  after(async () => {
    await resources.close();
    await gateway.close();
  });

  const ask = async (): Promise<[number, unknown]> => {
    const { services, listeners } = gateway.gateway;
    const [listener] = listeners;
    if (listener === undefined) throw new Error("there is no listener");
    const app = gatewayApp({ ...services, lostFor: resources.lostFor }, listener);
    const response = await app.fetch(
      new Request("http://localhost/", {
        method: "POST",
        headers: { "x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0" },
        body: '{"TableName":"orders","Key":{"id":{"S":"ada#1"}}}',
      }),
    );
    const event = gateway.audit().findLast(({ event: kind }) => kind === "db.session.dynamodb.request");
    const { decision } = event as { decision: { reasons: { code: string }[] } };
    return [response.status, response.status === 200 ? undefined : decision.reasons[0]?.code];
  };

  it("denies before it has heard anything, decides on for five minutes of silence, and then denies until it hears again", async () => {
    deepEqual(await ask(), [400, "control_plane_lost"]);
    resources.store.take({ type: "begin" });
    deepEqual(await ask(), [400, "control_plane_lost"]);
    resources.store.take({ type: "settled" });
    deepEqual(await ask(), [200, undefined]);
    equal(resources.readiness, null);
    now = 5 * 60_000;
    deepEqual(await ask(), [200, undefined]);
    match(String(resources.readiness), /^the cluster was last heard of 300 s ago/);
    now++;
    deepEqual(await ask(), [400, "control_plane_lost"]);
    match(String(resources.readiness), /^all is denied/);
    // A cluster that begins to tell and cannot go on is not back.
    resources.store.take({ type: "begin" });
    deepEqual(await ask(), [400, "control_plane_lost"]);
    resources.store.take({ type: "settled" });
    deepEqual(await ask(), [200, undefined]);
    equal(resources.readiness, null);
  });
});
