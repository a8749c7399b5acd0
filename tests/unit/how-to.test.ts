import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { resolveDatabase } from "../../src/aws/database.ts";
import { loadBuiltinBundle } from "../../src/cli/policy/builtin.ts";
import { loadSources } from "../../src/compose.ts";
import type { ActiveState } from "../../src/compose/active-state.ts";
import { listenersOf } from "../../src/compose/listeners.ts";
import { loadConfig } from "../../src/config/load.ts";
import { accessesOf } from "../../src/dynamodb/accesses.ts";
import { OPERATIONS } from "../../src/dynamodb/catalogue.ts";
import type { TableSchema } from "../../src/dynamodb/key-schema.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";
import { authenticate } from "../../src/gateway/authenticate.ts";
import { policyInput } from "../../src/gateway/facts.ts";

const root = new URL("../../", import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, root), "utf8");

describe("docs/how-to/tenant-items.md", () => {
  const page = text("docs/how-to/tenant-items.md");
  const config = loadConfig(fileURLToPath(new URL("examples/tenants/postern.yaml", root)), {
    env: {},
    validateDatabase: resolveDatabase,
  });
  let state: ActiveState;
  before(async () => {
    ({ state } = await loadSources(config, () => loadBuiltinBundle()));
  });

  /** `allowed`, or the codes of the reasons why not. The packages of policies/ are left to `postern policy test`. */
  const answerTo = (user: string, operation: string, body: string): string => {
    const listener = listenersOf(config, state).find((each) => each.user === user);
    const known = OPERATIONS.find(({ name }) => name === operation);
    assert.ok(listener !== undefined && known !== undefined, `${user} ${operation}`);
    const caller = authenticate(listener, state, Date.now());
    const schemas = { schemaOf: (): TableSchema => ORDERS };
    const accesses = accessesOf(parseRequest(known, Buffer.from(body)), caller.facts.place, schemas);
    const circumstances = { decisionId: "d", operation, ip: "127.0.0.1", userAgent: "", now: 0 };
    const decision = state.policy.decide(policyInput(caller, accesses, circumstances));
    return decision.allow ? "allowed" : decision.reasons.map(({ code }) => code).join(", ");
  };

  it("shows the files of examples/tenants as they are", () => {
    for (const file of ["resources/roles.yaml", "policies/support_hours.rego", "policies/tenants_test.rego"]) {
      assert.ok(page.includes(`\n${text(`examples/tenants/${file}`)}\`\`\`\n`), file);
    }
  });

  it("says of each request what policy answers", () => {
    const rows = [...page.matchAll(/^\| `([\w-]+)` \| `(\w+) (\{.*\})` \| `?(\w+)`? \|$/gm)];
    assert.ok(rows.length >= 14);
    for (const [, user = "", operation = "", body = "", answer = ""] of rows) {
      assert.equal(answerTo(user, operation, body), answer, `${user} ${operation} ${body}`);
    }
    // Each user of the example is allowed something, so that none is denied for another reason than the page's.
    const allowed = new Set(rows.flatMap(([, user, , , answer]) => (answer === "allowed" ? [user] : [])));
    assert.deepEqual(allowed, new Set(["acme-app", "globex-app", "sam"]));
  });

  it("is linked from where people begin", () => {
    assert.ok(text("README.md").includes("docs/how-to/tenant-items.md"));
    assert.ok(text("docs/policy/roles.md").includes("../how-to/tenant-items.md"));
  });
});

const ORDERS: TableSchema = {
  table: "orders",
  id: "1",
  partition: [{ name: "tenant", type: "S" }],
  sort: [{ name: "id", type: "S" }],
  indexes: new Map(),
};
