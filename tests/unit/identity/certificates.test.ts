import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { before, describe, it } from "node:test";
import { newAuthorityKey, openAuthority } from "../../../src/identity/authority-keys.ts";
import { newAuthority } from "../../../src/identity/authority.ts";
import {
  readOwnHostCertificate,
  verifyHostCertificate,
  verifyUserCertificate,
  Trust,
} from "../../../src/identity/certificate-reader.ts";
import { issueHostCertificate, issueUserCertificate } from "../../../src/identity/certificates.ts";
import { ClusterAuthorities, HOUR, newKeyPair, settableClock } from "../../support/cluster-authorities.ts";

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0, 700);
const MINUTE = 60_000;

describe("certificates", () => {
  const clock = settableClock(NOW);
  let own: ClusterAuthorities;
  before(async () => {
    own = await ClusterAuthorities.make("postern.example.com", clock);
  });

  it("carry a user's name, roles, traits and second factor there and back", async () => {
    const user = { name: "alice", roles: ["access", "dev"], traits: { b: [], a: ["1", "2"] }, mfaVerified: false };
    const { certificate, serial, expires } = await own.issueUser({ user });
    const issued = Math.floor(NOW / 1000) * 1000;
    const told = { user, serial, issued, expires, route: undefined };
    assert.deepEqual(await verifyUserCertificate(certificate, own.judging()), told);
    assert.deepEqual(await verifyUserCertificate(new X509Certificate(certificate).raw, own.judging()), told);
    assert.equal(serial, new X509Certificate(certificate).serialNumber.toLowerCase());
    assert.equal(new X509Certificate(certificate).subject, "CN=alice");
  });

  for (const name of ["#0403020101", '"quoted"', 'a"b"c', "back\\slash", "a=b,c+d;e", "O=x", "Ž 🔑", "x".repeat(255)]) {
    it(`carry the name ${JSON.stringify(name.slice(0, 20))} unchanged`, async () => {
      const user = { name, roles: [name], traits: { [name]: [name] }, mfaVerified: true };
      const { certificate } = await own.issueUser({ user });
      assert.deepEqual((await verifyUserCertificate(certificate, own.judging())).user, user);
    });
  }

  it("carry a host's id, service and names", async () => {
    const { certificate, serial, expires } = await own.issueHost({
      names: ["a.example.com", "*.b.example.com", "127.0.0.1"],
    });
    assert.deepEqual(await verifyHostCertificate(certificate, own.judging()), {
      hostId: "9c1f",
      role: "proxy",
      databases: undefined,
      serial,
      issued: Math.floor(NOW / 1000) * 1000,
      expires,
    });
    const parsed = new X509Certificate(certificate);
    assert.equal(parsed.subjectAltName, "DNS:a.example.com, DNS:*.b.example.com, IP Address:127.0.0.1");
    const nameless = await own.issueHost({ names: [] });
    assert.equal(new X509Certificate(nameless.certificate).subjectAltName, undefined);
  });

  it("carry the databases that a database service may serve, to others and to itself", async () => {
    const databases = ["dev-*", "Ž 🔑"];
    const { certificate } = await own.issueHost({ role: "db", names: [], databases });
    assert.deepEqual((await verifyHostCertificate(certificate, own.judging())).databases, databases);
    assert.deepEqual((await readOwnHostCertificate(certificate)).databases, databases);
    // None is not any: a list that came to be empty must not open everything.
    const none = await own.issueHost({ role: "db", names: [], databases: [] });
    assert.deepEqual((await verifyHostCertificate(none.certificate, own.judging())).databases, []);
    const any = await own.issueHost({ role: "db", names: [] });
    assert.equal((await readOwnHostCertificate(any.certificate)).databases, undefined);
  });

  it("never last longer than the roles allow, nor than the authority", async () => {
    const { expires, certificate } = await own.issueUser({ lifetime: 30 * HOUR, longest: 8 * HOUR });
    assert.equal(expires, Math.floor((NOW + 8 * HOUR) / 1000) * 1000);
    assert.equal(Date.parse(new X509Certificate(certificate).validTo), expires);
    const shorter = await own.issueUser({ lifetime: 2 * HOUR, longest: 8 * HOUR });
    assert.equal(shorter.expires, Math.floor((NOW + 2 * HOUR) / 1000) * 1000);
    const ends = Date.parse(new X509Certificate(own.host.active.certificate).validTo);
    assert.equal((await own.issueHost({ lifetime: 20 * 365 * 24 * HOUR })).expires, ends);
    const late = settableClock(ends);
    const signer = await openAuthority(own.user, own.ring);
    const user = { name: "alice", roles: [], traits: {}, mfaVerified: false };
    const request = { user, publicKey: own.keys.publicKey, lifetime: HOUR, longest: HOUR };
    await assert.rejects(issueUserCertificate(signer, request, late), { code: "authority_expired" });
  });

  it("are believed from a minute before they begin until a minute after they end", async () => {
    const { certificate, expires } = await own.issueUser();
    const begins = Date.parse(new X509Certificate(certificate).validFrom);
    assert.equal(begins, Math.floor((NOW - MINUTE) / 1000) * 1000);
    const at = (time: number): Promise<unknown> =>
      verifyUserCertificate(certificate, own.judging({ clock: settableClock(time) }));
    await at(begins - MINUTE);
    await at(expires + MINUTE - 1);
    await assert.rejects(at(begins - MINUTE - 1), { code: "certificate_not_yet_valid", hint: "set the clocks right" });
    await assert.rejects(at(expires + MINUTE), {
      code: "certificate_expired",
      message: /ended on 2026-11-26T13:00:00/,
    });
  });

  it("are refused once their serial is revoked", async () => {
    const [one, two] = [await own.issueUser(), await own.issueUser()];
    const judging = own.judging({ isRevoked: (serial) => serial === one.serial });
    await assert.rejects(verifyUserCertificate(one.certificate, judging), { code: "certificate_revoked" });
    await verifyUserCertificate(two.certificate, judging);
  });

  it("are refused when an authority of another cluster signed them, even of the same name", async () => {
    const other = await ClusterAuthorities.make("postern.example.com", clock);
    const [user, host] = [await other.issueUser(), await other.issueHost()];
    await assert.rejects(verifyUserCertificate(user.certificate, own.judging()), { code: "certificate_untrusted" });
    await assert.rejects(verifyHostCertificate(host.certificate, own.judging()), { code: "certificate_untrusted" });
  });

  it("are refused when they speak of another cluster, whoever signed them", async () => {
    const key = await newAuthorityKey("user", "other.example.com", own);
    const other = newAuthority("user", "other.example.com", key);
    const signer = await openAuthority(other, own.ring);
    const user = { name: "alice", roles: [], traits: {}, mfaVerified: false };
    const request = { user, publicKey: own.keys.publicKey, lifetime: HOUR, longest: HOUR };
    const { certificate } = await issueUserCertificate(signer, request, clock);
    const trust = new Trust({ host: own.host, user: { ...other, cluster: own.host.cluster } });
    await assert.rejects(verifyUserCertificate(certificate, own.judging({ trust })), {
      code: "certificate_untrusted",
      message: /it is for cluster "other\.example\.com"/,
    });
    assert.throws(() => new Trust({ host: own.host, user: other }), { code: "authority_invalid" });
    assert.throws(() => new Trust({ host: own.user, user: own.host }), { code: "authority_invalid" });
  });

  it("are issued only by the authority of their kind, and only for what can be a name", async () => {
    const [host, user] = [await openAuthority(own.host, own.ring), await openAuthority(own.user, own.ring)];
    const { publicKey } = own.keys;
    const alice = { name: "alice", roles: [], traits: {}, mfaVerified: false };
    const ofUser = { user: alice, publicKey, lifetime: HOUR, longest: HOUR };
    const ofHost = { hostId: "9c1f", role: "db" as const, names: ["localhost"], publicKey, lifetime: HOUR };
    const refused = { code: "certificate_request_invalid" };
    await assert.rejects(issueUserCertificate(host, ofUser, clock), refused);
    await assert.rejects(issueHostCertificate(user, ofHost, clock), refused);
    for (const name of ["", " a", "a\0b", "a\u202eb", "x".repeat(256)]) {
      await assert.rejects(issueUserCertificate(user, { ...ofUser, user: { ...alice, name } }, clock), refused);
      await assert.rejects(issueHostCertificate(host, { ...ofHost, hostId: name }, clock), refused);
    }
    for (const lifetime of [0, -1, 999, Number.NaN]) {
      await assert.rejects(issueUserCertificate(user, { ...ofUser, lifetime }, clock), refused);
      await assert.rejects(issueUserCertificate(user, { ...ofUser, longest: lifetime }, clock), refused);
    }
    for (const name of ["", "a b", "-a", "a..b", "a.*.b", "*", "a\0.example.com", "x".repeat(64), "1.2.3.4.", "a/b"]) {
      await assert.rejects(issueHostCertificate(host, { ...ofHost, names: ["localhost", name] }, clock), refused, name);
    }
    const traits = { much: ["x".repeat(32_768)] };
    await assert.rejects(issueUserCertificate(user, { ...ofUser, user: { ...alice, traits } }, clock), refused);
  });

  it("are issued for keys of curves that everybody knows, and for nothing else", async () => {
    const ec = (namedCurve: string): string =>
      generateKeyPairSync("ec", { namedCurve }).publicKey.export({ type: "spki", format: "pem" }).toString();
    await own.issueUser({ publicKey: ec("P-384") });
    await own.issueUser({ publicKey: own.keys.publicKey.replaceAll("\n", "\r\n") });
    const pem = (type: "ed25519" | "x25519"): string =>
      generateKeyPairSync(type as "ed25519")
        .publicKey.export({ type: "spki", format: "pem" })
        .toString();
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
    const { certificate } = await own.issueUser();
    const wrong: Record<string, string> = {
      "P-521": ec("P-521"),
      secp256k1: ec("secp256k1"),
      "P-224": ec("secp224r1"),
      ed25519: pem("ed25519"),
      x25519: pem("x25519"),
      rsa: rsa.export({ type: "spki", format: "pem" }).toString(),
      "rsa, PKCS#1": rsa.export({ type: "pkcs1", format: "pem" }).toString(),
      "a private key": own.keys.privateKey,
      "a private key in EC form": createPrivateKey(own.keys.privateKey)
        .export({ type: "sec1", format: "pem" })
        .toString(),
      "a certificate": certificate,
      "two keys": own.keys.publicKey + newKeyPair().publicKey,
      nothing: "",
      "no base64": own.keys.publicKey.replace(/[A-Za-z]{8}/g, "........"),
      "half a key": own.keys.publicKey.replace(/.{20}\n-----END/, "\n-----END"),
      "a point that is not on the curve": own.keys.publicKey.replace(/(.{12})==\n/, "AAAAAAAAAAAA==\n"),
    };
    for (const [what, publicKey] of Object.entries(wrong)) {
      const refused = (error: Error & { code?: string }): boolean =>
        error.code === "public_key_invalid" && !error.message.includes(publicKey.slice(30, 60) || "-");
      await assert.rejects(own.issueUser({ publicKey }), refused, what);
    }
  });
});
