import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readHostClaims, writeClaims } from "../../../src/identity/certificate-claims.ts";
import { mayServe } from "../../../src/identity/host-databases.ts";

describe("the databases of a service", () => {
  it("are any, where nobody named some", () => {
    assert.ok(mayServe(undefined, "prod"));
    assert.ok(!mayServe([], "prod"));
  });

  it("are names to the letter, and patterns", () => {
    const named = ["orders", "dev-*", "*-of-alice"];
    for (const name of ["orders", "dev-", "dev-prod", "x-of-alice"]) assert.ok(mayServe(named, name), name);
    for (const name of ["order", "orders2", "Orders", "prod-dev-x", "dev", "x-of-alice2", "prod", ""])
      assert.ok(!mayServe(named, name), name);
  });

  it("are in claims that whoever does not know of them reads as none", () => {
    const claims = { cluster: "example", role: "db", databases: ["dev-*"] } as const;
    assert.deepEqual(readHostClaims(writeClaims(claims)), claims);
    // As a version before this one reads: a member that is not known voids the whole.
    for (const text of [
      '{"cluster":"example","databases":["dev-*"],"limits":[],"role":"db"}',
      '{"cluster":"example","databases":"dev-*","role":"db"}',
      '{"cluster":"example","databases":null,"role":"db"}',
      '{"cluster":"example","databases":["dev-*"],"databases":["*"],"role":"db"}',
      '{"cluster":"example","databases":["dev-*"],"role":"proxy"}',
    ])
      assert.equal(readHostClaims(Buffer.from(text)), undefined, text);
  });
});
