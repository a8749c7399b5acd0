import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AwsError } from "../../../src/aws/errors.ts";
import { sessionName, userTagValue } from "../../../src/aws/session-name.ts";

const STS = /^[\w+=,.@-]{2,64}$/;
const LONG = "remote-raimundo.oliveira@abigcompany.com-teleport.abigcompany.com";
const users = [
  "alice",
  "Alice",
  "al",
  "a",
  "b",
  "é",
  "e",
  "alice@example.com",
  "alice example",
  "alice_example",
  "alice/example",
  "alice:example",
  "日本",
  "日本語",
  "😀",
  "x".repeat(64),
  "x".repeat(65),
  "x".repeat(66),
  "x".repeat(500),
  "é".repeat(65),
  "-",
  "--",
  LONG,
  "okta|user",
  "okta_user",
  "a\u0000b",
  "a\nb",
  " alice",
  "alice ",
  "ALICE@EXAMPLE.COM",
];

describe("sessionName()", () => {
  it("leaves a name that STS takes as it is", () => {
    for (const user of ["alice", "alice@example.com", "x+=,.@-_", "x".repeat(64)])
      assert.equal(sessionName(user), user);
  });

  it("cuts a long name as Teleport does", () => {
    assert.equal(sessionName(LONG), "remote-raimundo.oliveira@abigcompany.com-telepo-8fe1f87e599b043e");
  });

  it("is always a name that STS takes", () => {
    for (const user of users) assert.match(sessionName(user), STS, user);
  });

  it("never gives two users one name (pitfall 57), not even a user named like another's outcome, three times over", () => {
    const all = new Set(users);
    for (let round = 0; round < 3; round += 1) for (const user of [...all]) all.add(sessionName(user));
    assert.ok(all.size > users.length);
    // A name that stays as it is maps to itself; every other one must map to a name of its own.
    const names = new Map<string, string>();
    for (const user of all) {
      const name = sessionName(user);
      assert.equal(names.get(name), undefined, `${user} and ${names.get(name)} are both ${name}`);
      names.set(name, user);
    }
  });

  it("keeps the readable part readable", () => assert.match(sessionName("zoë smith"), /^zo__smith-[0-9a-f]{24}$/));

  for (const user of ["", "\ud800", "a\udfff"]) {
    it(`refuses ${JSON.stringify(user)}`, () => {
      assert.throws(
        () => sessionName(user),
        (error: unknown) => error instanceof AwsError && error.code === "session_name_invalid",
      );
    });
  }
});

describe("userTagValue()", () => {
  it("is the name itself where a tag can hold it", () => {
    for (const user of ["zoë smith", "a", "alice:example", "x".repeat(256)]) assert.equal(userTagValue(user), user);
  });

  it("is the session name where it cannot", () => assert.equal(userTagValue("okta|user"), sessionName("okta|user")));

  it("never gives two users one value", () => {
    const all = new Set(users);
    for (const user of users) all.add(sessionName(user)).add(userTagValue(user));
    const values = [...all].map(userTagValue);
    assert.equal(new Set(values).size, all.size);
  });
});
