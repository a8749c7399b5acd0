import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../../src/base/clock.ts";
import { NO_TRIES, readTries, TryCounter, type Tries } from "../../../src/identity/tries.ts";

const HOME = "192.0.2.1";
const MINUTE = 60_000;

describe("TryCounter", () => {
  let at = 1_000_000_000_000;
  const clock: Clock = { now: () => at, monotonic: () => at };
  const counter = new TryCounter(clock);
  const failing = (tries: Tries, addresses: readonly string[]): Tries =>
    addresses.reduce((state, address) => counter.failed(state, address), tries);
  const isShut = (tries: Tries, address: string): boolean => counter.lockedUntil(tries, address) !== undefined;
  const strangers = Array.from({ length: 5 }, (_, index) => `198.51.100.${index}`);

  it("gives strangers five tries together, from however many addresses", () => {
    const tries = failing(NO_TRIES, strangers);
    for (const address of [...strangers, "203.0.113.9", HOME]) assert.ok(isShut(tries, address), address);
    at += 20 * MINUTE;
    assert.ok(!isShut(tries, HOME));
  });

  it("lets a user in where the user has been before, whatever strangers do", () => {
    let tries = counter.succeeded(NO_TRIES, HOME);
    for (let day = 0; day < 3; day++) {
      tries = failing(tries, strangers);
      assert.ok(isShut(tries, "203.0.113.9") && !isShut(tries, HOME));
      assert.ok(!isShut(tries, `::ffff:${HOME}`), "the same address in its other spelling");
      at += 21 * MINUTE;
    }
  });

  it("shuts a familiar network by its own failures, and no other by them", () => {
    const both = counter.succeeded(counter.succeeded(NO_TRIES, HOME), "2001:db8:1:2::1");
    const tries = failing(both, [
      "2001:db8:1:2::7",
      "2001:db8:1:2::8",
      ...Array.from({ length: 3 }, () => "2001:db8:1:2::9"),
    ]);
    assert.ok(isShut(tries, "2001:db8:1:2:ffff::"));
    assert.ok(!isShut(tries, HOME) && !isShut(tries, "203.0.113.9"));
  });

  it("gives strangers no guess back when the user gets in at home, and has nothing to keep then", () => {
    const home = counter.succeeded(NO_TRIES, HOME);
    assert.equal(counter.succeeded(home, HOME), home);
    const tries = failing(home, strangers.slice(1));
    const after = counter.succeeded(tries, HOME);
    assert.ok(isShut(failing(after, [strangers[0] ?? ""]), "203.0.113.9"));
  });

  it("keeps the eight newest networks", () => {
    const tries = Array.from({ length: 20 }, (_, index) => `192.0.2.${index}`).reduce(
      (state, address) => counter.succeeded(state, address),
      NO_TRIES,
    );
    assert.deepEqual(
      tries.familiar.map(({ network }) => network),
      [19, 18, 17, 16, 15, 14, 13, 12].map((last) => `192.0.2.${last}`),
    );
  });

  it("is read back as it was kept, and never guessed", () => {
    const tries = failing(counter.succeeded(NO_TRIES, HOME), [HOME, ...strangers]);
    const kept = JSON.parse(JSON.stringify(tries)) as Tries;
    assert.deepEqual(readTries(kept.lockout, kept.familiar), tries);
    assert.throws(() => readTries(kept.lockout, [{ network: HOME }]), { code: "lockout_state_invalid" });
  });
});
