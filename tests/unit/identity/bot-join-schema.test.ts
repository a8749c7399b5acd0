import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { joinTokenDocument, maskedName, newJoinToken, parseJoinToken } from "../../../src/identity/join-tokens.ts";
import { DocumentError } from "../../../src/identity/problem.ts";
import { issuerOf } from "../../../src/identity/workload-tokens.ts";

const JWKS = JSON.stringify({ keys: [{ kty: "RSA", kid: "1", n: "sXch", e: "AQAB" }] });
const GITHUB = { allow: [{ repository: "acme/orders" }] };
const KUBERNETES = { type: "static_jwks", static_jwks: { jwks: JWKS }, allow: [{ service_account: "apps:orders" }] };

function token(spec: object): unknown {
  return { kind: "token", version: "v2", metadata: { name: "ci" }, spec: { roles: ["Bot"], bot_name: "ci", ...spec } };
}
const github = (section: object, spec: object = {}): unknown =>
  token({ join_method: "github", github: { ...GITHUB, ...section }, ...spec });
const kubernetes = (section: object): unknown =>
  token({ join_method: "kubernetes", kubernetes: { ...KUBERNETES, ...section } });
const keys = (...all: object[]): unknown => kubernetes({ static_jwks: { jwks: JSON.stringify({ keys: all }) } });

describe("a join token for bots", () => {
  it("is read and written, and its name is no secret", () => {
    for (const document of [github({ enterprise_slug: "acme" }), kubernetes({})]) {
      const { value, warnings } = parseJoinToken(document);
      assert.deepEqual([warnings, value.roles, value.bot?.user], [[], ["bot"], "ci"]);
      assert.deepEqual(parseJoinToken(joinTokenDocument(value)).value, value);
      assert.equal(maskedName(value), "ci");
    }
  });

  it("names the issuer of its GitHub", () => {
    assert.deepEqual(
      [{}, { enterprise_slug: "acme" }, { enterprise_server_host: "github.internal" }].map((section) =>
        issuerOf({ ...GITHUB, ...section }),
      ),
      [
        "https://token.actions.githubusercontent.com",
        "https://token.actions.githubusercontent.com/acme",
        "https://github.internal/_services/token",
      ],
    );
  });

  it("is not made as a secret", () => {
    assert.throws(() => newJoinToken({ roles: ["bot"], now: 0 }), { code: "join_token_invalid" });
  });

  for (const [what, document, message] of [
    [
      "a rule that anybody's workflow fits",
      github({ allow: [{ ref: "refs/heads/main", actor: "x" }] }),
      "spec.github.allow[0]: says not whose workflows these are",
    ],
    ["no rule", github({ allow: [] }), "spec.github.allow: is empty, so nobody could join"],
    [
      "an address for a host",
      github({ enterprise_server_host: "https://x" }),
      'spec.github.enterprise_server_host: expected a host name, without https://, not "https://x"',
    ],
    [
      "an issuer in a path",
      github({ enterprise_slug: "../x" }),
      'spec.github.enterprise_slug: expected letters, digits and hyphens, not "../x"',
    ],
    [
      "two issuers",
      github({ enterprise_slug: "acme", enterprise_server_host: "x" }),
      "spec.github.enterprise_slug: counts for github.com only",
    ],
    ["no section", token({ join_method: "github" }), "spec.github: is missing, so nobody could join"],
    [
      "another method's section",
      github({}, { kubernetes: KUBERNETES }),
      "spec.kubernetes: counts for join_method: kubernetes only",
    ],
    ["no user", github({}, { bot_name: undefined }), "spec.bot_name: is missing"],
    ["services beside bots", github({}, { roles: ["Bot", "Db"] }), "spec.roles: a bot's token is for Bot alone"],
    ["services by a bot's method", github({}, { roles: ["Db"] }), "spec.roles: a bot's token is for Bot alone"],
    ["a secret in the place of a proof", token({}), "spec.join_method: bots join by what they prove, not by a secret"],
    [
      "an AWS identity",
      token({ join_method: "iam", allow: [{ aws_account: "123456789012" }] }),
      "spec.join_method: bots join by what they prove, not by a secret",
    ],
    ["a user for services", token({ roles: ["Db"] }), "spec.bot_name: counts for role Bot only"],
    [
      "keys that are no JSON",
      kubernetes({ static_jwks: { jwks: "{" } }),
      "spec.kubernetes.static_jwks.jwks: is not JSON",
    ],
    [
      "a private key",
      keys({ kty: "EC", kid: "1", x: "a", y: "b", d: "secret" }),
      "spec.kubernetes.static_jwks.jwks: holds a private key",
    ],
    [
      "a shared key",
      keys({ kty: "oct", kid: "1", k: "secret" }),
      "spec.kubernetes.static_jwks.jwks: holds a private key",
    ],
    ["no key", keys(), "spec.kubernetes.static_jwks.jwks: holds no RSA or EC key"],
    [
      "a service account without its namespace",
      kubernetes({ allow: [{ service_account: "orders" }] }),
      'spec.kubernetes.allow[0].service_account: expected namespace:name, not "orders"',
    ],
    [
      "a wildcard",
      kubernetes({ allow: [{ service_account: "apps:*" }] }),
      'spec.kubernetes.allow[0].service_account: expected namespace:name, not "apps:*"',
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parseJoinToken(document),
        (error) => {
          assert.ok(error instanceof DocumentError);
          assert.ok(
            error.problems.some((problem) => problem.message === message),
            error.problems.map((one) => one.message).join("\n"),
          );
          assert.ok(!error.message.includes('"secret"'));
          return true;
        },
      );
    });
  }
});
