import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DocumentError } from "../../../src/identity/problem.ts";
import { parseLock } from "../../../src/identity/lock.ts";
import { parseUser } from "../../../src/identity/user.ts";

describe("parseUser()", () => {
  it("reads roles once each, and traits as lists", () => {
    const { value } = parseUser(
      user({ roles: ["dev", "access", "dev"], traits: { team: ["payments"], groups: null } }),
    );
    assert.deepEqual(value, { name: "alice", roles: ["dev", "access"], traits: { team: ["payments"], groups: [] } });
  });

  it("reads Teleport's own lock and the earlier of two ends; its zero time is no end", () => {
    const spec = { status: { is_locked: "yes", locked_message: "gone" }, expires: "2027-01-02T00:00:00Z" };
    const { value } = parseUser({ ...user(spec), metadata: { name: "alice", expires: "2027-01-01T00:00:00Z" } });
    assert.deepEqual(value.locked, { message: "gone" });
    assert.equal(value.expires, Date.UTC(2027, 0, 1));
    assert.equal(parseUser(user({ expires: "0001-01-01T00:00:00Z" })).value.expires, undefined);
  });

  it("warns of what only Teleport uses", () => {
    assert.deepEqual(
      parseUser(user({ created_by: { user: "x" } })).warnings.map(({ path }) => path.join(".")),
      ["spec.created_by"],
    );
  });

  it("warns of the trait by which policy tells bots from people", () => {
    const { value, warnings } = parseUser(user({ traits: { bot: ["ci"], team: ["payments"] } }));
    assert.deepEqual(
      warnings.map(({ path, message }) => [path.join("."), message]),
      [
        [
          "spec.traits.bot",
          "spec.traits.bot is what a login by a join token says, and of a user it counts for nothing",
        ],
      ],
    );
    assert.deepEqual(value.traits["team"], ["payments"]);
  });

  for (const [what, name] of Object.entries({
    "an empty name": "",
    "a name with a line feed": "a\nb",
    "a name that turns the text round": "alice\u202e",
    "a name with a zero-width space": "ali\u200bce",
    "a name with a space at its end": "alice ",
    "a name in decomposed form": "zoe\u0308",
    "a name of 256 characters": "a".repeat(256),
  })) {
    it(`refuses ${what}, and shows nothing invisible`, () => {
      assert.throws(
        () => parseUser({ ...user({}), metadata: { name } }),
        (error: unknown) => error instanceof DocumentError && !/[\p{Cc}\p{Cf}]/u.test(error.message),
      );
    });
  }

  it("refuses a trait that is a single text, naming it", () => {
    assert.throws(() => parseUser(user({ traits: { team: "payments" } })), /spec\.traits\.team: expected a list/);
  });

  it("refuses a time that is none", () => {
    assert.throws(() => parseUser(user({ expires: "tomorrow" })), /spec\.expires: expected a time, not "tomorrow"/);
  });
});

describe("parseLock()", () => {
  it("reads a lock on a user or on a role", () => {
    assert.deepEqual(parseLock(lock({ target: { user: "alice" }, message: "bye" })).value, {
      name: "l",
      target: { user: "alice" },
      message: "bye",
    });
    assert.deepEqual(parseLock(lock({ target: { role: "dev" }, expires: "2027-01-01T00:00:00Z" })).value, {
      name: "l",
      target: { role: "dev" },
      expires: Date.UTC(2027, 0, 1),
    });
  });

  it("refuses a lock on nothing, on two, or on what cannot be locked here", () => {
    for (const target of [{}, { user: "a", role: "b" }, { node: "n" }]) {
      assert.throws(() => parseLock(lock({ target })), DocumentError);
    }
  });
});

function user(spec: object): object {
  return { kind: "user", version: "v2", metadata: { name: "alice" }, spec };
}

function lock(spec: object): object {
  return { kind: "lock", version: "v2", metadata: { name: "l" }, spec };
}
