import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { Secret } from "../../../src/base/secret.ts";
import { checkTotp, newTotpSecret, totpUri } from "../../../src/identity/totp.ts";

// RFC 6238, appendix B: the secret is the ASCII text 12345678901234567890; six digits are the last six of its eight.
const SECRET = new Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
const VECTORS = [
  [59, "287082"],
  [1_111_111_109, "081804"],
  [1_111_111_111, "050471"],
  [1_234_567_890, "005924"],
  [2_000_000_000, "279037"],
] as const;

describe("checkTotp()", () => {
  it("takes the codes of RFC 6238", () => {
    for (const [seconds, code] of VECTORS) {
      const verdict = checkTotp({ secret: SECRET, code, lastCounter: undefined, now: seconds * 1000 });
      assert.deepEqual(verdict, { ok: true, counter: Math.floor(seconds / 30) });
    }
  });

  it("takes a code one step early or late, and no further", () => {
    const taken = [-61, -60, -31, -30, 0, 29, 30, 59, 60].filter(
      (off) =>
        checkTotp({ secret: SECRET, code: "005924", lastCounter: undefined, now: (1_234_567_890 + off) * 1000 }).ok,
    );
    assert.deepEqual(taken, [-30, 0, 29, 30, 59]);
  });

  it("takes the code as people type it", () => {
    for (const code of ["005924", "005 924", "005-924", " 005924 "])
      assert.equal(checkTotp({ secret: SECRET, code, lastCounter: undefined, now: 1_234_567_890_000 }).ok, true);
  });
});

describe("newTotpSecret() and totpUri()", () => {
  it("make 160 bits that differ, and an address that apps read", () => {
    const secret = newTotpSecret();
    assert.match(secret.reveal(), /^[A-Z2-7]{32}$/);
    assert.notEqual(secret.reveal(), newTotpSecret().reveal());
    const uri = totpUri(secret, "example.com", "alice@x & y");
    assert.equal(inspect(uri), "[secret]");
    const url = new URL(uri.reveal());
    assert.equal(`${url.protocol}//${url.host}`, "otpauth://totp");
    assert.equal(decodeURIComponent(url.pathname), "/example.com:alice@x & y");
    assert.deepEqual(Object.fromEntries(url.searchParams), {
      issuer: "example.com",
      secret: secret.reveal(),
      algorithm: "SHA1",
      digits: "6",
      period: "30",
    });
  });

  it("say of a damaged secret that it is, and not what it holds", () => {
    for (const text of ["", "short", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1"]) {
      assert.throws(
        () => checkTotp({ secret: new Secret(text), code: "000000", lastCounter: undefined, now: 0 }),
        (error: Error & { code?: string }) =>
          error.code === "totp_secret_invalid" && (text === "" || !error.message.includes(text)),
      );
    }
  });
});
