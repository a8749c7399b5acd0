import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { PosternError } from "../../../src/base/errors.ts";
import { ACTION_TABLE } from "../../../src/dynamodb/catalogue.ts";
import { compilePolicyData, patternsOf, rolesWithPatterns } from "../../../src/policy/data.ts";
import type { RoleConditions, RoleRule, RoleSpec } from "../../../src/policy/roles.ts";

const actions = ACTION_TABLE;
const nothing: RoleConditions = { db_labels: {}, db_users: [] };

function role(name: string, allow: Partial<RoleConditions> = {}, deny: Partial<RoleConditions> = {}): RoleSpec {
  return { name, allow: { ...nothing, ...allow }, deny: { ...nothing, ...deny } };
}

function compiledRule(rule: RoleRule): unknown {
  const data = compilePolicyData([role("r", { db_rules: [rule] })], actions);
  return data.postern.compiled.roles["r"]?.allow?.rules?.list[0];
}

function refusal(...roles: RoleSpec[]): PosternError {
  try {
    compilePolicyData(roles, actions);
  } catch (error) {
    assert.ok(error instanceof PosternError);
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was refused" });
}

describe("compilePolicyData()", () => {
  it("leaves out what can match nothing", () => {
    assert.deepEqual(compilePolicyData([role("empty")], actions).postern.compiled, {
      version: 1,
      roles: { empty: {} },
      indexes: {},
      named_only: Object.fromEntries([...actions.namedOnly].map((action) => [action, true])),
    });
  });

  it("compiles labels key by key, and lets '*': '*' stand for all of them", () => {
    const all = compilePolicyData([role("r", { db_labels: { env: ["dev", "test-*"], team: ["*"] } })], actions);
    assert.deepEqual(all.postern.compiled.roles["r"]?.allow?.labels, {
      all: [
        ["env", { exact: { dev: true }, more: { prefix: ["test-"] } }],
        ["team", { any: true }],
      ],
    });
    const any = compilePolicyData([role("r", { db_labels: { env: ["dev"], "*": ["*"] } })], actions);
    assert.deepEqual(any.postern.compiled.roles["r"]?.allow?.labels, { any: true });
  });

  it("expands names, globs and levels to closed sets, indexed by action", () => {
    const data = compilePolicyData(
      [
        role("r", {
          db_rules: [
            { actions: ["dynamodb:GetItem", "dynamodb:Batch*Item"] },
            { actions: ["permissions"] },
            { actions: ["dynamodb:GetItem"] },
          ],
        }),
      ],
      actions,
    );
    const rules = data.postern.compiled.roles["r"]?.allow?.rules;
    assert.deepEqual(data.postern.compiled.indexes[rules?.index ?? ""], {
      "dynamodb:BatchGetItem": [0],
      "dynamodb:BatchWriteItem": [0],
      "dynamodb:DeleteResourcePolicy": [1],
      "dynamodb:GetItem": [0, 2],
      "dynamodb:PutResourcePolicy": [1],
    });
  });

  it("closes denied actions over their equivalents, one step, and allowed ones not", () => {
    const rule = { actions: ["dynamodb:PutItem"] };
    const { roles, indexes } = compilePolicyData([role("r", { db_rules: [rule] }, { db_rules: [rule] })], actions)
      .postern.compiled;
    const named = (block: "allow" | "deny"): string[] =>
      Object.keys(indexes[roles["r"]?.[block]?.rules?.index ?? ""] ?? {});
    assert.deepEqual(named("allow"), ["dynamodb:PutItem"]);
    assert.deepEqual(named("deny").toSorted(), ["dynamodb:PartiQLInsert", "dynamodb:PutItem"]);
  });

  it("keeps one index for all roles of one shape, so that thousands of roles stay small", () => {
    const roles = Array.from({ length: 2000 }, (_, at) =>
      role(`r${at}`, {
        db_labels: { team: [`t${at}`] },
        db_users: ["X"],
        db_rules: [{ actions: ["read", "write"], tables: [`t${at}-*`] }],
      }),
    );
    const data = compilePolicyData(roles, actions);
    assert.equal(Object.keys(data.postern.compiled.indexes).length, 1);
    assert.ok(JSON.stringify(data).length < 500_000);
  });

  it("puts keys, attributes and indexes one level down", () => {
    assert.deepEqual(
      compiledRule({
        actions: ["read"],
        tables: ["orders"],
        indexes: ["by-*"],
        leading_keys: ["{{user.name}}"],
        attributes: ["id"],
      }),
      {
        tables: { exact: { orders: true } },
        narrow: {
          indexes: { more: { prefix: ["by-"] } },
          leading_keys: { traits: { is: [[null, "", ""]] } },
          attributes: { within: { exact: { id: true }, more: { prefix: ["id.", "id["] } }, over: ["id"] },
        },
      },
    );
    assert.deepEqual(compiledRule({ actions: ["read"] }), {});
  });

  it("keeps conditions and resources beside them, and drops an attribute list that allows all", () => {
    assert.deepEqual(
      compiledRule({
        actions: ["write"],
        full_scan: false,
        return_values: ["NONE"],
        resources: ["arn:aws:s3:::exports/*"],
        attributes: ["*"],
      }),
      {
        resources: { more: { prefix: ["arn:aws:s3:::exports/"] } },
        narrow: { scans: [false], returns: ["NONE"] },
      },
    );
    const denied = compilePolicyData(
      [role("r", {}, { db_rules: [{ actions: ["*"], return_values: ["ALL_NEW"] }] })],
      actions,
    );
    assert.deepEqual(denied.postern.compiled.roles["r"]?.deny?.rules?.list[0]?.narrow?.returns, ["ALL_NEW", "ALL_OLD"]);
  });

  it("reaches a denied bucket whether or not its owner is told, and an allowed one as it is written", () => {
    const resources = ["arn:aws:s3:::secret", "arn:aws:s3::123456789012:ours/*", "arn:aws:kms:*:*:key/*"];
    const compiled = compilePolicyData(
      [role("r", { db_rules: [{ actions: ["*"], resources }] }, { db_rules: [{ actions: ["*"], resources }] })],
      actions,
    ).postern.compiled.roles["r"];
    assert.deepEqual(compiled?.allow?.rules?.list[0]?.resources, {
      exact: { "arn:aws:s3:::secret": true },
      more: { prefix: ["arn:aws:s3::123456789012:ours/"], re: [String.raw`^(?:(?s:arn:aws:kms:.*:.*:key/.*))$`] },
    });
    assert.deepEqual(compiled?.deny?.rules?.list[0]?.resources, {
      exact: { "arn:aws:s3:::secret": true, "arn:aws:s3::123456789012:ours": true, "arn:aws:s3:::ours": true },
      more: {
        prefix: ["arn:aws:s3:::secret/", "arn:aws:s3::123456789012:ours/", "arn:aws:s3:::ours/"],
        affix: [["arn:aws:s3::", ":secret", 19]],
        re: [String.raw`^(?:(?s:arn:aws:s3::.*:secret/.*))$`, String.raw`^(?:(?s:arn:aws:kms:.*:.*:key/.*))$`],
      },
    });
  });

  it("reaches what only its own name allows by that name, its own level, or a denial (pitfalls 25, 26)", () => {
    const reached = (entry: string, block: "allow" | "deny"): boolean => {
      const rules = { db_rules: [{ actions: [entry, "dynamodb:GetItem"] }] };
      const data = compilePolicyData([block === "allow" ? role("r", rules) : role("r", {}, rules)], actions);
      return Object.values(data.postern.compiled.indexes).some((index) => "dynamodb:TagResource" in index);
    };
    for (const entry of ["*", "dynamodb:*", "dynamodb:Tag*", "write"])
      assert.equal(reached(entry, "allow"), false, entry);
    for (const entry of ["dynamodb:TagResource", "tagging"]) assert.equal(reached(entry, "allow"), true, entry);
    for (const entry of ["*", "dynamodb:Tag*", "tagging"]) assert.equal(reached(entry, "deny"), true, entry);
  });

  it("takes a table's ARN among resources for a replica, and in a denial for the table as well", () => {
    const resources = ["arn:aws:dynamodb:eu-*:*:table/orders", "arn:aws:s3:::exports/*"];
    const rules = { db_rules: [{ actions: ["*"], resources }] };
    const compiled = compilePolicyData([role("r", rules, rules)], actions).postern.compiled.roles["r"];
    assert.equal(compiled?.allow?.rules?.list[0]?.homes, undefined);
    assert.deepEqual(compiled?.deny?.rules?.list[0]?.homes, {
      more: { re: [String.raw`^(?:(?s:arn:aws:dynamodb:eu-.*:.*:table/orders))$`] },
    });
  });

  it("refuses a resource that is a part of a table, and a denial of writes that return nothing", () => {
    const rule = (more: Partial<RoleRule>): RoleRule => ({ actions: ["write"], ...more });
    assert.match(
      refusal(
        role("r", { db_rules: [rule({ resources: ["arn:aws:dynamodb:us-east-1:123456789012:table/x/index/y"] })] }),
      ).message,
      /spec\.allow\.db_rules\[0\]\.resources\[0\]/,
    );
    for (const odd of ["my-bucket", "arn:aws:s3:my-bucket", "arn:aws:dynamodb:table/x"])
      assert.ok(refusal(role("r", { db_rules: [rule({ resources: [odd] })] })).message.includes(odd), odd);
    for (const fine of [
      "*",
      "arn:aws:s3:*",
      "arn:aws:dynamodb:eu-west-1:123456789012:table/x",
      "arn:aws:dynamodb:eu-*",
      "arn:aws:kms:*:*:key/*",
      "{{external.arns}}",
      "arn:{{external.rest}}",
    ])
      assert.notDeepEqual(compiledRule(rule({ resources: [fine] })), {}, fine);
    assert.match(refusal(role("r", {}, { db_rules: [rule({ return_values: ["NONE"] })] })).message, /NONE/);
  });

  it("takes __proto__ as the name of a role and of a label", () => {
    const spec = role("__proto__", JSON.parse('{"db_labels": {"__proto__": ["x"]}}') as Partial<RoleConditions>);
    const text = JSON.stringify(compilePolicyData([spec], actions));
    assert.match(text, /"roles":\{"__proto__":\{"allow":\{"labels":\{"all":\[\["__proto__",/);
  });

  it("names role, place and value of an action that does not exist, and guesses what was meant", () => {
    const error = refusal(role("dev", { db_rules: [{ actions: ["read"] }, { actions: ["dynamodb:GetItems"] }] }));
    assert.equal(error.code, "role_action_unknown");
    assert.equal(
      error.message,
      'Cannot load role "dev": spec.allow.db_rules[1].actions[0] "dynamodb:GetItems": there is no such action or access level',
    );
    assert.equal(error.hint, 'did you mean "dynamodb:GetItem"?');
  });

  const guesses: [string, string][] = [
    ["GetItem", 'did you mean "dynamodb:GetItem"?'],
    ["dynamodb:getitem", 'did you mean "dynamodb:GetItem"?'],
    ["reads", 'did you mean "read"?'],
    ["dynamodb:GetItm", 'did you mean "dynamodb:GetItem"?'],
    ["{{external.actions}}", "actions hold no templates; write the actions that are meant"],
    ["TransactGetItems", "TransactGetItems is judged by its parts: write those of dynamodb:GetItem that are meant"],
    [
      "dynamodb:Transact*",
      "such an operation is judged by its parts: write those of dynamodb:GetItem, dynamodb:ConditionCheckItem, dynamodb:PutItem, dynamodb:UpdateItem, dynamodb:DeleteItem that are meant",
    ],
    [
      "s3:GetObject",
      'write an IAM action such as "dynamodb:GetItem", a glob, or one of list, read, write, tagging, permissions',
    ],
  ];
  for (const [action, hint] of guesses) {
    it(`hints at a remedy for ${action}`, () => {
      assert.equal(refusal(role("dev", {}, { db_rules: [{ actions: [action] }] })).hint, hint);
    });
  }

  const refused: [string, string, RoleSpec][] = [
    [
      "a glob that matches no action",
      "role_action_unknown",
      role("r", { db_rules: [{ actions: ["dynamodb:Fetch*"] }] }),
    ],
    [
      "an empty list, which would be no restriction or no rule",
      "role_rule_empty",
      role("r", {}, { db_rules: [{ actions: ["read"], tables: [] }] }),
    ],
    ["the key * with another value", "role_pattern_invalid", role("r", {}, { db_labels: { "*": ["prod"] } })],
    ["a template in a label's key", "role_template_invalid", role("r", { db_labels: { "{{external.k}}": ["x"] } })],
    [
      "an ARN as a table",
      "role_pattern_invalid",
      role("r", {}, { db_rules: [{ actions: ["read"], tables: ["arn:aws:dynamodb:*:*:table/x"] }] }),
    ],
    [
      "a name that is too short for a table",
      "role_pattern_invalid",
      role("r", {}, { db_rules: [{ actions: ["read"], tables: ["ab"] }] }),
    ],
    [
      "a bad template in keys",
      "role_template_invalid",
      role("r", { db_rules: [{ actions: ["read"], leading_keys: ["{{tenant}}"] }] }),
    ],
  ];
  for (const [what, code, spec] of refused) {
    it(`refuses ${what}, with a remedy`, () => {
      const { code: told, hint } = refusal(spec);
      assert.equal(told, code);
      assert.ok(hint !== undefined && hint !== "");
    });
  }

  it("refuses two roles of one name", () => {
    assert.equal(refusal(role("a"), role("a")).code, "role_duplicate");
  });
});

describe("patternsOf()", () => {
  const data = compilePolicyData(
    [
      role("labels", { db_labels: { env: ["^a)|(b$"], re: ["x"] } }),
      role("rules", {}, { db_rules: [{ actions: ["read"], tables: ["a*b*c"], leading_keys: ["*{{external.t}}*"] }] }),
      role("users", { db_users: ["a*b*c"] }),
    ],
    actions,
  );

  it("lists every expression bare and wrapped, each once: one that breaks out of its wrapping is valid only wrapped", () => {
    assert.deepEqual(patternsOf(data), [
      "(?s:a.*b.*c)",
      "^(?:(?s:a.*b.*c))$",
      "^(?:^a)|(b$)$",
      "^(?s:.*.*)$",
      "^a)|(b$",
    ]);
  });

  it("finds the roles that hold one", () => {
    assert.deepEqual(rolesWithPatterns(data, new Set(["^a)|(b$"])), ["labels"]);
    assert.deepEqual(rolesWithPatterns(data, new Set(["(?s:a.*b.*c)"])), ["rules", "users"]);
  });
});
