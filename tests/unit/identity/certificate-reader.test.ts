/** Certificates that were altered, or say what ours do not: a part of the unit tests so that Deno reads them as well. */

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { before, describe, it } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { sealingContextOf } from "../../../src/identity/authority.ts";
import { openAuthority, type ToSign } from "../../../src/identity/authority-keys.ts";
import { CLAIMS_OID, writeClaims } from "../../../src/identity/certificate-claims.ts";
import {
  type Judging,
  type Trust,
  trustOf,
  verifyHostCertificate,
  verifyUserCertificate,
} from "../../../src/identity/certificate-reader.ts";
import { readPublicKey } from "../../../src/identity/public-key.ts";
import { loadX509 } from "../../../src/identity/x509.ts";
import { ClusterAuthorities, HOUR } from "../../support/cluster-authorities.ts";
import { generator } from "../../support/damage.ts";

const CLUSTER = "postern.example.com";
let own: ClusterAuthorities;
let other: ClusterAuthorities;

before(async () => {
  own = await ClusterAuthorities.make(CLUSTER, systemClock);
  other = await ClusterAuthorities.make(CLUSTER, systemClock);
});

describe("trust in what somebody keeps of a cluster", () => {
  it("believes whom any of the authorities of a kind signed for, and no user where there is none for users", async () => {
    const [host, user] = [own.host.active.certificate, own.user.active.certificate];
    const next = { host: other.host.active.certificate, user: other.user.active.certificate };
    const judging = (trust: Trust): Judging => own.judging({ trust });
    const both = trustOf(CLUSTER, { host: [next.host, host], user: [user, next.user] });
    for (const authorities of [own, other]) {
      const shown = (await authorities.issueUser()).certificate;
      assert.equal((await verifyUserCertificate(shown, judging(both))).user.name, "alice");
      const service = (await authorities.issueHost()).certificate;
      assert.equal((await verifyHostCertificate(service, judging(both))).role, "proxy");
      await assert.rejects(verifyUserCertificate(service, judging(both)), { code: "certificate_wrong_kind" });
    }
    const { certificate } = await own.issueUser();
    const hosts = trustOf(CLUSTER, { host: [host] });
    await assert.rejects(verifyUserCertificate(certificate, judging(hosts)), { code: "certificate_untrusted" });
    const elsewhere = trustOf("another", { host: [host], user: [user] });
    await assert.rejects(verifyUserCertificate(certificate, judging(elsewhere)), { code: "certificate_untrusted" });
    assert.throws(() => trustOf(CLUSTER, { host: [] }));
  });
});

describe("a certificate that was altered", () => {
  it("is refused at each of its bytes", async () => {
    const der = new X509Certificate((await own.issueUser()).certificate).raw;
    const random = generator(6);
    for (let at = 0; at < der.length; at++) {
      const altered = Buffer.from(der);
      altered[at] = (der[at] ?? 0) ^ (1 + random(255));
      await assert.rejects(verifyUserCertificate(altered, own.judging()), isRefused, `byte ${at}`);
    }
  });

  it("is refused cut short, made longer, or as several", async () => {
    const { certificate } = await own.issueUser();
    const der = new X509Certificate(certificate).raw;
    for (const shown of [
      ...[0, 1, 4, 100, der.length - 1].map((length) => der.subarray(0, length)),
      Buffer.concat([der, Buffer.from([0])]),
      Buffer.concat([der, der]),
      Buffer.alloc(70_000, der),
      certificate + certificate,
      `${certificate}x`,
      `# ${certificate}`,
      certificate.replaceAll("CERTIFICATE", "TRUSTED CERTIFICATE"),
      "",
      certificate.slice(0, 200),
      der.toString("base64"),
    ]) {
      await assert.rejects(verifyUserCertificate(shown, own.judging()), { code: "certificate_malformed" });
    }
  });

  it("is refused with the claims of another", async () => {
    const user = { name: "alice", roles: ["access"], traits: {}, mfaVerified: true };
    const plain = new X509Certificate((await own.issueUser({ user })).certificate).raw;
    const better = new X509Certificate((await own.issueUser({ user: { ...user, roles: ["editor"] } })).certificate).raw;
    const at = plain.indexOf('["access"]');
    assert.ok(at > 0 && better.includes('["editor"]'));
    const swapped = Buffer.from(plain);
    swapped.write('["editor"]', at);
    await assert.rejects(verifyUserCertificate(swapped, own.judging()), { code: "certificate_untrusted" });
    // And with a signature that was made for another certificate.
    const borrowed = Buffer.concat([plain.subarray(0, -64), better.subarray(-64)]);
    await assert.rejects(verifyUserCertificate(borrowed, own.judging()), isRefused);
  });
});

describe("a certificate that our own authority signed, but not as a user's", () => {
  const claims = (): Buffer<ArrayBuffer> =>
    writeClaims({ cluster: CLUSTER, mfa_verified: true, roles: ["access"], traits: {} });
  const client = "1.3.6.1.5.5.7.3.2";
  const verdict = async (extensions: ToSign["extensions"]): Promise<string> => {
    const signer = await openAuthority(own.user, own.ring);
    const publicKey = readPublicKey(own.keys.publicKey);
    const { certificate } = await signer.sign({ name: "alice", publicKey, lifetime: HOUR, extensions }, systemClock);
    return verifyUserCertificate(certificate, own.judging()).then(
      () => "believed",
      ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
    );
  };
  const saying = (bytes: Buffer<ArrayBuffer>, oid = CLAIMS_OID.user): Promise<string> =>
    verdict((x509) => [new x509.ExtendedKeyUsageExtension([client]), new x509.Extension(oid, false, bytes)]);

  it("would be believed in the one right form", async () => {
    assert.equal(await saying(claims()), "believed");
  });

  it("is refused without its claims, with two, and with those of a host", async () => {
    assert.match(await verdict((x509) => [new x509.ExtendedKeyUsageExtension([client])]), /^certificate_malformed/);
    assert.match(await saying(claims(), CLAIMS_OID.host), /^certificate_malformed/);
    const host = writeClaims({ cluster: CLUSTER, role: "auth" });
    assert.match(await saying(host), /^certificate_malformed/);
    const twice = await verdict((x509) => [
      new x509.ExtendedKeyUsageExtension([client]),
      new x509.Extension(CLAIMS_OID.user, false, claims()),
      new x509.Extension(CLAIMS_OID.user, false, claims()),
    ]);
    assert.match(twice, /^certificate_/);
  });

  it("is refused with a critical extension that we do not know", async () => {
    const odd = await verdict((x509) => [
      new x509.ExtendedKeyUsageExtension([client]),
      new x509.Extension(CLAIMS_OID.user, false, claims()),
      new x509.Extension("1.2.3.4", true, Uint8Array.of(5, 0)),
    ]);
    assert.match(odd, /critical extension 1\.2\.3\.4 is unknown/);
  });

  it("is refused for other uses", async () => {
    for (const uses of [["1.3.6.1.5.5.7.3.1"], ["1.3.6.1.5.5.7.3.1", client], ["2.5.29.37.0"], []]) {
      const shown = await verdict((x509) => [
        ...(uses.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(uses)]),
        new x509.Extension(CLAIMS_OID.user, false, claims()),
      ]);
      assert.match(shown, /its uses are not a user's/);
    }
  });

  it("is refused when its claims could be read in two ways, or say more or less", async () => {
    const text = claims().toString();
    for (const wrong of [
      text.replace("{", '{"roles":["editor"],'),
      text.replace("}", ',"roles":["editor"]}'),
      text.replace('"roles"', '"r\\u006fles"'),
      `${text} `,
      `\ufeff${text}`,
      text.replace("true", "1"),
      text.replace('["access"]', '"access"'),
      text.replace('"mfa_verified":true,', ""),
      text.replace("{", '{"admin":true,'),
      text.replace("{}", '{"__proto__":["x"]}'),
      `[${text}]`,
      "null",
      "",
    ]) {
      assert.match(await saying(Buffer.from(wrong)), /^certificate_malformed/, wrong);
    }
    assert.match(await saying(Buffer.from([0xff, 0xfe])), /^certificate_malformed/);
  });

  it("is refused when it could sign others, or is for more than signing", async () => {
    const { x509, crypto } = await loadX509();
    const { active } = own.user;
    const opened = own.ring.open(active.sealedKey, sealingContextOf("user", CLUSTER, active.certificate));
    const ecdsa = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const der = Buffer.from(opened.reveal(), "base64");
    const signingKey = await crypto.subtle.importKey("pkcs8", der, ecdsa, false, ["sign"]);
    const forged = async (isAuthority: boolean, usages: number): Promise<string> => {
      const certificate = await x509.X509CertificateGenerator.create(
        {
          subject: "CN=alice",
          issuer: new x509.X509Certificate(active.certificate).subjectName,
          publicKey: readPublicKey(own.keys.publicKey),
          signingKey,
          signingAlgorithm: ecdsa,
          extensions: [
            new x509.BasicConstraintsExtension(isAuthority, undefined, true),
            new x509.KeyUsagesExtension(usages, true),
            new x509.ExtendedKeyUsageExtension([client]),
            new x509.Extension(CLAIMS_OID.user, false, claims()),
          ],
        },
        crypto,
      );
      return certificate.toString("pem");
    };
    const { digitalSignature, keyCertSign } = x509.KeyUsageFlags;
    await verifyUserCertificate(await forged(false, digitalSignature), own.judging());
    for (const [isAuthority, usages] of [
      [true, digitalSignature],
      [false, digitalSignature | keyCertSign],
      [false, keyCertSign],
    ] as const) {
      const refused = { code: "certificate_malformed", message: /it is an authority's/ };
      await assert.rejects(verifyUserCertificate(await forged(isAuthority, usages), own.judging()), refused);
    }
  });

  it("is refused when it is the authority itself", async () => {
    await assert.rejects(verifyUserCertificate(own.user.active.certificate, own.judging()), {
      code: "certificate_malformed",
    });
  });
});

describe("an authority that looks like ours", () => {
  it("is refused although its names are the same", async () => {
    const { certificate } = await other.issueUser();
    await assert.rejects(verifyUserCertificate(certificate, own.judging()), { code: "certificate_untrusted" });
  });
});

function isRefused({ code }: { readonly code?: string }): boolean {
  return ["certificate_malformed", "certificate_untrusted"].includes(code ?? "");
}
