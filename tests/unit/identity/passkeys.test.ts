import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import type { Clock } from "../../../src/base/clock.ts";
import { Passkeys, type Passkey, type RelyingParty } from "../../../src/identity/passkeys.ts";
import { KeyRing } from "../../../src/identity/sealing.ts";
import { Authenticator } from "../../support/authenticator.ts";

const PARTY: RelyingParty = { id: "postern.example", name: "example", origin: "https://postern.example:3080" };
const NOW = Date.parse("2027-01-01T00:00:00Z");
const clock: Clock = { now: () => NOW, monotonic: () => 0 };
const KEYS = [randomBytes(32), randomBytes(32)] as const;

function passkeys(...keys: readonly Uint8Array[]): Passkeys {
  return new Passkeys({ party: PARTY, ring: new KeyRing(keys), clock });
}

async function registered(device: Authenticator, own = passkeys(KEYS[0])): Promise<Passkey> {
  const verdict = await own.register(device.create(await own.creationOptions("alice", "link")), "link");
  assert.ok(verdict.ok, JSON.stringify(verdict));
  return verdict.passkey;
}

describe("Passkeys", () => {
  it("asks for a discoverable passkey of the configured name, and for no attestation", async () => {
    const options = (await passkeys(KEYS[0]).creationOptions("alice", "link")) as Record<string, unknown>;
    const { rp, user, attestation, authenticatorSelection, pubKeyCredParams } = options;
    assert.deepEqual(rp, { name: "example", id: "postern.example" });
    const { id, name } = user as Record<string, string>;
    assert.deepEqual([name, attestation], ["alice", "none"]);
    assert.equal(Buffer.from(id ?? "", "base64url").length, 32);
    assert.deepEqual(authenticatorSelection, {
      residentKey: "required",
      requireResidentKey: true,
      userVerification: "preferred",
    });
    assert.deepEqual(
      (pubKeyCredParams as { alg: number }[]).map(({ alg }) => alg),
      [-7, -257],
    );
    const again = (await passkeys(KEYS[1]).creationOptions("alice", "other")) as { user: { id: string } };
    const other = (await passkeys(KEYS[0]).creationOptions("bob", "link")) as { user: { id: string } };
    assert.deepEqual([again.user.id === id, other.user.id === id], [true, false]);
    const { allowCredentials, rpId } = passkeys(KEYS[0]).requestOptions("login") as Record<string, unknown>;
    assert.deepEqual([allowCredentials, rpId], [[], "postern.example"]);
  });

  it("keeps what a later login is held against, and the counter of the last one", async () => {
    const device = new Authenticator(PARTY.origin);
    const passkey = await registered(device);
    assert.deepEqual([passkey.id, passkey.counter], [device.id, 0]);
    const own = passkeys(KEYS[0]);
    const verdict = await own.judge(device.get(own.requestOptions("login")), "login", [passkey]);
    assert.ok(verdict.ok);
    assert.deepEqual(verdict.passkey, { ...passkey, counter: 1 });
    assert.deepEqual([verdict.challenge.expires, verdict.challenge.digest.length], [NOW + 5 * 60_000, 64]);
    const [one, two] = [own.requestOptions("login"), own.requestOptions("login")];
    assert.notDeepEqual(one, two);
  });

  it("leaves nothing of its library behind where other code could find it", async () => {
    await registered(new Authenticator(PARTY.origin));
    assert.equal("getMetadata" in Reflect || "decorate" in Reflect, false);
  });

  it("knows challenges of every door with the key, also after the key was replaced, and of no other", async () => {
    const device = new Authenticator(PARTY.origin);
    const passkey = await registered(device);
    const answer = device.get(passkeys(KEYS[0]).requestOptions("login"));
    const judged = async (judge: Passkeys): Promise<boolean> => (await judge.judge(answer, "login", [passkey])).ok;
    assert.deepEqual(
      [await judged(passkeys(KEYS[0])), await judged(passkeys(KEYS[1], KEYS[0])), await judged(passkeys(KEYS[1]))],
      [true, true, false],
    );
  });
});
