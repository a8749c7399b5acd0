/** Certificates that somebody made, altered or borrowed: refused by our reader, by OpenSSL and in TLS handshakes. */

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect, createServer, type TLSSocket } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { advanceRotation, newAuthority, startRotation } from "../../src/identity/authority.ts";
import { newAuthorityKey, openAuthority, type ToSign } from "../../src/identity/authority-keys.ts";
import { CLAIMS_OID, writeClaims } from "../../src/identity/certificate-claims.ts";
import { Trust, verifyHostCertificate, verifyUserCertificate } from "../../src/identity/certificate-reader.ts";
import { readPublicKey } from "../../src/identity/public-key.ts";
import { ClusterAuthorities, HOUR, settableClock } from "../support/cluster-authorities.ts";
import { generator } from "../support/damage.ts";

const CLUSTER = "postern.example.com";
let own: ClusterAuthorities;
let other: ClusterAuthorities;
/** The same keys, a day ago. */
let yesterday: ClusterAuthorities;

before(async () => {
  own = await ClusterAuthorities.make(CLUSTER, systemClock);
  other = await ClusterAuthorities.make(CLUSTER, systemClock);
  yesterday = await ClusterAuthorities.make(CLUSTER, settableClock(Date.now() - 24 * HOUR));
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

  it("is refused when it is the authority itself", async () => {
    await assert.rejects(verifyUserCertificate(own.user.active.certificate, own.judging()), {
      code: "certificate_malformed",
    });
  });
});

describe("OpenSSL, asked by hand", () => {
  let directory = "";
  before(() => (directory = mkdtempSync(join(tmpdir(), "postern-chain-"))));
  after(() => rmSync(directory, { recursive: true }));

  const file = (text: string): string => {
    const path = join(directory, `${randomBytes(8).toString("hex")}.pem`);
    writeFileSync(path, text);
    return path;
  };
  const verifies = (authorities: readonly string[], certificate: string, purpose: string): boolean => {
    const words = [
      "verify",
      "-x509_strict",
      "-purpose",
      purpose,
      "-CAfile",
      file(authorities.join("")),
      file(certificate),
    ];
    return spawnSync("openssl", words).status === 0;
  };

  it("believes our chains for what they are for, and for nothing else", async () => {
    execFileSync("openssl", ["version"]);
    const [user, host] = [(await own.issueUser()).certificate, (await own.issueHost()).certificate];
    const [users, hosts] = [own.judging().trust.certificates("user"), own.judging().trust.certificates("host")];
    assert.equal(verifies(users, user, "sslclient"), true);
    assert.equal(verifies(hosts, host, "sslserver"), true);
    assert.equal(verifies(hosts, host, "sslclient"), true);
    assert.equal(verifies(users, user, "sslserver"), false);
    assert.equal(verifies(hosts, user, "sslclient"), false);
    assert.equal(verifies(users, host, "sslserver"), false);
    assert.equal(verifies(other.judging().trust.certificates("user"), user, "sslclient"), false);
    assert.equal(verifies([users[0] ?? "", ...hosts], user, "sslclient"), true);
    const old = await yesterday.issueUser();
    assert.equal(verifies(yesterday.judging().trust.certificates("user"), old.certificate, "sslclient"), false);
  });

  it("finds the right key during a rotation", async () => {
    const before = (await own.issueUser()).certificate;
    const rotating = startRotation(own.user, await newAuthorityKey("user", CLUSTER, own), Date.now());
    const updated = advanceRotation(rotating, "update_clients", Date.now());
    const trust = new Trust({ host: own.host, user: updated });
    assert.equal(verifies(trust.certificates("user"), before, "sslclient"), true);
    assert.equal(verifies(trust.certificates("user").slice(0, 1), before, "sslclient"), false);
  });
});

interface Side {
  readonly certificate: string;
  readonly trusts: readonly string[];
}

/** Completes a mutual handshake over loopback; "ok", or what was said of why not. */
async function handshake(server: Side, client: Side, key: string): Promise<string> {
  const said = await attempt(server, client, { key, refuses: true });
  // A server that refuses does not tell why; one that lets in whoever comes does.
  return said.startsWith("server: ") ? attempt(server, client, { key, refuses: false }) : said;
}

async function attempt(
  server: Side,
  client: Side,
  { key, refuses }: { readonly key: string; readonly refuses: boolean },
): Promise<string> {
  const listening = createServer({
    cert: server.certificate,
    key,
    ca: [...server.trusts],
    requestCert: true,
    rejectUnauthorized: refuses,
    minVersion: "TLSv1.3",
  });
  let refusal = "";
  listening.on("tlsClientError", (error) => (refusal = `server: ${error.message}`));
  listening.on("secureConnection", (socket) => {
    socket.on("error", () => undefined);
    socket.end(socket.authorized ? "ok" : `server: ${String(socket.authorizationError)}`);
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const { port } = listening.address() as AddressInfo;
  try {
    return await new Promise<string>((resolve) => {
      let heard = "";
      const ca = [...client.trusts];
      const socket: TLSSocket = connect({ host: "127.0.0.1", port, cert: client.certificate, key, ca });
      socket.on("data", (data: Buffer) => (heard += data.toString()));
      socket.on("error", (error: Error) => resolve(refusal || `client: ${error.message}`));
      socket.on("close", () => resolve(heard || refusal || "closed"));
    });
  } finally {
    await new Promise((resolve) => listening.close(resolve));
  }
}

describe("a TLS handshake of both sides", () => {
  const key = (): string => own.keys.privateKey;
  const keyed = (): { readonly publicKey: string } => ({ publicKey: own.keys.publicKey });
  const trusted = (cluster: ClusterAuthorities, kind: "host" | "user"): readonly string[] =>
    cluster.judging().trust.certificates(kind);
  let server: Side;
  let client: Side;
  before(async () => {
    server = { certificate: (await own.issueHost()).certificate, trusts: trusted(own, "user") };
    client = { certificate: (await own.issueUser()).certificate, trusts: trusted(own, "host") };
  });

  it("is completed by a host and a user, by two hosts, and with all the claims that fit", async () => {
    assert.equal(await handshake(server, client, key()), "ok");
    const hosts = trusted(own, "host");
    const db = (await own.issueHost({ role: "db", names: [] })).certificate;
    assert.equal(await handshake({ ...server, trusts: hosts }, { certificate: db, trusts: hosts }, key()), "ok");
    const user = { name: "x".repeat(255), roles: ["r"], traits: { much: ["x".repeat(15_000)] }, mfaVerified: true };
    const large = (await own.issueUser({ user })).certificate;
    assert.equal(await handshake(server, { ...client, certificate: large }, key()), "ok");
    await verifyUserCertificate(large, own.judging());
  });

  it("is refused by the host for a user of another cluster, for a host, and for a time gone by", async () => {
    const foreign = (await other.issueUser(keyed())).certificate;
    assert.match(await handshake(server, { ...client, certificate: foreign }, key()), /^server: UNABLE_TO_VERIFY/);
    const host = (await own.issueHost()).certificate;
    assert.match(await handshake(server, { ...client, certificate: host }, key()), /^server: SELF_SIGNED_CERT/);
    const old = (await yesterday.issueUser(keyed())).certificate;
    const trusts = trusted(yesterday, "user");
    assert.match(
      await handshake({ ...server, trusts }, { ...client, certificate: old }, key()),
      /^server: CERT_HAS_EXPIRED/,
    );
  });

  it("is refused by the user for a host of another cluster, for another name, and for a user as host", async () => {
    const foreign = (await other.issueHost(keyed())).certificate;
    assert.match(await handshake({ ...server, certificate: foreign }, client, key()), /^client: unable to verify/);
    const elsewhere = (await own.issueHost({ names: ["127.0.0.2", "localhost"] })).certificate;
    assert.match(await handshake({ ...server, certificate: elsewhere }, client, key()), /^client: .*127\.0\.0\.1/);
    const user = (await own.issueUser()).certificate;
    assert.match(
      await handshake({ ...server, certificate: user }, client, key()),
      /^client: unsuitable certificate purpose/,
    );
    // Also where somebody trusts both: it is not for serving.
    const both = [...client.trusts, ...server.trusts];
    const shown = await handshake({ ...server, certificate: user }, { ...client, trusts: both }, key());
    assert.match(shown, /^client: .*purpose/);
  });

  it("is refused for claims that were swapped", async () => {
    const pem = client.certificate;
    const der = new X509Certificate(pem).raw;
    der.write('["editor"]', der.indexOf('["access"]'));
    const swapped = `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
    assert.match(await handshake(server, { ...client, certificate: swapped }, key()), /^server: .*SIGNATURE/);
  });

  it("holds through every phase of a rotation, with certificates of before and after", async () => {
    const rotating = await ClusterAuthorities.make(CLUSTER, systemClock);
    const fresh = await newAuthorityKey("host", CLUSTER, rotating);
    const hosts = [(await rotating.issueHost(keyed())).certificate];
    const user = (await rotating.issueUser(keyed())).certificate;
    for (const phase of ["init", "update_clients", "update_servers", "standby"] as const) {
      const now = Date.now();
      rotating.host =
        phase === "init" ? startRotation(rotating.host, fresh, now) : advanceRotation(rotating.host, phase, now);
      hosts.push((await rotating.issueHost(keyed())).certificate);
      for (const [at, certificate] of hosts.entries()) {
        const said = await handshake(
          { certificate, trusts: trusted(rotating, "user") },
          { certificate: user, trusts: trusted(rotating, "host") },
          key(),
        );
        // The first two were signed by the old key, which goes in the end.
        if (phase === "standby" && at < 2) assert.match(said, /^client: unable to verify/);
        else assert.equal(said, "ok", `${phase}, certificate ${at}`);
      }
    }
    await assert.rejects(verifyHostCertificate(hosts[0] ?? "", rotating.judging()), { code: "certificate_untrusted" });
    await verifyHostCertificate(hosts[2] ?? "", rotating.judging());
  });
});

describe("an authority that looks like ours", () => {
  it("is refused although its names are the same", async () => {
    const twin = newAuthority("user", CLUSTER, await newAuthorityKey("user", CLUSTER, other));
    assert.notDeepEqual(twin.active.certificate, own.user.active.certificate);
    const { certificate } = await other.issueUser();
    await assert.rejects(verifyUserCertificate(certificate, own.judging()), { code: "certificate_untrusted" });
  });
});

function isRefused({ code }: { readonly code?: string }): boolean {
  return ["certificate_malformed", "certificate_untrusted"].includes(code ?? "");
}
