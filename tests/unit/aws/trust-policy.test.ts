import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { othersIn } from "../../../src/aws/trust-policy.ts";

const OWN_USER = "arn:aws:iam::123456789012:user/gateway";
const OWN_SESSION = "arn:aws:sts::123456789012:assumed-role/gateway/i-0123456789";
const allow = (Principal: unknown, more: object = {}) =>
  ({ Statement: [{ Effect: "Allow", Principal, Action: "sts:AssumeRole", ...more }] }) as never;

describe("othersIn()", () => {
  it("finds nobody in a policy that trusts the gateway alone, as a user or as the role behind its session", () => {
    assert.deepEqual(othersIn(allow({ AWS: OWN_USER }), OWN_USER), []);
    assert.deepEqual(othersIn(allow({ AWS: ["arn:aws:iam::123456789012:role/gateway"] }), OWN_SESSION), []);
  });

  for (const [what, policy, others] of [
    [
      "another role",
      allow({ AWS: [OWN_USER, "arn:aws:iam::123456789012:role/dev"] }),
      ["arn:aws:iam::123456789012:role/dev"],
    ],
    ["the whole account", allow({ AWS: "arn:aws:iam::123456789012:root" }), ["arn:aws:iam::123456789012:root"]],
    ["everyone", allow("*"), ["everyone (*)"]],
    ["everyone by AWS", allow({ AWS: "*" }), ["everyone (*)"]],
    ["a service", allow({ Service: "ec2.amazonaws.com" }), ["ec2.amazonaws.com"]],
    ["all but some", allow(undefined, { NotPrincipal: { AWS: OWN_USER } }), ["everyone but some (NotPrincipal)"]],
    [
      "a role of the same name in another account",
      allow({ AWS: "arn:aws:iam::999999999999:role/gateway" }),
      ["arn:aws:iam::999999999999:role/gateway"],
    ],
  ] as const) {
    it(`finds ${what}`, () =>
      assert.deepEqual(
        othersIn(policy, OWN_SESSION.replace("assumed-role/gateway/i-0123456789", "x")).filter(
          (name) => name !== OWN_USER,
        ),
        others,
      ));
  }

  it("takes a statement that denies for no way in, and a single statement for a list of one", () => {
    assert.deepEqual(othersIn({ Statement: { Effect: "Deny", Principal: "*" } }, OWN_USER), []);
    assert.deepEqual(othersIn({ Statement: { Effect: "Allow", Principal: { AWS: OWN_USER } } }, OWN_USER), []);
    assert.deepEqual(othersIn({}, OWN_USER), []);
  });
});
