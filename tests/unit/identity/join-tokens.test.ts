import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  JOIN_TOKEN_TTL,
  joinTokenDocument,
  maskedName,
  newJoinToken,
  parseJoinRoles,
  parseJoinToken,
  useJoinToken,
} from "../../../src/identity/join-tokens.ts";
import { DocumentError } from "../../../src/identity/problem.ts";

const NOW = Date.UTC(2026, 10, 22, 14);
const SECRET = "abcd1234abcd1234abcd1234abcd1234";

describe("newJoinToken()", () => {
  it("makes 128 bits in hex that last 30 minutes", () => {
    const token = newJoinToken({ roles: ["db", "db"], now: NOW });
    assert.match(token.name, /^[0-9a-f]{32}$/);
    assert.notEqual(token.name, newJoinToken({ roles: ["db"], now: NOW }).name);
    assert.deepEqual(token, {
      name: token.name,
      roles: ["db"],
      method: "token",
      allow: [],
      expires: NOW + JOIN_TOKEN_TTL,
      uses: 0,
    });
    assert.equal(JOIN_TOKEN_TTL, 30 * 60_000);
  });

  it("refuses what makes no token, without showing a value that was given", () => {
    for (const request of [
      { roles: [] },
      { roles: ["db"], value: "guessable" },
      { roles: ["db"], value: `${SECRET} ` },
      { roles: ["db"], ttl: 0 },
      { roles: ["db"], ttl: 366 * 24 * 3_600_000 },
      { roles: ["db"], maxUses: 0 },
      { roles: ["db"], maxUses: 1.5 },
      { roles: ["db"], databases: [] },
      { roles: ["db"], databases: ["a\u202e"] },
      { roles: ["db"], databases: Array.from({ length: 40 }, () => "x".repeat(255)) },
      { roles: ["proxy"], databases: ["orders"] },
    ] as const) {
      assert.throws(
        () => newJoinToken({ ...request, now: NOW }),
        (error: Error & { code?: string }) =>
          error.code === "join_token_invalid" && !("value" in request && error.message.includes(request.value)),
      );
    }
  });
});

describe("parseJoinRoles()", () => {
  it("reads --type in any case, and says which word was meant", () => {
    assert.deepEqual(parseJoinRoles("db,Proxy, auth"), ["db", "proxy", "auth"]);
    assert.throws(() => parseJoinRoles("db,prxy"), { code: "join_role_unknown", hint: "did you mean proxy?" });
    assert.throws(() => parseJoinRoles(""), { code: "join_role_unknown" });
    assert.throws(() => parseJoinRoles("constructor"), { code: "join_role_unknown" });
  });
});

describe("maskedName()", () => {
  it("shows the end of a secret, and all of a name that is none", () => {
    assert.equal(maskedName({ name: SECRET, method: "token" }), `${"*".repeat(24)}abcd1234`);
    assert.equal(maskedName({ name: "s".repeat(16), method: "token" }), `${"*".repeat(12)}ssss`);
    assert.equal(maskedName({ name: "x".repeat(200), method: "token" }).replaceAll("*", ""), "xxxxxxxx");
    assert.equal(maskedName({ name: "iam-agents", method: "iam" }), "iam-agents");
  });
});

describe("useJoinToken()", () => {
  const attempt = { role: "db", method: "token", now: NOW } as const;

  it("lets everybody in until it expires, and has nothing to write", () => {
    const token = newJoinToken({ roles: ["db"], now: NOW });
    assert.equal(useJoinToken(token, attempt), token);
    assert.equal(useJoinToken(token, { ...attempt, now: NOW + JOIN_TOKEN_TTL - 1 }), token);
    assert.throws(() => useJoinToken(token, { ...attempt, now: NOW + JOIN_TOKEN_TTL }), { code: "join_token_expired" });
  });

  it("counts down where it has a number of uses", () => {
    const token = newJoinToken({ roles: ["db"], maxUses: 2, now: NOW });
    const spent = useJoinToken(useJoinToken(token, attempt), attempt);
    assert.equal(spent.uses, 2);
    assert.throws(() => useJoinToken(spent, attempt), { code: "join_token_used_up" });
    // What is kept goes through the document.
    const { value } = parseJoinToken(joinTokenDocument(spent));
    assert.throws(() => useJoinToken(value, attempt), { code: "join_token_used_up" });
  });
});

describe("parseJoinToken()", () => {
  it("reads the guide's form, and back", () => {
    const { value, warnings } = parseJoinToken({
      kind: "token",
      version: "v2",
      metadata: { name: "iam-agents", expires: "2027-01-01T00:00:00Z" },
      spec: {
        roles: ["Db"],
        join_method: "iam",
        allow: [{ aws_account: "123456789012", aws_arn: "arn:aws:sts::123456789012:assumed-role/agents/i-*" }],
      },
    });
    assert.deepEqual(warnings, []);
    assert.deepEqual(value, {
      name: "iam-agents",
      expires: Date.UTC(2027, 0, 1),
      roles: ["db"],
      method: "iam",
      allow: [{ aws_account: "123456789012", aws_arn: "arn:aws:sts::123456789012:assumed-role/agents/i-*" }],
      uses: 0,
    });
    assert.deepEqual(parseJoinToken(joinTokenDocument(value)).value, value);
    const made = newJoinToken({ roles: ["db", "auth"], maxUses: 3, labels: { team: "x" }, now: NOW });
    assert.deepEqual(parseJoinToken(joinTokenDocument(made)).value, made);
  });

  it("keeps the databases that it names, each once", () => {
    const { value } = parseJoinToken(token({ databases: ["orders-*", "users", "orders-*"] }));
    assert.deepEqual(value.databases, ["orders-*", "users"]);
    assert.deepEqual(parseJoinToken(joinTokenDocument(value)).value, value);
    const made = newJoinToken({ roles: ["db"], databases: ["dev-*"], now: NOW });
    assert.deepEqual(parseJoinToken(joinTokenDocument(made)).value, made);
    assert.equal("databases" in parseJoinToken(token({})).value, false);
  });

  it("warns of a secret that lasts for ever", () => {
    const { warnings } = parseJoinToken(token({}, {}));
    assert.deepEqual(
      warnings.map(({ message }) => message),
      ["metadata.expires: is missing, so whoever ever learns this token can join"],
    );
  });

  for (const [what, document, message, hint] of [
    ["an unknown key", token({ join_methd: "iam" }), 'spec: unknown key "join_methd"', 'did you mean "join_method"?'],
    [
      "an unknown role",
      token({ roles: ["Proxi"] }),
      'spec.roles[0]: no service joins as "Proxi"',
      "did you mean Proxy?",
    ],
    ["no role", token({ roles: [] }), "spec.roles: names no role: expected Db, Proxy, Auth or Bot", undefined],
    [
      "another method",
      token({ join_method: "ec2" }),
      'spec.join_method: expected token, iam, github or kubernetes, not "ec2"',
      undefined,
    ],
    [
      "iam without rules",
      token({ join_method: "iam" }),
      "spec.allow: is empty, so nobody could join",
      'write [{aws_account: "123456789012"}]',
    ],
    [
      "rules without iam",
      token({ allow: [{ aws_account: "123456789012" }] }),
      "spec.allow: counts for join_method: iam only",
      "write join_method: iam, or remove it",
    ],
    [
      "an account that is none",
      iam({ aws_account: "123" }),
      'spec.allow[0].aws_account: expected the 12 digits of an AWS account, in quotes, not "123"',
      undefined,
    ],
    [
      "an ARN of another account",
      iam({ aws_arn: "arn:aws:iam::999999999999:role/x" }),
      'spec.allow[0].aws_arn: is in account "999999999999", aws_account is 123456789012',
      "write the same in both",
    ],
    ["too many uses", token({ max_uses: 0 }), "spec.max_uses: expected 1 or more, not 0", undefined],
    [
      "an empty list of databases, which could be meant as any",
      token({ databases: [] }),
      "spec.databases: names no database",
      'write names or patterns, such as ["orders-*"], or leave it out: any database',
    ],
    [
      "a database that nothing can be called",
      token({ databases: ["orders", " x"] }),
      'spec.databases: holds " x", which names no database: the name begins or ends with a space',
      'write names or patterns, such as ["orders-*"], or leave it out: any database',
    ],
    [
      "databases of who serves none",
      token({ roles: ["Proxy"], databases: ["orders"] }),
      "spec.databases: counts for role Db only",
      "write roles: [Db], or remove it",
    ],
    [
      "a key of another method",
      token({ aws_iid_ttl: "4h" }),
      "spec.aws_iid_ttl: the ec2 method is not available in this version",
      "use join_method: iam",
    ],
  ] as const) {
    it(`refuses ${what}, and says what to write`, () => {
      assert.throws(
        () => parseJoinToken(document),
        (error) => {
          assert.ok(error instanceof DocumentError);
          assert.equal(error.code, "token_invalid");
          assert.equal(error.problems[0]?.message, message);
          if (hint !== undefined) assert.equal(error.hint, hint);
          return true;
        },
      );
    });
  }

  it("refuses ARNs that STS never states", () => {
    for (const aws_arn of [
      "*",
      "arn:aws:iam::123456789012:*",
      "arn:aws:iam::123456789012:role/team/agents",
      "arn:aws:sts::123456789012:assumed-role/agents",
      "arn:aws:sts::123456789012:assumed-role/team/agents/i-1",
      "arn:aws:sts::*:assumed-role/agents/i-1",
      "arn:aws:sts:us-east-1:123456789012:assumed-role/agents/i-1",
      "arn:gcp:iam::123456789012:role/x",
    ])
      assert.throws(() => parseJoinToken(iam({ aws_arn })), { code: "token_invalid" }, aws_arn);
  });

  it("never shows a name that may be the secret", () => {
    for (const name of ["sixteen chars\u200b ok", "short-secret", "with space inside it"]) {
      assert.throws(
        () => parseJoinToken(token({}, { name })),
        (error: Error & { hint?: string }) => !`${error.message} ${error.hint}`.includes(name.slice(0, 5)),
      );
    }
  });
});

function token(spec: object, metadata: object = { expires: "2027-01-01T00:00:00Z" }): Record<string, unknown> {
  return { kind: "token", version: "v2", metadata: { name: SECRET, ...metadata }, spec: { roles: ["Db"], ...spec } };
}

function iam(rule: object): Record<string, unknown> {
  return token({ join_method: "iam", allow: [{ aws_account: "123456789012", ...rule }] });
}
