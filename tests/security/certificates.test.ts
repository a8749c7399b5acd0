/** Certificates that somebody made, altered or borrowed: refused by OpenSSL and in TLS handshakes. */

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
import { advanceRotation, startRotation } from "../../src/identity/authority.ts";
import { newAuthorityKey } from "../../src/identity/authority-keys.ts";
import { Trust, verifyHostCertificate, verifyUserCertificate } from "../../src/identity/certificate-reader.ts";
import { ClusterAuthorities, HOUR, settableClock } from "../support/cluster-authorities.ts";

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

describe("a certificate that was believed before", () => {
  it("is asked for its time, its revocation and its kind each time, and to the byte", async () => {
    const clock = settableClock(Date.now());
    const authorities = await ClusterAuthorities.make(CLUSTER, clock);
    const der = new Uint8Array(new X509Certificate((await authorities.issueUser()).certificate).raw);
    const { trust } = authorities.judging();
    const judging = { trust, clock, isRevoked: () => false };
    const first = await verifyUserCertificate(der, judging);
    assert.deepEqual(await verifyUserCertificate(der, judging), first);
    await assert.rejects(verifyUserCertificate(der, { ...judging, isRevoked: () => true }), {
      code: "certificate_revoked",
    });
    await assert.rejects(verifyHostCertificate(der, judging), { code: "certificate_wrong_kind" });
    const altered = der.slice();
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
    await assert.rejects(verifyUserCertificate(altered, judging), { code: "certificate_untrusted" });
    await assert.rejects(verifyUserCertificate(der, { ...judging, trust: other.judging().trust }), {
      code: "certificate_untrusted",
    });
    clock.set(first.expires + HOUR);
    await assert.rejects(verifyUserCertificate(der, judging), { code: "certificate_expired" });
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
