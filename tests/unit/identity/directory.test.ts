import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../../src/base/clock.ts";
import { Directory, type DirectoryContents } from "../../../src/identity/directory.ts";
import { ResourceProblemsError } from "../../../src/identity/problem.ts";
import type { Role } from "../../../src/identity/role.ts";
import type { User } from "../../../src/identity/user.ts";

describe("Directory", () => {
  it("gives the principal of a user, and none for anybody else", () => {
    const directory = directoryOf({
      users: [user("alice", { roles: ["dev"], traits: { team: ["a"] } })],
      roles: [role("dev")],
    });
    assert.deepEqual(directory.principalOf("alice"), {
      name: "alice",
      roles: ["dev"],
      traits: { team: ["a"] },
      mfaVerified: false,
    });
    for (const name of ["Alice", "alice ", "", "toString", "__proto__"])
      assert.equal(directory.principalOf(name), undefined);
  });

  it("gives nobody the trait of bots, which only a login says", () => {
    const directory = directoryOf({ users: [user("mallory", { traits: { bot: ["ci"], team: ["a"] } })] });
    assert.deepEqual(directory.principalOf("mallory")?.traits, { team: ["a"] });
  });

  it("always holds access, editor and auditor, of which only access reaches a database", () => {
    const roles = directoryOf({}).roles();
    assert.deepEqual(
      roles.map(({ name }) => name),
      ["access", "editor", "auditor"],
    );
    assert.deepEqual(roles[0]?.allow, { db_labels: { "*": ["*"] }, db_users: ["{{internal.db_users}}"] });
    assert.deepEqual(
      roles.slice(1).map(({ allow }) => allow),
      [
        { db_labels: {}, db_users: [] },
        { db_labels: {}, db_users: [] },
      ],
    );
  });

  it("refuses a role that would replace a built-in one", () => {
    assert.throws(() => directoryOf({ roles: [role("access")] }), /role "access" is built in and cannot be replaced/);
  });

  it("refuses a user whose role is missing, and guesses the one that was meant", () => {
    assert.throws(
      () => directoryOf({ users: [user("alice", { roles: ["access", "devv"] })], roles: [role("dev1")] }),
      (error: unknown) => {
        assert.ok(error instanceof ResourceProblemsError);
        assert.deepEqual(
          error.problems.map(({ kind, name, path, hint }) => [kind, name, path, hint]),
          [["user", "alice", ["spec", "roles", 1], 'did you mean "dev1"?']],
        );
        return true;
      },
    );
  });

  it("refuses a name that is taken twice", () => {
    assert.throws(() => directoryOf({ users: [user("alice"), user("alice")] }), /user "alice" is defined twice/);
  });

  it("locks a user by name or by role, until the lock ends", () => {
    const clock = clockAt(1000);
    const directory = directoryOf(
      {
        users: [user("alice", { roles: ["dev"] }), user("bob"), user("carol")],
        roles: [role("dev")],
        locks: [
          { name: "a", target: { role: "dev" }, message: "all developers", expires: 2000 },
          { name: "b", target: { user: "bob" } },
        ],
      },
      clock,
    );
    assert.deepEqual(
      ["alice", "bob", "carol", "nobody"].map((name) => directory.lockOf(name)?.name),
      ["a", "b", undefined, undefined],
    );
    clock.time = 2000;
    assert.equal(directory.lockOf("alice"), undefined);
    assert.equal(directory.lockOf("bob")?.name, "b");
  });

  it("counts a user as locked when its own document says so, or when its time is over", () => {
    const clock = clockAt(1000);
    const directory = directoryOf(
      { users: [user("alice", { expires: 1001 }), user("bob", { locked: { message: "gone" } })] },
      clock,
    );
    assert.equal(directory.lockOf("alice"), undefined);
    assert.equal(directory.lockOf("bob")?.message, "gone");
    clock.time = 1001;
    assert.match(directory.lockOf("alice")?.message ?? "", /expired/);
  });

  it("warns of a lock that locks nobody", () => {
    const { warnings } = directoryOf({ users: [user("alice")], locks: [{ name: "l", target: { user: "alcie" } }] });
    assert.deepEqual(
      warnings.map(({ kind, name, hint }) => [kind, name, hint]),
      [["lock", "l", 'did you mean "alice"?']],
    );
  });

  it("cannot be changed through what it was made of or what it gives", () => {
    const traits = { team: ["a"] };
    const roles = ["dev"];
    const directory = directoryOf({ users: [user("alice", { roles, traits })], roles: [role("dev")] });
    const principal = directory.principalOf("alice");
    assert.ok(principal);
    assert.throws(() => (principal.roles as string[]).push("editor"), TypeError);
    assert.throws(() => ((principal.traits as Record<string, unknown>)["team"] = []), TypeError);
    assert.throws(() => roles.push("editor"), TypeError);
    assert.deepEqual(directory.principalOf("alice"), {
      name: "alice",
      roles: ["dev"],
      traits: { team: ["a"] },
      mfaVerified: false,
    });
  });
});

function directoryOf(contents: Partial<DirectoryContents>, clock: Clock = clockAt(0)): Directory {
  return new Directory({ users: [], roles: [], locks: [], ...contents }, clock);
}

function clockAt(time: number): Clock & { time: number } {
  return {
    time,
    now() {
      return this.time;
    },
    monotonic() {
      return this.time;
    },
  };
}

function user(name: string, more: Partial<User> = {}): User {
  return { name, roles: [], traits: {}, ...more };
}

function role(name: string): Role {
  const nothing = { db_labels: {}, db_users: [] };
  return { name, labels: {}, allow: nothing, deny: nothing, options: {}, builtIn: false };
}
