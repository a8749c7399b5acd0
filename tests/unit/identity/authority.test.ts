import assert from "node:assert/strict";
import { createHash, randomBytes, X509Certificate } from "node:crypto";
import { before, describe, it } from "node:test";
import { inspect } from "node:util";
import {
  advanceRotation,
  parseAuthority,
  pinOf,
  pinsOf,
  sealingContextOf,
  startRotation,
  type Authority,
  type AuthorityKey,
  type RotationPhase,
} from "../../../src/identity/authority.ts";
import { newAuthorityKey, openAuthority } from "../../../src/identity/authority-keys.ts";
import { verifyHostCertificate, verifyUserCertificate } from "../../../src/identity/certificate-reader.ts";
import { KeyRing } from "../../../src/identity/sealing.ts";
import { makeCertificate } from "../../support/certificate.ts";
import { ClusterAuthorities, settableClock } from "../../support/cluster-authorities.ts";

const NOW = Date.UTC(2026, 10, 26, 12);
const CLUSTER = "postern.example.com";

describe("an authority", () => {
  let own: ClusterAuthorities;
  let fresh: AuthorityKey;
  before(async () => {
    own = await ClusterAuthorities.make(CLUSTER, settableClock(NOW));
    fresh = await newAuthorityKey("user", CLUSTER, own);
  });

  it("has a certificate for ten years that may sign certificates and nothing else", () => {
    const certificate = new X509Certificate(own.host.active.certificate);
    assert.match(certificate.subject, /^O=postern\.example\.com\nCN=Postern host CA\nserialNumber=[0-9a-f]{32}$/);
    assert.equal(certificate.issuer, certificate.subject);
    assert.equal(certificate.ca, true);
    assert.equal(Date.parse(certificate.validTo), Date.UTC(2036, 10, 26, 12));
    assert.equal(Date.parse(certificate.validFrom), NOW - 60_000);
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  });

  it("is known by the digest of its public key", () => {
    const { publicKey } = new X509Certificate(own.host.active.certificate);
    const digest = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" }));
    assert.deepEqual(pinsOf(own.host), [`sha256:${digest.digest("hex")}`]);
  });

  it("passes through JSON, and holds no private key that can be read", async () => {
    const text = JSON.stringify(own.user);
    const read = parseAuthority(JSON.parse(text));
    assert.deepEqual(read, own.user);
    const signer = await openAuthority(read, own.ring);
    const shown = `${text}${inspect(signer, { depth: 9, showHidden: true })}${JSON.stringify(signer)}`;
    assert.doesNotMatch(shown, /PRIVATE KEY|MIGHAgEA/);
    await assert.rejects(openAuthority(read, new KeyRing([randomBytes(32)])), { code: "sealing_key_lost" });
  });

  it("does not open with the key of another authority put below its certificate", async () => {
    const swapped = { ...own.user, active: { ...own.user.active, sealedKey: own.host.active.sealedKey } };
    await assert.rejects(openAuthority(swapped, own.ring), { code: "sealed_value_damaged" });
    const moved = { ...own.host, active: own.user.active };
    await assert.rejects(openAuthority(moved, own.ring), { code: "sealed_value_damaged" });
    const other = { ...own.user, cluster: "other.example.com" };
    await assert.rejects(openAuthority(other, own.ring), { code: "sealed_value_damaged" });
  });

  it("does not open with the key of its own other certificate, even when that was sealed for this one", async () => {
    const { ring } = own;
    const { active, other = active } = startRotation(own.user, fresh, NOW);
    const exchanged = { ...own.user, active: { ...active, sealedKey: other.sealedKey } };
    await assert.rejects(openAuthority(exchanged, ring), { code: "sealed_value_damaged" });
    const opened = ring.open(other.sealedKey, sealingContextOf("user", CLUSTER, other.certificate));
    const sealedKey = ring.seal(opened, sealingContextOf("user", CLUSTER, active.certificate));
    await assert.rejects(openAuthority({ ...own.user, active: { ...active, sealedKey } }, ring), {
      code: "authority_invalid",
      message: /its private key is not that of sha256:/,
    });
  });

  it("refuses a name that could pass for another", async () => {
    await assert.rejects(newAuthorityKey("host", "a\u200bb", own), { code: "cluster_name_invalid" });
  });

  const PATHS: readonly (readonly RotationPhase[])[] = [
    ["init", "update_clients", "update_servers", "standby"],
    ["init", "rollback", "standby"],
    ["init", "update_clients", "rollback", "standby"],
    ["init", "update_clients", "update_servers", "rollback", "standby"],
  ];

  for (const path of PATHS) {
    it(`goes ${path.join(" → ")}, and every phase but the last believes what both keys signed before`, async () => {
      const cluster = await ClusterAuthorities.make(CLUSTER, own.clock);
      const first = pinOf(cluster.user.active.certificate);
      const second = await newAuthorityKey("user", CLUSTER, cluster);
      const issued = [await cluster.issueUser()];
      for (const phase of path) {
        const given = structuredClone(cluster.user);
        const next: Authority =
          phase === "init"
            ? startRotation(cluster.user, second, NOW)
            : advanceRotation(cluster.user, phase, NOW + 5000);
        assert.deepEqual(cluster.user, given);
        cluster.user = parseAuthority(JSON.parse(JSON.stringify(next)));
        assert.equal(cluster.user.phase, phase);
        issued.push(await cluster.issueUser());
        const newIssues = phase.startsWith("update_") || (phase === "standby" && !path.includes("rollback"));
        const active = newIssues ? pinOf(second.certificate) : first;
        assert.equal(pinsOf(cluster.user)[0], active);
        assert.equal(pinsOf(cluster.user).length, phase === "standby" ? 1 : 2);
        if (phase === "standby") break;
        for (const { certificate } of issued) await verifyUserCertificate(certificate, cluster.judging());
      }
      const wasRolledBack = path.includes("rollback");
      assert.equal(cluster.user.rotated, wasRolledBack ? undefined : NOW + 5000);
      // Those of the key that is gone are refused, the others are not: before, and in each phase.
      const believed = await Promise.all(
        issued.map(({ certificate }) =>
          verifyUserCertificate(certificate, cluster.judging()).then(
            () => "old or new",
            ({ code }: { code: string }) => code,
          ),
        ),
      );
      const kept = ["standby", ...path].map((phase, at) => {
        const byNew = phase.startsWith("update_") || (at === path.length && !wasRolledBack);
        return byNew === !wasRolledBack ? "old or new" : "certificate_untrusted";
      });
      assert.deepEqual(believed, kept);
    });
  }

  it("refuses every other step", () => {
    const states: Record<RotationPhase, Authority> = { standby: own.user } as never;
    states.init = startRotation(states.standby, fresh, NOW);
    states.update_clients = advanceRotation(states.init, "update_clients", NOW);
    states.update_servers = advanceRotation(states.update_clients, "update_servers", NOW);
    states.rollback = advanceRotation(states.init, "rollback", NOW);
    const taken: string[] = [];
    for (const [from, state] of Object.entries(states)) {
      for (const to of Object.keys(states) as RotationPhase[]) {
        try {
          if (to === "init") startRotation(state, fresh, NOW);
          else advanceRotation(state, to, NOW);
          taken.push(`${from} ${to}`);
        } catch (error) {
          assert.equal((error as { code?: string }).code, "rotation_invalid");
        }
      }
    }
    assert.deepEqual(taken, [
      "standby init",
      "init update_clients",
      "init rollback",
      "update_clients update_servers",
      "update_clients rollback",
      "update_servers standby",
      "update_servers rollback",
      "rollback standby",
    ]);
    assert.throws(() => startRotation(own.user, own.user.active, NOW), { code: "rotation_invalid" });
  });

  it("remembers its last rotation through one that was taken back", () => {
    const rotated = { ...own.user, rotated: NOW - 1 };
    const started = startRotation(rotated, fresh, NOW);
    const back = advanceRotation(advanceRotation(started, "rollback", NOW), "standby", NOW);
    assert.deepEqual(back, rotated);
  });

  it("keeps hosts and users apart while either rotates", async () => {
    const cluster = await ClusterAuthorities.make(CLUSTER, own.clock);
    cluster.host = startRotation(cluster.host, await newAuthorityKey("host", CLUSTER, cluster), NOW);
    const [host, user] = [await cluster.issueHost(), await cluster.issueUser()];
    await verifyHostCertificate(host.certificate, cluster.judging());
    await assert.rejects(verifyUserCertificate(host.certificate, cluster.judging()), {
      code: "certificate_wrong_kind",
    });
    await assert.rejects(verifyHostCertificate(user.certificate, cluster.judging()), {
      code: "certificate_wrong_kind",
    });
  });

  it("is refused when what the store holds is not one", async () => {
    const { certificate } = await own.issueUser();
    const { cert: alone } = makeCertificate(["localhost"]);
    const wrong: Record<string, unknown> = {
      nothing: null,
      "an unknown field": { ...own.user, more: 1 },
      "another version": { ...own.user, version: 2 },
      "another kind": { ...own.user, kind: "db" },
      "an invisible character": { ...own.user, cluster: "a\u200bb" },
      "a phase without its keys": { ...own.user, phase: "init" },
      "keys without a phase": { ...own.user, other: fresh, started: 1 },
      "no certificate": { ...own.user, active: { ...own.user.active, certificate: "x" } },
      "a certificate signed with itself": { ...own.user, active: { ...own.user.active, certificate: alone } },
      "a user's certificate": { ...own.user, active: { ...own.user.active, certificate } },
    };
    for (const [what, value] of Object.entries(wrong)) {
      assert.throws(() => parseAuthority(value), { code: "authority_invalid" }, what);
    }
  });
});
