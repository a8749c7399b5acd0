import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { systemClock } from "../../../src/base/clock.ts";
import { addToken, listTokens } from "../../../src/control/tokens.ts";
import { documents, ROOT, startTestCluster, type TestCluster } from "../../support/cluster.ts";

async function withCluster(yaml: string, use: (cluster: TestCluster) => Promise<void>): Promise<void> {
  const cluster = await startTestCluster(yaml);
  try {
    await use(cluster);
  } finally {
    await cluster.close();
  }
}

const HELPDESK = `
kind: role
version: v7
metadata: {name: joiner}
spec: {allow: {rules: [{resources: [token], verbs: [create, list, read]}]}}
---
kind: user
version: v2
metadata: {name: joe}
spec: {roles: [joiner], traits: {}}
`;

describe("join tokens", () => {
  it("are made, listed by when they expire, used by nobody after that, and removed", () =>
    withCluster("", async ({ administration }) => {
      const late = await addToken(administration, ROOT, systemClock, { roles: ["db"], ttl: 3_600_000 });
      const soon = await addToken(administration, ROOT, systemClock, {
        roles: ["db", "proxy"],
        ttl: 60_000,
        maxUses: 2,
      });
      assert.match(soon.name, /^[0-9a-f]{32}$/);
      assert.deepEqual(
        (await listTokens(administration, ROOT)).map(({ name, roles, maxUses }) => [name, roles, maxUses]),
        [
          [soon.name, ["db", "proxy"], 2],
          [late.name, ["db"], undefined],
        ],
      );
      await administration.remove(ROOT, "token", soon.name);
      assert.deepEqual(
        (await listTokens(administration, ROOT)).map(({ name }) => name),
        [late.name],
      );
      await addToken(administration, ROOT, { now: () => 1_000_000, monotonic: () => 0 }, { roles: ["db"] });
      assert.equal((await listTokens(administration, ROOT)).length, 1, "one that has expired is not seen");
    }));

  it("stand in no event and no error with more than their end", () =>
    withCluster(HELPDESK, async ({ administration, events, actor }) => {
      const joe = await actor("joe");
      const { name } = await addToken(administration, joe, systemClock, { roles: ["db"] });
      const refusals = [
        addToken(administration, joe, systemClock, { roles: ["db"], value: name }),
        administration.remove(joe, "token", name),
        administration.get(ROOT, "token", `x${name}`),
        administration.create(ROOT, [...documents(tokenOf(name)), ...documents(tokenOf(name))], { force: true }),
      ];
      for (const refused of await Promise.allSettled(refusals)) {
        assert.equal(refused.status, "rejected");
        assert.ok(!String((refused.reason as Error).message).includes(name), String(refused.reason));
        assert.ok(String((refused.reason as Error).message).includes(name.slice(-8)), String(refused.reason));
      }
      assert.ok(!JSON.stringify(events).includes(name));
      assert.deepEqual(
        events.map(({ event }) => event),
        ["join_token.create", "postern.control.denied"],
      );
    }));
});

function tokenOf(name: string): string {
  return `{kind: token, version: v2, metadata: {name: "${name}", expires: "2999-01-01T00:00:00Z"}, spec: {roles: [Db], join_method: token}}`;
}
