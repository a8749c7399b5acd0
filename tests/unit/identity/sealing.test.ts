import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { Secret } from "../../../src/base/secret.ts";
import {
  addSealingKey,
  dropSealingKey,
  KeyRing,
  keyRingFromFile,
  type SealingContext,
} from "../../../src/identity/sealing.ts";
import { newWrappedKey, unwrapKeyRing, type KeyService } from "../../../src/identity/wrapped-keys.ts";

const PLACE: SealingContext = { kind: "user_secret", name: "alice", purpose: "totp seed" };

describe("a key ring", () => {
  const ring = new KeyRing([randomBytes(32)]);

  for (const text of ["", "JBSWY3DPEHPK3PXP", "ключ 🔑\n\0", "x".repeat(65_536)]) {
    it(`opens what it sealed: ${text.length} characters`, () => {
      const sealed = ring.seal(new Secret(text), PLACE);
      assert.equal(ring.open(sealed, PLACE).reveal(), text);
      assert.match(sealed, /^sealed:1:[0-9a-f]{16}:[\w-]+$/);
      assert.notEqual(ring.seal(new Secret(text), PLACE), sealed);
    });
  }

  it("refuses a secret that is none of the small ones it is for", () => {
    assert.throws(() => ring.seal(new Secret("x".repeat(65_537)), PLACE), { code: "sealed_value_too_long" });
  });

  it("opens in no other place", () => {
    const sealed = ring.seal(new Secret("hunter2"), PLACE);
    const others: SealingContext[] = [
      { ...PLACE, kind: "authority" },
      { ...PLACE, name: "bob" },
      { ...PLACE, purpose: "totp seed 2" },
      { kind: "user_secret", name: "", purpose: "alicetotp seed" },
      { kind: "totp seed", name: "alice", purpose: "user_secret" },
    ];
    for (const other of others) assert.throws(() => ring.open(sealed, other), { code: "sealed_value_damaged" });
  });

  it("opens nothing that was altered at any character, or cut short, or made longer", () => {
    const sealed = ring.seal(new Secret("hunter2"), PLACE);
    const refuse = (text: string): void =>
      assert.throws(
        () => ring.open(text, PLACE),
        ({ code }: { code: string }) => code === "sealed_value_damaged" || code === "sealing_key_lost",
        text,
      );
    for (let at = 0; at < sealed.length; at++) {
      for (const other of ["A", "B", "0", "1", "_", ":", "\0", "="]) {
        const altered = sealed.slice(0, at) + other + sealed.slice(at + 1);
        if (altered !== sealed) refuse(altered);
      }
      refuse(sealed.slice(0, at));
      refuse(sealed.slice(0, at) + sealed.slice(at + 1));
    }
    // Two bits of the last character stand for nothing.
    for (const last of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
      if (!sealed.endsWith(last)) refuse(sealed.slice(0, -1) + last);
    }
    for (const more of ["A", "=", "\n", " ", "AAAA"]) refuse(sealed + more);
    refuse(` ${sealed}`);
  });

  it("takes no digest for a sealed value, nor the reverse", () => {
    const mac = ring.mac("store", "text");
    assert.throws(() => ring.open(mac.replace("mac:", "sealed:"), PLACE), { code: "sealed_value_damaged" });
    assert.throws(() => ring.open(mac, PLACE), { code: "sealed_value_damaged" });
    assert.equal(ring.hasMac("store", "text", mac), true);
    assert.equal(ring.hasMac("store", "text", mac.replace("mac:", "sealed:")), false);
    assert.equal(ring.hasMac("store", "text", ring.seal(new Secret(""), PLACE)), false);
  });

  it("names the key that is lost by its id, and tells whether a value is under the key in use", () => {
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const before = new KeyRing([old]);
    const between = new KeyRing([fresh, old]);
    const after = new KeyRing([fresh]);
    const sealed = before.seal(new Secret("hunter2"), PLACE);
    assert.equal(before.needsResealing(sealed), false);
    assert.equal(between.needsResealing(sealed), true);
    assert.equal(between.open(sealed, PLACE).reveal(), "hunter2");
    assert.throws(() => after.open(sealed, PLACE), {
      code: "sealing_key_lost",
      message: `Cannot open the totp seed of user_secret "alice": it was sealed under key ${before.ids[0]}, which is not here`,
    });
    const resealed = between.reseal(sealed, PLACE);
    assert.equal(between.needsResealing(resealed), false);
    assert.equal(after.open(resealed, PLACE).reveal(), "hunter2");
    assert.throws(() => before.open(resealed, PLACE), { code: "sealing_key_lost" });
  });

  it("has digests for each purpose and text, which old keys still vouch for", () => {
    const [old, fresh] = [randomBytes(32), randomBytes(32)];
    const mac = new KeyRing([old]).mac("store", "text");
    const between = new KeyRing([fresh, old]);
    assert.equal(between.hasMac("store", "text", mac), true);
    assert.equal(between.needsResealing(mac), true);
    assert.equal(between.needsResealing(between.mac("store", "text")), false);
    assert.equal(between.hasMac("store", "Text", mac), false);
    assert.equal(between.hasMac("backup", "text", mac), false);
    assert.equal(between.hasMac("stor", "etext", mac), false);
    assert.throws(() => new KeyRing([fresh]).hasMac("store", "text", mac), { code: "sealing_key_lost" });
    for (let at = 0; at < mac.length; at++) {
      const altered = mac.slice(0, at) + (mac[at] === "A" ? "B" : "A") + mac.slice(at + 1);
      let believed = false;
      try {
        believed = between.hasMac("store", "text", altered);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "sealing_key_lost");
      }
      assert.equal(believed, false, altered);
    }
  });

  it("refuses no key, a short key, and a key twice", () => {
    const key = randomBytes(32);
    for (const keys of [[], [randomBytes(31)], [key, Buffer.from(key)]]) {
      assert.throws(() => new KeyRing(keys), { code: "sealing_key_invalid" });
    }
  });

  it("shows no secret, however it is looked at", () => {
    const key = randomBytes(32);
    const own = new KeyRing([key]);
    const shown = [inspect(own, { depth: 9, showHidden: true }), JSON.stringify(own)].join();
    assert.equal(shown.includes(key.toString("hex").slice(0, 8)), false);
    assert.match(inspect(own.open(own.seal(new Secret("hunter2"), PLACE), PLACE)), /^\[secret\]$/);
    const spelled = [...key.subarray(0, 3)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    assert.equal(shown.includes(spelled), false);
  });
});

describe("a key ring in a file", () => {
  it("passes from one key to the next, and drops only what is not in use", () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-ring-"));
    try {
      assert.throws(() => keyRingFromFile(directory, { make: false }), { code: "sealing_key_lost" });
      const first = keyRingFromFile(directory, { make: true });
      const sealed = first.seal(new Secret("hunter2"), PLACE);
      const both = addSealingKey(directory);
      assert.deepEqual(both.ids.slice(1), first.ids);
      const resealed = both.reseal(sealed, PLACE);
      assert.throws(() => dropSealingKey(directory, both.ids[0] ?? ""), { code: "sealing_key_in_use" });
      assert.throws(() => dropSealingKey(directory, "0"), { code: "sealing_key_lost" });
      const last = dropSealingKey(directory, first.ids[0] ?? "");
      assert.deepEqual(last.ids, both.ids.slice(0, 1));
      const again = keyRingFromFile(directory, { make: false });
      assert.equal(again.open(resealed, PLACE).reveal(), "hunter2");
      assert.throws(() => again.open(sealed, PLACE), { code: "sealing_key_lost" });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

/** Stands for AWS KMS: what it wraps only it can unwrap, and only with the same context. */
function fakeKms(): KeyService & { readonly asked: string[] } {
  const kept = new Map<string, { readonly plain: Uint8Array; readonly context: string }>();
  const asked: string[] = [];
  return {
    asked,
    generateDataKey: (context) => {
      const [plain, wrapped] = [randomBytes(32), randomBytes(184)];
      asked.push(`GenerateDataKey ${JSON.stringify(context)}`);
      kept.set(wrapped.toString("hex"), { plain: Uint8Array.from(plain), context: JSON.stringify(context) });
      return Promise.resolve({ plain, wrapped });
    },
    encrypt: (plain, context) => {
      const wrapped = randomBytes(184);
      asked.push(`Encrypt ${JSON.stringify(context)}`);
      kept.set(wrapped.toString("hex"), { plain: Uint8Array.from(plain), context: JSON.stringify(context) });
      return Promise.resolve(wrapped);
    },
    decrypt: (wrapped, context) => {
      asked.push(`Decrypt ${JSON.stringify(context)}`);
      const found = kept.get(Buffer.from(wrapped).toString("hex"));
      return found?.context === JSON.stringify(context)
        ? Promise.resolve(Uint8Array.from(found.plain))
        : Promise.reject(new Error("InvalidCiphertextException"));
    },
  };
}

describe("keys wrapped by a key service", () => {
  it("are made and unwrapped for one cluster, the first sealing", async () => {
    const kms = fakeKms();
    const old = await newWrappedKey(kms, "postern.example");
    const before = await unwrapKeyRing(kms, "postern.example", [old]);
    const sealed = before.seal(new Secret("hunter2"), PLACE);
    const fresh = await newWrappedKey(kms, "postern.example");
    const both = await unwrapKeyRing(kms, "postern.example", JSON.parse(JSON.stringify([fresh, old])));
    assert.deepEqual(both.ids, [fresh.id, old.id]);
    assert.equal(both.open(sealed, PLACE).reveal(), "hunter2");
    assert.equal(kms.asked[0], 'GenerateDataKey {"postern:use":"sealing","postern:cluster":"postern.example"}');
    await assert.rejects(unwrapKeyRing(kms, "other.example", [old]), {
      code: "sealing_key_unavailable",
      message: /InvalidCiphertext/,
    });
  });

  it("are refused when the service gives another key", async () => {
    const kms = fakeKms();
    const [one, two] = [await newWrappedKey(kms, "c"), await newWrappedKey(kms, "c")];
    await assert.rejects(unwrapKeyRing(kms, "c", [{ ...one, wrapped: two.wrapped }]), { code: "sealing_key_invalid" });
    await assert.rejects(unwrapKeyRing(kms, "c", []), { code: "sealing_key_invalid" });
  });
});
