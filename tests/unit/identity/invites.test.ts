import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { Secret } from "../../../src/base/secret.ts";
import { inviteNameOf, newInvite, useInvite } from "../../../src/identity/invites.ts";

const NOW = 1_000_000_000_000;
const HOUR = 3_600_000;

describe("newInvite()", () => {
  it("makes 128 bits of which only the hash is kept", () => {
    const { token, record } = newInvite({ kind: "invite", user: "alice", now: NOW });
    assert.match(token.reveal(), /^[0-9a-f]{32}$/);
    assert.equal(inviteNameOf(token), record.token_hash);
    assert.equal((JSON.stringify(record) + inspect({ token, record })).includes(token.reveal()), false);
    assert.notEqual(newInvite({ kind: "invite", user: "alice", now: NOW }).token.reveal(), token.reveal());
  });

  it("lasts an hour for invites and eight for resets, and at most 48 and 24", () => {
    const lasts = (kind: "invite" | "reset", ttl?: number): number =>
      newInvite({ kind, user: "alice", ttl, now: NOW }).record.expires - NOW;
    assert.deepEqual([lasts("invite"), lasts("reset")], [HOUR, 8 * HOUR]);
    assert.deepEqual([lasts("invite", 48 * HOUR), lasts("reset", 24 * HOUR)], [48 * HOUR, 24 * HOUR]);
    for (const [kind, ttl] of [
      ["invite", 48 * HOUR + 1],
      ["reset", 24 * HOUR + 1],
      ["invite", 0],
      ["invite", -1],
      ["invite", Number.NaN],
    ] as const)
      assert.throws(() => lasts(kind, ttl), { code: "invite_ttl_invalid" }, `${kind} ${ttl}`);
  });
});

describe("useInvite()", () => {
  it("lets a link be used once, up to its end", () => {
    const { token, record } = newInvite({ kind: "reset", user: "alice", now: NOW });
    const used = useInvite(record, token, record.expires - 1);
    assert.deepEqual(used, { ...record, used: record.expires - 1 });
    assert.throws(() => useInvite(used, token, NOW), { code: "invite_used" });
    assert.throws(() => useInvite(record, token, record.expires), { code: "invite_expired" });
  });

  it("takes no other token for it, and refuses all in the same words", () => {
    const { token, record } = newInvite({ kind: "invite", user: "alice", now: NOW });
    const other = newInvite({ kind: "invite", user: "alice", now: NOW }).token;
    const messageOf = (attempt: () => unknown): string => {
      try {
        attempt();
      } catch (error) {
        return (error as Error).message;
      }
      return "taken";
    };
    const messages = [
      messageOf(() => useInvite(record, other, NOW)),
      messageOf(() => useInvite(undefined, token, NOW)),
      messageOf(() => useInvite(record, new Secret("x"), NOW)),
      messageOf(() => useInvite(record, token, record.expires)),
      messageOf(() => useInvite({ ...record, used: 1 }, token, NOW)),
    ];
    assert.equal(new Set(messages).size, 1);
    assert.match(messages[0] ?? "", /^Cannot use this link/);
  });
});
