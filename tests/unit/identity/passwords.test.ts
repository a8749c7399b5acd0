import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { Secret } from "../../../src/base/secret.ts";
import { PASSWORD_COST, Passwords } from "../../../src/identity/passwords.ts";

// The rules are the same at any cost.
const CHEAP = { ln: 4, r: 8, p: 1 };
const RIGHT = new Secret("correct horse battery");

describe("Passwords", () => {
  it("takes the right password and no other", async () => {
    const passwords = new Passwords({ cost: CHEAP });
    const kept = await passwords.hash(RIGHT);
    assert.deepEqual(await passwords.verify(RIGHT, kept), { ok: true, stale: false });
    assert.deepEqual(await passwords.verify(new Secret("correct horse batterz"), kept), { ok: false, stale: false });
    assert.deepEqual(await passwords.verify(new Secret(""), kept), { ok: false, stale: false });
  });

  it("keeps the PHC form with a salt of its own, and nothing of the password", async () => {
    const passwords = new Passwords({ cost: CHEAP });
    const [one, two] = [await passwords.hash(RIGHT), await passwords.hash(RIGHT)];
    assert.match(one, /^\$scrypt\$ln=4,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    assert.notEqual(one, two);
    assert.equal((one + inspect(passwords, { depth: 9 })).includes("horse"), false);
  });

  it("reads what other tools write: a vector made with Python's hashlib.scrypt", async () => {
    const kept = "$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$LYtM8Mh+uD5qDLQWvjcUOTNEVL2STXzMHwI4lieKYvI";
    assert.deepEqual(await new Passwords({ cost: CHEAP }).verify(RIGHT, kept), { ok: true, stale: false });
  });

  it("by default costs what OWASP asks for", async () => {
    assert.deepEqual(PASSWORD_COST, { ln: 17, r: 8, p: 1 });
    const passwords = new Passwords();
    const kept = await passwords.hash(RIGHT);
    assert.match(kept, /^\$scrypt\$ln=17,r=8,p=1\$/);
    assert.equal((await passwords.verify(RIGHT, kept)).ok, true);
  });

  it("asks for a new hash when the cost has changed, and only of who was right", async () => {
    const kept = await new Passwords({ cost: CHEAP }).hash(RIGHT);
    const dearer = new Passwords({ cost: { ...CHEAP, ln: 5 } });
    assert.deepEqual(await dearer.verify(RIGHT, kept), { ok: true, stale: true });
    assert.deepEqual(await dearer.verify(new Secret("something else"), kept), { ok: false, stale: false });
  });

  it("takes é however a keyboard composes it", async () => {
    const passwords = new Passwords({ cost: CHEAP });
    const kept = await passwords.hash(new Secret("caf\u00e9 caf\u00e9 caf\u00e9"));
    assert.equal((await passwords.verify(new Secret("cafe\u0301 cafe\u0301 cafe\u0301"), kept)).ok, true);
  });

  it("refuses what is too short, too long or not well-formed, without showing it", async () => {
    const passwords = new Passwords({ cost: CHEAP });
    for (const [password, reason] of [
      ["elevenchars", "fewer than 12 characters"],
      // Eleven characters of two UTF-16 units each.
      ["🔑".repeat(11), "fewer than 12 characters"],
      ["x".repeat(1025), "longer than 1024 bytes"],
      ["é".repeat(513), "longer than 1024 bytes"],
      [`${"x".repeat(12)}\ud800`, "well-formed"],
    ] as const) {
      await assert.rejects(passwords.hash(new Secret(password)), (error: Error & { code?: string }) => {
        assert.equal(error.code, "password_invalid");
        assert.ok(error.message.includes(reason), error.message);
        assert.equal(error.message.includes(password), false);
        return true;
      });
    }
    await passwords.hash(new Secret("x".repeat(1024)));
    await passwords.hash(new Secret("twelve chars"));
  });

  it("refuses what is kept in another form, or would cost more than we have", async () => {
    const passwords = new Passwords({ cost: CHEAP });
    const kept = await passwords.hash(RIGHT);
    for (const bad of [
      "",
      "correct horse battery",
      kept.slice(0, -1),
      kept.replace("ln=4", "ln=20"),
      kept.replace("ln=4", "ln=0"),
      kept.replace("p=1", "p=9"),
      kept.replace("scrypt", "argon2id"),
    ]) {
      await assert.rejects(passwords.verify(RIGHT, bad), { code: "password_record_invalid" }, bad);
    }
    assert.throws(() => new Passwords({ cost: { ln: 20, r: 8, p: 1 } }), { code: "password_cost_invalid" });
  });

  it("checks so many at once, lets others wait, and turns away the rest", async () => {
    const passwords = new Passwords({ cost: CHEAP, concurrent: 1, waiting: 2 });
    const tries = Array.from({ length: 5 }, () => passwords.verify(RIGHT, undefined).catch((error: unknown) => error));
    const codes = (await Promise.all(tries)).map((result) => (result as { code?: string }).code);
    assert.deepEqual(codes, [undefined, undefined, undefined, "password_busy", "password_busy"]);
    // All places are free again.
    assert.equal((await passwords.verify(RIGHT, undefined)).ok, false);
  });
});
