import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AllowedDatabases } from "../../../src/compose/allowed-databases.ts";
import type { HostDatabases } from "../../../src/identity/host-databases.ts";

describe("what an agent tells a cluster that it serves", () => {
  let joined: { readonly stated: { readonly databases: HostDatabases } } | undefined;
  function allowed(): { of: (...names: string[]) => string; warned: string[] } {
    const warned: string[] = [];
    const log = { warn: (fields: object) => void warned.push((fields as { database: string }).database) };
    const membership = {
      get identity() {
        return joined;
      },
    };
    const databases = new AllowedDatabases(membership, log);
    return {
      of: (...names) =>
        databases
          .among(names.map((name) => ({ name })))
          .map(({ name }) => name)
          .join(),
      warned,
    };
  }

  it("is what its certificate names, and it warns once of what is left out", () => {
    joined = { stated: { databases: ["dev-*"] } };
    const { of, warned } = allowed();
    assert.equal(of("dev-a", "prod", "dev-b"), "dev-a,dev-b");
    assert.equal(of("dev-a", "prod", "other"), "dev-a");
    assert.deepEqual(warned, ["prod", "other"]);
    // What was put right and went wrong again is worth a word.
    of("dev-a", "other");
    of("prod", "other");
    assert.deepEqual(warned, ["prod", "other", "prod"]);
  });

  it("is all of them where the certificate names none, and what the next one names when it is renewed", () => {
    joined = { stated: { databases: undefined } };
    const { of, warned } = allowed();
    assert.equal(of("a", "b"), "a,b");
    joined = { stated: { databases: ["b"] } };
    assert.equal(of("a", "b"), "b");
    assert.deepEqual(warned, ["a"]);
    // The certificate has ended.
    joined = undefined;
    assert.equal(of("a", "b"), "b");
  });

  it("is nothing before it has joined, and nobody is warned of that", () => {
    joined = undefined;
    const { of, warned } = allowed();
    assert.equal(of("a"), "");
    assert.deepEqual(warned, []);
  });
});
