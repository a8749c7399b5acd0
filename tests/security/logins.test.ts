import assert from "node:assert/strict";
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { describe, it, type TestContext } from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { joinTokenDocument, newJoinToken, parseJoinToken, useJoinToken } from "../../src/identity/join-tokens.ts";
import { Lockout, NO_FAILURES } from "../../src/identity/lockout.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import { checkTotp } from "../../src/identity/totp.ts";
import { HOTP, Secret as OtpSecret } from "otpauth";

const NOW = Date.UTC(2026, 10, 22, 14);
const CHEAP = { ln: 4, r: 8, p: 1 };
const RIGHT = new Secret("correct horse battery");

describe("A password that is guessed", () => {
  it("costs the same work for a user who exists, one who does not, and what can be no password", async (t) => {
    const passwords = new Passwords({ cost: CHEAP });
    const kept = await passwords.hash(RIGHT);
    const calls = watchScrypt(t);
    const guess = new Secret("wrong horse battery");
    assert.equal((await passwords.verify(guess, kept)).ok, false);
    assert.equal((await passwords.verify(guess, undefined)).ok, false);
    assert.equal((await passwords.verify(new Secret("short"), kept)).ok, false);
    assert.equal((await passwords.verify(new Secret("x".repeat(5000)), kept)).ok, false);
    assert.equal((await passwords.verify(new Secret(""), undefined)).ok, false);
    assert.equal(calls.length, 5);
    assert.equal(new Set(calls.map((call) => JSON.stringify(call))).size, 1);
  });

  it("is never nobody's, whatever it is", async () => {
    const passwords = new Passwords({ cost: CHEAP });
    for (const guess of ["", "undefined", "correct horse battery"])
      assert.deepEqual(await passwords.verify(new Secret(guess), undefined), { ok: false, stale: false });
  });

  it("is not the same as another that a cut or a fold would make of it", async () => {
    const passwords = new Passwords({ cost: CHEAP });
    const kept = await passwords.hash(new Secret(`${"x".repeat(80)}\u0000secret`));
    for (const guess of [`${"x".repeat(80)}\u0000`, "x".repeat(80), "x".repeat(72), `${"X".repeat(80)}\u0000secret`])
      assert.equal((await passwords.verify(new Secret(guess), kept)).ok, false);
    const ligature = await passwords.hash(new Secret("ﬁne words here"));
    assert.equal((await passwords.verify(new Secret("fine words here"), ligature)).ok, false);
  });
});

describe("A one-time code", () => {
  // One whose codes differ in the steps below.
  const secret = new Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
  const step = Math.floor(NOW / 30_000);
  const codeOf = (counter: number): string => HOTP.generate({ secret: OtpSecret.fromBase32(secret.reveal()), counter });

  it("is taken once, and none of an earlier step after it", () => {
    const first = checkTotp({ secret, code: codeOf(step), lastCounter: undefined, now: NOW });
    assert.deepEqual(first, { ok: true, counter: step });
    for (const counter of [step, step - 1]) {
      const again = checkTotp({ secret, code: codeOf(counter), lastCounter: step, now: NOW });
      assert.deepEqual(again, { ok: false, reason: "used" });
    }
    assert.equal(checkTotp({ secret, code: codeOf(step + 1), lastCounter: step, now: NOW }).ok, true);
  });

  it("is refused when it is wrong, old, early or of another secret", () => {
    const wrong = [step - 2, step + 2, step - 1000].map(codeOf);
    const other = HOTP.generate({ secret: new OtpSecret({ size: 20 }), counter: step });
    const right = new Set([step - 1, step, step + 1].map(codeOf));
    for (const code of [...wrong, other].filter((code) => !right.has(code)))
      assert.deepEqual(checkTotp({ secret, code, lastCounter: undefined, now: NOW }), { ok: false, reason: "wrong" });
  });

  it("is refused when it is no code at all", () => {
    const right = codeOf(step);
    for (const code of [
      "",
      "12345",
      `${right}0`,
      `${right}\n1`,
      "٠٠٥٩٢٤",
      "００５９２４",
      "0x5924",
      "-05924",
      "1e5",
      " ".repeat(1e6),
    ])
      assert.deepEqual(checkTotp({ secret, code, lastCounter: undefined, now: NOW }), {
        ok: false,
        reason: "malformed",
      });
  });
});

describe("Whoever guesses on", () => {
  it("has five guesses in 20 minutes, right ones among the rest not looked at", () => {
    let now = NOW;
    const clock: Clock = { now: () => now, monotonic: () => now };
    const lockout = new Lockout(clock);
    let state = NO_FAILURES;
    let looked = 0;
    // A day of one guess each second.
    for (let second = 0; second < 86_400; second++) {
      if (lockout.lockedUntil(state) === undefined) {
        looked += 1;
        state = lockout.failed(state);
      }
      now += 1000;
    }
    assert.ok(looked <= 365, String(looked));
  });
});

describe("A stranger with a join token", () => {
  it("is told the same whatever is wrong with it", () => {
    const token = newJoinToken({ roles: ["db"], maxUses: 1, now: NOW });
    const spent = useJoinToken(token, { role: "db", method: "token", now: NOW });
    const attempt = { role: "db", method: "token", now: NOW } as const;
    const errors = [
      errorOf(() => useJoinToken(undefined, attempt)),
      errorOf(() => useJoinToken(token, { ...attempt, now: NOW + 86_400_000 })),
      errorOf(() => useJoinToken(spent, attempt)),
      errorOf(() => useJoinToken(token, { ...attempt, role: "auth" })),
      errorOf(() => useJoinToken(token, { ...attempt, method: "iam" })),
    ];
    assert.deepEqual(
      errors.map(({ code }) => code),
      ["join_token_unknown", "join_token_expired", "join_token_used_up", "join_token_unfit", "join_token_unfit"],
    );
    assert.equal(new Set(errors.map(({ message, hint }) => `${message} ${hint}`)).size, 1);
    assert.equal(
      errors.some((error) => JSON.stringify([error.message, error.hint]).includes(token.name)),
      false,
    );
  });

  it("cannot use an iam token's name as if it were a secret", () => {
    const { value } = parseJoinToken({
      kind: "token",
      version: "v2",
      metadata: { name: "iam-agents" },
      spec: { roles: ["Db"], join_method: "iam", allow: [{ aws_account: "123456789012" }] },
    });
    assert.equal(
      errorOf(() => useJoinToken(value, { role: "db", method: "token", now: NOW })).code,
      "join_token_unfit",
    );
    assert.equal(useJoinToken(value, { role: "db", method: "iam", now: NOW }), value);
  });

  it("cannot give a document uses that it has not, or take some away", () => {
    const document = joinTokenDocument(newJoinToken({ roles: ["db"], maxUses: 1, now: NOW }));
    for (const status of [{ uses: -1 }, { uses: 0.5 }, { uses: "0" }, { uses: 0, left: 9 }])
      assert.throws(() => parseJoinToken({ ...document, status }), { code: "token_invalid" });
  });
});

/** What scrypt is asked for from here on: cost, and lengths of salt and key. */
function watchScrypt(t: TestContext): unknown[] {
  const calls: unknown[] = [];
  const real = crypto.scrypt;
  const watching = (password: unknown, salt: Uint8Array, length: number, options: object, done: () => void): void => {
    calls.push({ salt: salt.length, length, ...options });
    (real as unknown as (...args: unknown[]) => void)(password, salt, length, options, done);
  };
  Object.assign(crypto, { scrypt: watching });
  syncBuiltinESMExports();
  t.after(() => {
    Object.assign(crypto, { scrypt: real });
    syncBuiltinESMExports();
  });
  return calls;
}

function errorOf(attempt: () => unknown): Error & { code?: string; hint?: string } {
  try {
    attempt();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was refused");
}
