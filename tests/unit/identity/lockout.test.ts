import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../../src/base/clock.ts";
import {
  AddressLimiter,
  Lockout,
  type LockoutState,
  NO_FAILURES,
  readLockoutState,
} from "../../../src/identity/lockout.ts";

const MINUTE = 60_000;

class ManualClock implements Clock {
  at = 1_000_000_000_000;
  now(): number {
    return this.at;
  }
  monotonic(): number {
    return this.at;
  }
}

describe("Lockout", () => {
  it("locks after five failures within 30 minutes, for 20 minutes", () => {
    const clock = new ManualClock();
    const lockout = new Lockout(clock);
    let state = NO_FAILURES;
    for (let failure = 1; failure <= 4; failure++) {
      state = lockout.failed(state);
      assert.equal(lockout.lockedUntil(state), undefined);
    }
    state = lockout.failed(state);
    assert.equal(lockout.lockedUntil(state), clock.at + 20 * MINUTE);
    clock.at += 20 * MINUTE - 1;
    assert.notEqual(lockout.lockedUntil(state), undefined);
    clock.at += 1;
    assert.equal(lockout.lockedUntil(state), undefined);
  });

  it("forgets failures that are older than the window", () => {
    const clock = new ManualClock();
    const lockout = new Lockout(clock);
    let state = NO_FAILURES;
    for (let failure = 1; failure <= 20; failure++) {
      state = lockout.failed(state);
      clock.at += 8 * MINUTE;
    }
    assert.equal(lockout.lockedUntil(state), undefined);
    assert.ok(state.failures.length <= 4);
  });

  it("is not prolonged by who tries on, and begins anew when it is over", () => {
    const clock = new ManualClock();
    const lockout = new Lockout(clock);
    const locked = five(lockout, NO_FAILURES);
    assert.equal(lockout.failed(locked), locked);
    clock.at += 20 * MINUTE;
    const after = lockout.failed(locked);
    assert.equal(lockout.lockedUntil(after), undefined);
    assert.deepEqual(after.failures, [clock.at]);
  });

  it("survives being kept as JSON, and takes nothing else for a state", () => {
    const clock = new ManualClock();
    const lockout = new Lockout(clock);
    const kept = readLockoutState(JSON.parse(JSON.stringify(five(lockout, NO_FAILURES))));
    assert.notEqual(lockout.lockedUntil(kept), undefined);
    for (const bad of [
      null,
      {},
      { failures: [] },
      { failures: ["1"], locked_until: null },
      { failures: [], locked_until: "x" },
    ])
      assert.throws(() => readLockoutState(bad), { code: "lockout_state_invalid" });
  });
});

describe("AddressLimiter", () => {
  const rule = { burst: 3, every: 1000, addresses: 2 };

  it("lets a burst through, then one at a time, and says when", () => {
    const clock = new ManualClock();
    const limiter = new AddressLimiter(clock, rule);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => limiter.take("192.0.2.1")),
      [0, 0, 0, 1000],
    );
    clock.at += 400;
    assert.equal(limiter.take("192.0.2.1"), 600);
    clock.at += 600;
    assert.deepEqual([limiter.take("192.0.2.1"), limiter.take("192.0.2.1")], [0, 1000]);
    clock.at += 3_600_000;
    assert.deepEqual(
      [1, 2, 3, 4].map(() => limiter.take("192.0.2.1")),
      [0, 0, 0, 1000],
    );
  });

  it("counts what one customer has as one: IPv4 in either form, and 64 bits of IPv6", () => {
    for (const [one, other, same] of [
      ["192.0.2.1", "::ffff:192.0.2.1", true],
      ["192.0.2.1", "192.0.2.2", false],
      ["2001:db8:0:1::1", "2001:DB8:0:1:ffff::2", true],
      ["2001:db8::1", "2001:0db8:0000:0000:9::", true],
      ["2001:db8:0:1::1", "2001:db8:0:2::1", false],
      ["fe80::1%eth0", "fe80::2%eth1", true],
    ] as const) {
      const limiter = new AddressLimiter(new ManualClock(), { ...rule, burst: 1 });
      limiter.take(one);
      assert.equal(limiter.take(other) > 0, same, `${one} and ${other}`);
    }
  });

  it("remembers only so many addresses, and forgets the one that was quiet longest", () => {
    const limiter = new AddressLimiter(new ManualClock(), { ...rule, burst: 1 });
    limiter.take("a");
    limiter.take("b");
    assert.ok(limiter.take("a") > 0);
    limiter.take("c");
    assert.ok(limiter.take("a") > 0);
    assert.equal(limiter.take("b"), 0);
  });
});

function five(lockout: Lockout, from: LockoutState): LockoutState {
  return [1, 2, 3, 4, 5].reduce((state) => lockout.failed(state), from);
}
