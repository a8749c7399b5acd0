/** What must hold of joins at two auth nodes over one store, as one suite for each kind of store. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import type { AuditEvent } from "../../src/audit/event.ts";
import { systemClock } from "../../src/base/clock.ts";
import { openCluster } from "../../src/control/cluster.ts";
import { type Joined, Joins, type ServiceJoin } from "../../src/control/joins.ts";
import { CHALLENGE_HEADER, challengeFor } from "../../src/identity/iam-join.ts";
import { readPublicKey } from "../../src/identity/public-key.ts";
import { KeyRing } from "../../src/identity/sealing.ts";
import type { Store, StoredValue } from "../../src/store/store.ts";
import { newKeyPair } from "./cluster-authorities.ts";
import { identityAnswer, signedIdentityRequest } from "./identity-request.ts";

/** Where two nodes keep a cluster. */
export interface SharedPlace {
  open(): Promise<Store>;
  close(): Promise<void>;
}

const CALLER = { certificate: undefined };

export function describeJoinsOfTwoNodes(kind: string, make: () => Promise<SharedPlace>, skip: string | false): void {
  describe(`joins at two nodes over ${kind}`, { skip }, () => {
    let place: SharedPlace;
    let stores: Store[];
    let nodes: Joins[];
    const events: AuditEvent[] = [];
    const { publicKey } = newKeyPair();

    before(async () => {
      place = await make();
      stores = [await place.open(), await place.open()];
      const ring = new KeyRing([randomBytes(32)]);
      nodes = await Promise.all(
        stores.map(async (store) => {
          const cluster = await openCluster({ store, ring, name: "example", clock: systemClock });
          const sink = { healthy: true, record: async (event: AuditEvent) => void events.push(event) };
          const askSts = async (): Promise<{ status: number; body: string }> => ({
            status: 200,
            body: identityAnswer(),
          });
          const node = new Joins({ cluster, ring, events: sink, clock: systemClock, askSts });
          tokens.push(async (name, spec) => {
            const value = { kind: "token", version: "v2", metadata: { name }, spec } as unknown as StoredValue;
            await cluster.store.write([{ op: "create", kind: "token", name, value }]);
          });
          return node;
        }),
      );
    });
    after(async () => {
      await Promise.all(stores.map((store) => store.close()));
      await place.close();
    });
    const tokens: ((name: string, spec: object) => Promise<void>)[] = [];

    async function allAtOnce(joins: readonly ServiceJoin[]): Promise<PromiseSettledResult<Joined>[]> {
      // Each from an address of its own: what is tried is the count, not the limit.
      return Promise.allSettled(
        joins.map((join, at) => nodes[at % 2]?.join(join, { ...CALLER, address: `10.0.0.${at}` }) as Promise<Joined>),
      );
    }

    it("let in exactly as many as the token says, whichever node they come to", async () => {
      const name = randomBytes(16).toString("hex");
      await tokens[0]?.(name, { roles: ["Db"], max_uses: 6 });
      const join: ServiceJoin = { token: name, role: "db", nodeName: "db-1", publicKey };
      const settled = await allAtOnce(Array.from({ length: 24 }, () => join));
      const joined = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value.hostId] : []));
      assert.equal(joined.length, 6, reasonsOf(settled).join("; "));
      assert.equal(new Set(joined).size, 6);
      assert.deepEqual(new Set(reasonsOf(settled)), new Set(["join_refused"]));
      const successes = events.filter((one) => one.event === "instance.join" && one.success);
      assert.equal(successes.length, 6);
    });

    it("take the challenge that the other one gave, and of two uses one", async () => {
      await tokens[1]?.("agents", { roles: ["Db"], join_method: "iam", allow: [{ aws_account: "123456789012" }] });
      const { challenge } = nodes[0]?.challenge({ ...CALLER, address: "10.0.0.1" }) ?? { challenge: "" };
      const headers = { [CHALLENGE_HEADER]: challengeFor(challenge, readPublicKey(publicKey)) };
      const identity = { challenge, request: await signedIdentityRequest({ at: Date.now(), headers }) };
      const join: ServiceJoin = { token: "agents", role: "db", nodeName: "db-1", publicKey, identity };
      const settled = await allAtOnce([join, join, join, join]);
      assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1, reasonsOf(settled).join("; "));
      assert.deepEqual(new Set(reasonsOf(settled)), new Set(["join_challenge_refused"]));
    });
  });
}

function reasonsOf(settled: readonly PromiseSettledResult<unknown>[]): string[] {
  return settled.flatMap((one) => (one.status === "rejected" ? [String((one.reason as { code?: unknown }).code)] : []));
}
