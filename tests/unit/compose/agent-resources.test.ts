import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { createServer } from "node:tls";
import { Secret } from "../../../src/base/secret.ts";
import type { ProxyAddress } from "../../../src/client/tls.ts";
import { AgentResources } from "../../../src/compose/agent-resources.ts";
import { gatewayApp } from "../../../src/gateway/app.ts";
import { readOwnHostCertificate } from "../../../src/identity/certificate-reader.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { ClusterAuthorities } from "../../support/cluster-authorities.ts";
import { eventually } from "../../support/eventually.ts";
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

describe("a cluster that can be reached and tells nothing to its end", () => {
  it("is not heard, however often it answers", async (t) => {
    const at = Date.now();
    let elapsed = 0;
    const clock = { now: () => at, monotonic: () => elapsed };
    const authorities = await ClusterAuthorities.make("example", clock);
    const { certificate } = await authorities.issueHost();
    const { privateKey } = authorities.keys;
    const about = { type: "cluster", ignorable: true, proxies: [], authorities: { host: [], user: [] } };
    let listened = 0;
    // The first time all is well; then its store cannot be read, and each answer ends before it has begun.
    const door = createServer({ cert: certificate, key: privateKey }, (socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        listened++;
        const lines = listened === 1 ? [about, { type: "begin" }, { type: "settled" }] : [about, { type: "alive" }];
        socket.end(
          `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${lines.map((line) => `${JSON.stringify(line)}\n`).join("")}`,
        );
      });
    });
    await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
    t.after(() => void door.close());
    const { port } = door.address() as AddressInfo;
    const { certificate: agents } = await authorities.issueHost({ role: "db", names: [] });
    const resources = new AgentResources({
      membership: {
        identity: {
          stated: await readOwnHostCertificate(agents),
          certificate: agents,
          privateKey: new Secret(privateKey),
          trusted: { host: [authorities.host.active.certificate], user: [authorities.user.active.certificate] },
          door: "cluster",
          renewable: true,
        },
      },
      proxies: [{ host: "127.0.0.1", port, text: `127.0.0.1:${port}` }],
      clock,
      log: silentLog,
      random: () => 0,
    });
    t.after(() => resources.close());
    await eventually(() => resources.store.isFilled);
    equal(resources.lostFor(), undefined);
    elapsed = 5 * 60_000 + 1;
    const before = listened;
    await eventually(() => listened >= before + 3);
    ok((resources.lostFor() ?? 0) > 5 * 60_000, "what was told before the state says nothing of how things are");
  });
});
