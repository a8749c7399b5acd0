import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { type OidcConnector, parseOidcConnector, userOfClaims } from "../../../src/identity/oidc-connector.ts";
import { DocumentError } from "../../../src/identity/problem.ts";

const CLAIMS = {
  sub: "1",
  email: "alice@example.com",
  email_verified: true,
  groups: ["dev", "ops-eu"],
  iss: "https://x",
};

describe("parseOidcConnector()", () => {
  it("reads Teleport's form", () => {
    const { value } = parseOidcConnector(connector());
    assert.equal(value.clientSecret?.reveal(), "hunter2hunter2");
    assert.equal(inspect(value).includes("hunter2"), false);
    const { clientSecret: _secret, ...rest } = value;
    assert.deepEqual(rest, {
      name: "example",
      issuerUrl: "https://id.example.com",
      clientId: "postern",
      redirectUrls: ["https://postern.example.com/callback"],
      scopes: ["openid", "email", "groups"],
      usernameClaim: "email",
      allowUnverifiedEmail: false,
      claimsToRoles: [
        { claim: "groups", value: "dev", roles: ["dev"] },
        { claim: "groups", value: "ops-*", roles: ["ops", "dev"] },
      ],
    });
    const public_ = parseOidcConnector(
      connector({
        client_secret: undefined,
        issuer_url: "http://127.0.0.1:9000/x",
        redirect_url: ["http://localhost:1/cb"],
      }),
    ).value;
    assert.equal(public_.clientSecret, undefined);
  });

  for (const [what, spec, message] of [
    ["an unknown key", { isuer_url: "x" }, 'spec: unknown key "isuer_url"'],
    [
      "plain HTTP",
      { issuer_url: "http://id.example.com" },
      "spec.issuer_url: expected an https:// address without ? and #",
    ],
    [
      "a query",
      { issuer_url: "https://id.example.com/?a" },
      "spec.issuer_url: expected an https:// address without ? and #",
    ],
    [
      "somebody in the address",
      { issuer_url: "https://a@id.example.com/" },
      "spec.issuer_url: expected an https:// address without ? and #",
    ],
    ["no roles at all", { claims_to_roles: [] }, "spec.claims_to_roles: is empty, so nobody would have a role"],
    [
      "a regular expression",
      rule({ value: "^dev$" }),
      'spec.claims_to_roles[0].value: cannot be a regular expression, as "^dev$" is',
    ],
    [
      "a role from the claim",
      rule({ roles: ["$1"] }),
      'spec.claims_to_roles[0].roles[0]: cannot take parts of the claim, as "$1" does',
    ],
    ["a secret that is none", { client_secret: 12345678 }, "spec.client_secret: expected a string, not a number"],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => parseOidcConnector(connector(spec)),
        (error) => {
          assert.ok(error instanceof DocumentError && error.code === "oidc_invalid");
          assert.equal(error.problems[0]?.message, message);
          assert.doesNotMatch(error.message, /12345678|hunter2/);
          return true;
        },
      );
    });
  }
});

describe("userOfClaims()", () => {
  const { value } = parseOidcConnector(connector());

  it("makes roles and traits of claims, and none of what the token says of itself", () => {
    const claims = { ...CLAIMS, age: 7, mixed: ["a", 1], team: "payments", nested: { a: "b" } };
    assert.deepEqual(userOfClaims(value, claims), {
      name: "alice@example.com",
      roles: ["dev", "ops"],
      traits: { sub: ["1"], email: ["alice@example.com"], groups: ["dev", "ops-eu"], team: ["payments"] },
    });
  });

  it("lets nobody in without a role, whatever else the claims say", () => {
    for (const groups of [[], ["devs"], ["DEV"], ["xops-eu"], "opsx", undefined, { dev: true }, [["dev"]]])
      assert.throws(() => userOfClaims(value, { ...CLAIMS, groups }), { code: "oidc_no_roles" });
  });

  it("takes only an address that the provider has verified, unless told otherwise", () => {
    for (const email_verified of [false, "true", undefined])
      assert.throws(() => userOfClaims(value, { ...CLAIMS, email_verified }), { code: "oidc_email_unverified" });
    const trusting: OidcConnector = { ...value, allowUnverifiedEmail: true };
    assert.equal(userOfClaims(trusting, { ...CLAIMS, email_verified: false }).name, "alice@example.com");
    const bySub: OidcConnector = { ...value, usernameClaim: "sub" };
    assert.equal(userOfClaims(bySub, { ...CLAIMS, email_verified: false }).name, "1");
  });

  it("refuses names that are none, and more claims than a person has", () => {
    for (const email of ["", " alice", "al\u200bice", 7, ["alice"], undefined])
      assert.throws(() => userOfClaims(value, { ...CLAIMS, email }), { code: "oidc_claims_invalid" });
    const inherited: OidcConnector = { ...value, usernameClaim: "constructor" };
    assert.throws(() => userOfClaims(inherited, CLAIMS), { code: "oidc_claims_invalid" });
    const many = Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`c${at}`, "x"]));
    assert.throws(() => userOfClaims(value, { ...many, ...CLAIMS }), { code: "oidc_claims_invalid" });
  });

  it("takes a list whole or not at all", () => {
    const groups = Array.from({ length: 1001 }, () => "dev");
    assert.throws(() => userOfClaims(value, { ...CLAIMS, groups }), { code: "oidc_no_roles" });
    assert.throws(() => userOfClaims(value, { ...CLAIMS, groups: ["dev", "x".repeat(1025)] }), {
      code: "oidc_no_roles",
    });
  });
});

function connector(spec: object = {}): Record<string, unknown> {
  return {
    kind: "oidc",
    version: "v3",
    metadata: { name: "example" },
    spec: {
      issuer_url: "https://id.example.com",
      client_id: "postern",
      client_secret: "hunter2hunter2",
      redirect_url: "https://postern.example.com/callback",
      scope: ["groups", "openid"],
      claims_to_roles: [
        { claim: "groups", value: "dev", roles: ["dev"] },
        { claim: "groups", value: "ops-*", roles: ["ops", "dev"] },
      ],
      ...spec,
    },
  };
}

function rule(of: object): object {
  return { claims_to_roles: [{ claim: "groups", value: "dev", roles: ["dev"], ...of }] };
}
