import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DocumentError, type Problem } from "../../../src/identity/problem.ts";
import { parseRole } from "../../../src/identity/role.ts";
import type { RoleSpec } from "../../../src/policy/roles.ts";

describe("parseRole()", () => {
  it("reads the guide's role, and policy can use it as it is", () => {
    const { value, warnings } = parseRole(
      role({ allow: { db_labels: { "*": "*" }, db_users: ["ExampleTeleportDynamoDBRole"] } }),
    );
    const spec: RoleSpec = value;
    assert.deepEqual(spec, {
      name: "dev",
      labels: {},
      allow: { db_labels: { "*": ["*"] }, db_users: ["ExampleTeleportDynamoDBRole"] },
      deny: { db_labels: {}, db_users: [] },
      options: {},
      builtIn: false,
    });
    assert.deepEqual(warnings, []);
  });

  it("reads rules in both blocks and writes single labels out as lists", () => {
    const rule = {
      actions: ["dynamodb:GetItem", "read"],
      tables: ["orders"],
      indexes: ["by-*"],
      leading_keys: ["{{user.name}}"],
      attributes: ["id"],
    };
    const { value } = parseRole(
      role({
        allow: { db_labels: { env: "dev", tier: ["a", "b"] }, db_rules: [rule] },
        deny: { db_rules: [{ actions: ["*"] }] },
      }),
    );
    assert.deepEqual(value.allow, { db_labels: { env: ["dev"], tier: ["a", "b"] }, db_users: [], db_rules: [rule] });
    assert.deepEqual(value.deny, { db_labels: {}, db_users: [], db_rules: [{ actions: ["*"] }] });
  });

  for (const version of ["v4", "v5", "v6", "v7", "v8"]) {
    it(`reads version ${version}`, () => assert.equal(parseRole(role({}, { version })).value.name, "dev"));
  }

  it("refuses version v3, whose roles reach every database by default, and says so", () => {
    const [problem] = problemsOf(role({}, { version: "v3" }));
    assert.deepEqual(problem?.path, ["version"]);
    assert.match(problem?.hint ?? "", /v7.*db_labels/);
  });

  it("names every fault of a document at once, with path and remedy", () => {
    const problems = problemsOf(
      role({
        allow: { db_lables: { a: "b" }, db_users: "X", db_rules: [{ action: ["read"] }, { actions: [], tables: [] }] },
        options: { max_session_ttl: "8x" },
      }),
    );
    assert.deepEqual(
      problems.map(({ path, hint }) => [path.join("."), hint]),
      [
        ["spec.allow.db_users", "write it as a list: [value]"],
        ["spec.allow.db_rules.0.actions", "add it"],
        ["spec.allow.db_rules.0.action", 'did you mean "actions"?'],
        ["spec.allow.db_rules.1.actions", "write '*' for every action"],
        ["spec.allow.db_rules.1.tables", "leave tables out for all"],
        ["spec.allow.db_lables", 'did you mean "db_labels"?'],
        ["spec.options.max_session_ttl", "write it as 8h or 1h30m"],
      ],
    );
  });

  // Each of these read as "nothing" in one place and "everything" in another would grant or fail to deny.
  for (const [what, spec] of Object.entries({
    "a rule without actions": { deny: { db_rules: [{ actions: [] }] } },
    "a rule with an empty list of tables": { deny: { db_rules: [{ actions: ["*"], tables: [] }] } },
    "an empty list of rules": { allow: { db_rules: [] } },
    "a label without values": { deny: { db_labels: { env: [] } } },
    "an empty db_user": { deny: { db_users: [""] } },
    "a label with a number": { deny: { db_labels: { env: [1] } } },
    "a label with null": { deny: { db_labels: { env: null } } },
  })) {
    it(`refuses ${what}`, () => assert.equal(problemsOf(role(spec)).length, 1));
  }

  it("reads rules over the cluster's own resources", () => {
    const rules = [{ resources: ["role", "*"], verbs: ["list", "read", "create", "update", "delete", "*"] }];
    const { value } = parseRole(role({ allow: { rules }, deny: { rules: [] } }));
    assert.deepEqual(value.allow.rules, rules);
    assert.equal("rules" in value.deny, false);
  });

  it("refuses words in them that would name nothing, with what was meant", () => {
    const rules = [
      { resources: ["rol"], verbs: ["delet"] },
      { resources: [], verbs: ["*"], where: "true" },
    ];
    assert.deepEqual(
      problemsOf(role({ deny: { rules } })).map(({ path, hint }) => [path.join("."), hint]),
      [
        ["spec.deny.rules.0.resources.0", "did you mean role?"],
        ["spec.deny.rules.0.verbs.0", "did you mean delete?"],
        ["spec.deny.rules.1.resources", "write '*' for all resources"],
        ["spec.deny.rules.1.where", "remove the rule, or the condition"],
      ],
    );
  });

  for (const [key, remedy] of [
    ["db_names", /db_labels/],
    ["db_permissions", /db_rules/],
    ["db_labels_expression", /db_labels/],
  ] as const) {
    it(`refuses Teleport's ${key} and explains`, () => {
      const [problem, ...rest] = problemsOf(role({ allow: { [key]: ["x"] } }));
      assert.deepEqual(rest, []);
      assert.deepEqual(problem?.path, ["spec", "allow", key]);
      assert.match(problem?.hint ?? "", remedy);
    });
  }

  // The value, the reason and the remedy of whatever a rule can hold that is not what it should be.
  for (const [rule, value, remedy] of [
    [{ leading_keys: "acme" }, '"acme"', /as a list/],
    [{ leading_keys: [7] }, "7", /in quotes/],
    [{ leading_keys: [{ "external.tenant": null }] }, "a mapping", /in quotes/],
    [{ leading_keys: null }, "null", /leave the key out/],
    [{ leading_keys: [""] }, "an entry of leading_keys is empty", /remove it/],
    [{ attributes: { id: 1 } }, "a mapping", /as a list/],
    [{ attributes: [] }, "the list is empty", /leave attributes out/],
    [{ resources: "arn:aws:s3:::x" }, '"arn:aws:s3:::x"', /as a list/],
    [{ full_scan: "yes" }, '"yes"', /true or false, without quotes/],
    [{ full_scan: null }, "null", /leave the key out/],
    [{ return_values: [] }, "the list is empty", /leave return_values out/],
    [{ return_values: "NONE" }, '"NONE"', /as a list/],
    [{ return_values: ["all_new"] }, '"all_new"', /ALL_NEW/],
    [{ partition_keys: ["a"] }, '"partition_keys"', /its keys are actions, tables, .*leading_keys/],
  ] as const) {
    it(`names the value, the reason and the remedy of ${JSON.stringify(rule)}`, () => {
      const [problem, ...rest] = problemsOf(role({ deny: { db_rules: [{ actions: ["read"], ...rule }] } }));
      assert.deepEqual(rest, []);
      assert.equal(problem?.path.slice(0, 4).join("."), "spec.deny.db_rules.0");
      assert.ok(problem.message.startsWith("spec.deny.db_rules[0]"), problem.message);
      assert.ok(problem.message.includes(value), problem.message);
      assert.match(problem.hint ?? "", remedy);
    });
  }

  it("warns of entries that are read as they stand and seldom meant so", () => {
    const rule = { actions: ["read"], leading_keys: ["^a$", "^b"], attributes: ["#s", "a#"], full_scan: true };
    const { value, warnings } = parseRole(role({ allow: { db_rules: [rule] }, deny: { db_rules: [rule] } }));
    assert.deepEqual(value.allow.db_rules, [rule]);
    assert.deepEqual(
      warnings.map(({ path }) => path.slice(1).join(".")),
      [
        "allow.db_rules.0.leading_keys.0",
        "allow.db_rules.0.attributes.0",
        "allow.db_rules.0.full_scan",
        "deny.db_rules.0.leading_keys.0",
        "deny.db_rules.0.attributes.0",
      ],
    );
    assert.ok(warnings.every(({ hint }) => hint !== undefined));
  });

  it("reads past what concerns other kinds of resource, with a warning for each that says something", () => {
    const { warnings } = parseRole(
      role({
        allow: { logins: ["root"], node_labels: { "*": "*" }, kubernetes_groups: null, app_labels: {} },
        options: { forward_agent: true },
      }),
    );
    assert.deepEqual(
      warnings.map(({ path }) => path.join(".")),
      ["spec.allow.logins", "spec.allow.node_labels", "spec.options.forward_agent"],
    );
  });

  it("refuses an option that would restrict access and is not enforced, but not its harmless value", () => {
    assert.deepEqual(
      problemsOf(role({ options: { require_session_mfa: true, pin_source_ip: "yes" } })).map(({ path }) =>
        path.join("."),
      ),
      ["spec.options.require_session_mfa", "spec.options.pin_source_ip"],
    );
    assert.deepEqual(
      parseRole(role({ options: { require_session_mfa: false, pin_source_ip: "no", max_session_ttl: "30h0m0s" } }))
        .value.options,
      {
        max_session_ttl: 108_000_000,
      },
    );
  });

  it("refuses a role that expires, for its denials would end too", () => {
    const [problem] = problemsOf({ ...role({}), metadata: { name: "dev", expires: "2027-01-01T00:00:00Z" } });
    assert.deepEqual(problem?.path, ["metadata", "expires"]);
  });

  for (const [what, document] of Object.entries({ "a number": 3, nothing: null, "a list": [], "a text": "role" })) {
    it(`refuses ${what} instead of a document`, () => assert.equal(problemsOf(document).length > 0, true));
  }

  it("names role and remedy in its error", () => {
    assert.throws(() => parseRole(role({ allow: { db_user: [] } })), {
      code: "role_invalid",
      message: 'Cannot load role "dev": spec.allow: unknown key "db_user"',
      hint: 'did you mean "db_users"?',
    });
  });
});

function role(spec: object, more: object = {}): object {
  return { kind: "role", version: "v7", metadata: { name: "dev" }, spec, ...more };
}

function problemsOf(document: unknown): readonly Problem[] {
  try {
    parseRole(document);
  } catch (thrown) {
    if (thrown instanceof DocumentError) return thrown.problems;
    throw thrown;
  }
  return [];
}
