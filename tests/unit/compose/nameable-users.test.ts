import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nameableUsers } from "../../../src/compose/nameable-users.ts";
import { parseRole, type Role } from "../../../src/identity/role.ts";

const ACCOUNT = "123456789012";
const role = (allow: readonly string[], deny: readonly string[] = []): Role =>
  parseRole({
    kind: "role",
    version: "v7",
    metadata: { name: "r" },
    spec: { allow: { db_labels: { "*": "*" }, db_users: allow }, deny: { db_users: deny } },
  }).value;
const ask = (
  granting: readonly Role[],
  { traits = {}, others = [] }: { traits?: Record<string, string[]>; others?: readonly Role[] } = {},
): unknown => {
  const { allowed, denied } = nameableUsers(
    { name: "alice", traits },
    { granting, held: [...granting, ...others], accountId: ACCOUNT },
  );
  return [allowed, denied];
};

describe("the AWS roles that a user may name", () => {
  it("are those of the roles whose labels fit, each once, as short as they can be written", () => {
    const spellings = ["X", "role/X", `arn:aws:iam::${ACCOUNT}:role/X`, "team/Y", "arn:aws:iam::999999999999:role/Z"];
    assert.deepEqual(ask([role(spellings), role(["X"])]), [["X", "team/Y"], []]);
  });

  it("have traits filled in; one that is missing allows nothing and denies everything", () => {
    const own = role(["{{internal.db_users}}", "app-{{user.name}}", "{{external.none}}"]);
    assert.deepEqual(ask([own], { traits: { db_users: ["A", "B"] } }), [["A", "B", "app-alice"], []]);
    assert.deepEqual(ask([role(["A"], ["{{external.none}}"])]), [[], []]);
    assert.deepEqual(ask([role(["A"], ["{{external.t}}"])], { traits: { t: ["B"] } }), [["A"], []]);
  });

  it("are less what any of the user's roles denies, in whatever spelling and case", () => {
    assert.deepEqual(ask([role(["Admin", "Reader"])], { others: [role([], ["role/admin"])] }), [["Reader"], []]);
    assert.deepEqual(ask([role(["ops/Admin"])], { others: [role([], ["Admin"])] }), [[], []]);
    assert.deepEqual(ask([role(["app-admin-*"])], { others: [role([], ["app-*"])] }), [[], []]);
  });

  it("tell what is denied only where a pattern allows more than can be listed", () => {
    assert.deepEqual(ask([role(["*"])], { others: [role([], ["Admin"])] }), [["*"], ["Admin"]]);
    assert.deepEqual(ask([role(["*"])], { others: [role([], ["*"])] }), [[], []]);
  });

  it("are none without a role that fits", () => {
    assert.deepEqual(ask([]), [[], []]);
  });
});
