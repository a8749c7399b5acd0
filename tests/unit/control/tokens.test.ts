import assert from "node:assert/strict";
import { it } from "node:test";

import { documents, ROOT, startTestCluster } from "../../support/cluster.ts";

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
const NAME = "0123456789abcdef0123456789abcdef";
const TOKEN = `{kind: token, version: v2, metadata: {name: "${NAME}", expires: "2999-01-01T00:00:00Z"}, spec: {roles: [Db], join_method: token}}`;

it("join tokens stand in no event and no error with more than their end", async () => {
  const cluster = await startTestCluster(HELPDESK);
  try {
    const { administration, events } = cluster;
    const joe = await cluster.actor("joe");
    await administration.create(joe, documents(TOKEN), { force: false });
    const refusals = [
      administration.create(joe, documents(TOKEN), { force: false }),
      administration.remove(joe, "token", NAME),
      administration.get(ROOT, "token", `x${NAME}`),
      administration.create(ROOT, documents(`${TOKEN}\n---\n${TOKEN}`), { force: true }),
    ];
    for (const refused of await Promise.allSettled(refusals)) {
      assert.equal(refused.status, "rejected");
      const told = (refused.reason as Error).message;
      assert.ok(!told.includes(NAME) && told.includes(NAME.slice(-8)), told);
    }
    assert.ok(!JSON.stringify(events).includes(NAME));
    assert.deepEqual(
      new Set(events.map(({ event }) => event)),
      new Set(["join_token.create", "postern.control.denied", "postern.control.refused"]),
    );
  } finally {
    await cluster.close();
  }
});
