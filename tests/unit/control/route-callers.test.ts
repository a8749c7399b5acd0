import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import type { EventSink } from "../../../src/control/administration.ts";
import { RouteCallers } from "../../../src/control/route-callers.ts";
import { ClusterAuthorities, HOUR, settableClock } from "../../support/cluster-authorities.ts";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const route = { database: "orders", db_user: "ExampleRole" };
const derOf = ({ certificate }: { certificate: string }): Uint8Array => new X509Certificate(certificate).raw;

describe("users by their tokens' certificates", () => {
  it("are those whom the cluster certified for a database, until that ends, and as long as it trusts who did", async () => {
    const clock = settableClock(NOW);
    const cluster = await ClusterAuthorities.make("example", clock);
    const other = await ClusterAuthorities.make("example", clock);
    let current = cluster;
    let reads = 0;
    const notes: unknown[] = [];
    const events = { record: async (event: unknown) => void notes.push(event) } as unknown as EventSink;
    const callers = new RouteCallers({
      cluster: { authority: async (kind) => (reads++, current[kind]) },
      events,
      clock,
    });
    const certificate = derOf(await cluster.issueUser({ route }));
    for (let round = 0; round < 3; round++)
      assert.deepEqual(await callers.identify(certificate, "192.0.2.1"), { user: "alice", database: "orders" });
    assert.equal(reads, 2);

    const refused = (shown: Uint8Array, code: string): Promise<void> =>
      assert.rejects(callers.identify(shown, "192.0.2.1"), { code });
    await refused(derOf(await cluster.issueUser()), "certificate_wrong_kind");
    await refused(derOf(await cluster.issueHost()), "certificate_wrong_kind");
    await refused(derOf(await other.issueUser({ route })), "certificate_untrusted");
    await refused(Buffer.from("none"), "certificate_malformed");
    assert.ok(notes.length > 0);
    const before = notes.length;
    for (let round = 0; round < 1000; round++) await refused(Buffer.from("none"), "certificate_malformed");
    assert.ok(notes.length - before < 100, `${notes.length} events`);

    current = other;
    clock.set(NOW + 5_001);
    await refused(certificate, "certificate_untrusted");
    current = cluster;
    clock.set(NOW + 11_000);
    assert.equal((await callers.identify(certificate, "192.0.2.1")).user, "alice");
    clock.set(NOW + 2 * HOUR);
    await refused(certificate, "certificate_expired");
  });

  it("are nobody while the store cannot be read, and known again when it can", async () => {
    const clock = settableClock(NOW);
    const cluster = await ClusterAuthorities.make("example", clock);
    let isDown = true;
    const callers = new RouteCallers({
      cluster: {
        authority: async (kind) => {
          if (isDown) throw new Error("the store is away");
          return cluster[kind];
        },
      },
      events: { record: async () => undefined } as unknown as EventSink,
      clock,
    });
    const certificate = derOf(await cluster.issueUser({ route }));
    await assert.rejects(callers.identify(certificate, ""), /away/);
    isDown = false;
    assert.equal((await callers.identify(certificate, "")).user, "alice");
  });
});
