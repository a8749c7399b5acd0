import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { X509Certificate } from "node:crypto";
import * as OTPAuth from "otpauth";
import { Secret } from "../../src/base/secret.ts";
import type { Cluster } from "../../src/control/cluster.ts";
import { type GivenLink, Links } from "../../src/control/links.ts";
import { SecretsStore } from "../../src/control/user-secrets.ts";
import { NO_TRIES } from "../../src/identity/tries.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import { Trust, verifyUserCertificate } from "../../src/identity/certificate-reader.ts";
import { ROOT } from "../support/cluster.ts";
import { startLogins, type TestLogins } from "../support/logins.ts";

const PASSWORD = "correct horse battery";
const PEOPLE = `
kind: role
version: v7
metadata: {name: short}
spec: {options: {max_session_ttl: 1h}, allow: {db_labels: {'*': '*'}, db_users: [X]}}
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [access, short], traits: {team: [payments]}}
---
kind: user
version: v2
metadata: {name: bob}
spec: {roles: [access], traits: {}}
`;

async function withLogins(
  secondFactor: "off" | "otp",
  use: (cluster: TestLogins) => Promise<void>,
  yaml = PEOPLE,
): Promise<void> {
  const cluster = await startLogins(yaml, secondFactor);
  try {
    await use(cluster);
  } finally {
    await cluster.close();
  }
}

function tryIn(
  { logins, publicKey }: TestLogins,
  user: string,
  password: string,
  more: { code?: string; address?: string | null; lifetime?: number } = {},
): Promise<Awaited<ReturnType<TestLogins["logins"]["logIn"]>>> {
  return logins.logIn({ user, password: new Secret(password), publicKey, address: null, ...more });
}

/** The code that the app of this secret shows. */
function codeOf({ clock }: TestLogins, secret: Secret, steps = 0): string {
  const totp = new OTPAuth.TOTP({ secret: OTPAuth.Secret.fromBase32(secret.reveal()) });
  return totp.generate({ timestamp: clock.now() + steps * 30_000 });
}

/** A user who has set a password and an app by the link. */
async function settled(cluster: TestLogins, user: string): Promise<Secret> {
  const { token } = await cluster.people.makeLink(ROOT, user, "invite");
  const given = { token, kind: "invite", address: "192.0.2.1" } as const;
  const { totp } = await cluster.links.open(given);
  assert.ok(totp !== undefined);
  await cluster.links.use({ ...given, password: new Secret(PASSWORD), code: codeOf(cluster, totp.secret) });
  return totp.secret;
}

/** A store in which somebody else writes just before the first write. */
function overtaken(store: Cluster["store"], meanwhile: () => Promise<unknown>): Cluster["store"] {
  let isFirst = true;
  return new Proxy(store, {
    get(target, name) {
      if (name !== "write") {
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      }
      return async (writes: Parameters<Cluster["store"]["write"]>[0]) => {
        if (isFirst) {
          isFirst = false;
          await meanwhile();
        }
        return await target.write(writes);
      };
    },
  });
}

const refusedWords = { code: "login_refused", message: /^Cannot log in: user name, password or code is not right/ };

describe("a login", () => {
  it("gives a certificate that names the user's roles and traits, no longer than any role allows", () =>
    withLogins("off", async (cluster) => {
      await cluster.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
      cluster.events.length = 0;
      const { principal, certificate } = await tryIn(cluster, "alice", PASSWORD, { lifetime: 86_400_000 });
      assert.deepEqual([principal.roles, principal.mfaVerified], [["access", "short"], false]);
      const left = certificate.expires - cluster.clock.now();
      assert.ok(left > 3_500_000 && left <= 3_600_000, `${left} ms`);
      const [host, user] = [await cluster.cluster.authority("host"), await cluster.cluster.authority("user")];
      const trust = new Trust({ host, user });
      const judging = { trust, clock: cluster.clock, isRevoked: () => false };
      const { user: named } = await verifyUserCertificate(certificate.certificate, judging);
      assert.deepEqual([named.name, named.roles, named.traits], ["alice", ["access", "short"], { team: ["payments"] }]);
      assert.equal(new X509Certificate(certificate.certificate).subject, "CN=alice");
      assert.deepEqual(
        cluster.events.map((event) => [event.event, "code" in event && event.code]),
        [
          ["cert.create", "TC000I"],
          ["user.login", "T1000I"],
        ],
      );
    }));

  it("is refused in the same words for an unknown user, a wrong password, none, and none set; and recorded", () =>
    withLogins("off", async (cluster) => {
      await cluster.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
      cluster.events.length = 0;
      for (const [user, password] of [
        ["alice", `${PASSWORD}!`],
        ["alice", ""],
        ["alice", "x".repeat(5_000)],
        ["nobody", PASSWORD],
        ["bob", PASSWORD],
        ["", PASSWORD],
        ["../alice", PASSWORD],
      ] as const)
        await assert.rejects(tryIn(cluster, user, password), refusedWords, user);
      const logged = JSON.stringify(cluster.events);
      assert.equal(cluster.events.filter(({ event }) => event === "user.login").length, 7);
      assert.ok(!logged.includes(PASSWORD) && !logged.includes("T1000I"));
      await tryIn(cluster, "alice", PASSWORD);
    }));

  it("is shut after five failures for twenty minutes, also for the right password, and says nothing of it", () =>
    withLogins("off", async (cluster) => {
      await cluster.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
      for (let at = 0; at < 5; at++) await assert.rejects(tryIn(cluster, "alice", "wrong password"), refusedWords);
      await assert.rejects(tryIn(cluster, "alice", PASSWORD), refusedWords);
      assert.equal(cluster.events.filter(({ event }) => event === "postern.user.locked_out").length, 1);
      cluster.advance(20 * 60_000 + 1);
      await tryIn(cluster, "alice", PASSWORD);
      for (let at = 0; at < 4; at++) await assert.rejects(tryIn(cluster, "alice", "wrong password"), refusedWords);
      await tryIn(cluster, "alice", PASSWORD);
      for (let at = 0; at < 4; at++) await assert.rejects(tryIn(cluster, "alice", "wrong password"), refusedWords);
      await tryIn(cluster, "alice", PASSWORD);
      const names = (await cluster.cluster.store.list("user_secret")).map(({ name }) => name);
      assert.deepEqual(names, ["alice"], "nothing is kept of who is not there");
    }));

  it("counts every failure, however many come at once", () =>
    withLogins("off", async (cluster) => {
      await cluster.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
      await Promise.allSettled(Array.from({ length: 5 }, () => tryIn(cluster, "alice", "wrong password")));
      await assert.rejects(tryIn(cluster, "alice", PASSWORD), refusedWords);
    }));

  it("takes a code once, and none but the user's", () =>
    withLogins("otp", async (cluster) => {
      const secret = await settled(cluster, "alice");
      const others = await settled(cluster, "bob");
      cluster.advance(60_000);
      await assert.rejects(tryIn(cluster, "alice", PASSWORD), refusedWords);
      await assert.rejects(tryIn(cluster, "alice", PASSWORD, { code: codeOf(cluster, others) }), refusedWords);
      const code = codeOf(cluster, secret);
      const { principal } = await tryIn(cluster, "alice", PASSWORD, { code });
      assert.equal(principal.mfaVerified, true);
      await assert.rejects(tryIn(cluster, "alice", PASSWORD, { code }), refusedWords);
      cluster.advance(30_000);
      const both = await Promise.allSettled(
        [0, 1].map(() => tryIn(cluster, "alice", PASSWORD, { code: codeOf(cluster, secret) })),
      );
      assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    }));

  it("is refused to who is right, but locked, and to who has been removed; a namesake inherits nothing", () =>
    withLogins("off", async (cluster) => {
      const { administration, people } = cluster;
      await people.setPassword(ROOT, "alice", new Secret(PASSWORD));
      const lock = { kind: "lock", version: "v2", metadata: { name: "l" }, spec: { target: { user: "alice" } } };
      const given = (value: unknown) => [{ value, positionOf: () => ({ file: "t", line: 1, column: 1 }) }];
      await administration.create(ROOT, given(lock), { force: false });
      await assert.rejects(tryIn(cluster, "alice", PASSWORD), { code: "login_locked" });
      await assert.rejects(tryIn(cluster, "alice", "wrong password"), refusedWords);
      await administration.remove(ROOT, "lock", "l");
      await administration.remove(ROOT, "user", "alice");
      await assert.rejects(tryIn(cluster, "alice", PASSWORD), refusedWords);
      const again = {
        kind: "user",
        version: "v2",
        metadata: { name: "alice" },
        spec: { roles: ["access"], traits: {} },
      };
      await administration.create(ROOT, given(again), { force: false });
      await assert.rejects(tryIn(cluster, "alice", PASSWORD), refusedWords);
    }));

  it("is limited by address", () =>
    withLogins("off", async (cluster) => {
      await cluster.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
      const codes = new Set<string>();
      for (let at = 0; at < 25; at++)
        await tryIn(cluster, `n${at}`, "wrong password", { address: "192.0.2.7" }).catch((error: { code: string }) =>
          codes.add(error.code),
        );
      assert.deepEqual([...codes], ["login_refused", "login_limited"]);
      await tryIn(cluster, "alice", PASSWORD, { address: "192.0.2.8" });
    }));
});

describe("a link", () => {
  it("sets a password once, with a factor that was shown to work", () =>
    withLogins("otp", async (cluster) => {
      const { people, links } = cluster;
      const { token } = await people.makeLink(ROOT, "alice", "invite");
      const given = { token, kind: "invite", address: null } as const;
      const [shown, again] = await Promise.all([links.open(given), links.open(given)]);
      assert.equal(shown.user, "alice");
      assert.match(shown.totp?.uri.reveal() ?? "", /^otpauth:\/\/totp\/example/);
      assert.equal(again.totp?.secret.reveal(), shown.totp?.secret.reveal());
      await assert.rejects(links.open({ ...given, kind: "reset" }), { code: "invite_unknown" });
      const use = (code: string, password = PASSWORD) => links.use({ ...given, password: new Secret(password), code });
      await assert.rejects(use("000000"), { code: "code_invalid" });
      const code = codeOf(cluster, shown.totp?.secret ?? new Secret(""));
      await assert.rejects(use(code, "short"), { code: "password_invalid" });
      const both = await Promise.allSettled([use(code), use(code, `${PASSWORD} 2`)]);
      assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      const [lost] = both.flatMap((one) => (one.status === "rejected" ? [(one.reason as { code?: string }).code] : []));
      assert.equal(lost, "invite_used");
      await assert.rejects(use(code), { code: "invite_used" });
      await assert.rejects(links.open(given), { code: "invite_used" });
      await assert.rejects(
        tryIn(cluster, "alice", PASSWORD, { code }),
        refusedWords,
        "the code that set it up is used",
      );
    }));

  it("of a reset takes the old password away, and ends by itself", () =>
    withLogins("off", async (cluster) => {
      const { people, links } = cluster;
      await people.setPassword(ROOT, "alice", new Secret(PASSWORD));
      const { token } = await people.makeLink(ROOT, "alice", "reset");
      await assert.rejects(tryIn(cluster, "alice", PASSWORD), refusedWords);
      cluster.advance(8 * 3_600_000);
      await assert.rejects(
        links.use({ token, kind: "reset", address: null, password: new Secret(PASSWORD) }),
        /unknown, was used already, or is too old/,
      );
      await assert.rejects(people.makeLink(ROOT, "alice", "reset", 25 * 3_600_000), { code: "invite_ttl_invalid" });
      await assert.rejects(people.makeLink(ROOT, "nobody", "reset"), { code: "resource_missing" });
      await assert.rejects(links.open({ token: new Secret("0".repeat(32)), kind: "reset", address: null }), {
        code: "invite_unknown",
      });
      await assert.rejects(links.open({ token: new Secret("../x"), kind: "reset", address: null }), {
        code: "invite_unknown",
      });
      const bob = { name: "bob", roles: ["access"], traits: {}, kind: "user" } as const;
      await assert.rejects(people.makeLink(bob, "alice", "reset"), { code: "control_denied" });
      await assert.rejects(people.setPassword(bob, "alice", new Secret(PASSWORD)), { code: "control_denied" });
    }));

  it("is judged anew when somebody else wrote at the same moment", () =>
    withLogins("off", async (cluster) => {
      const { people, links } = cluster;
      const secrets = new SecretsStore(cluster.cluster.store, cluster.ring);
      const racing = (meanwhile: () => Promise<unknown>): Links => {
        const store = overtaken(cluster.cluster.store, meanwhile);
        const events = { healthy: true, record: async () => undefined };
        const passwords = new Passwords({ cost: { ln: 10, r: 8, p: 1 } });
        const { ring, clock } = cluster;
        return new Links({
          cluster: { ...cluster.cluster, store },
          ring,
          clock,
          events,
          passwords,
          secondFactor: "off",
        });
      };
      const given = async (): Promise<GivenLink> => {
        const { token } = await people.makeLink(ROOT, "alice", "invite");
        return { token, kind: "invite", address: null };
      };
      const failed = racing(() => secrets.write("alice", NO_TRIES, undefined));
      await failed.use({ ...(await given()), password: new Secret(PASSWORD) });
      await tryIn(cluster, "alice", PASSWORD);
      const link = await given();
      const second = racing(() => links.use({ ...link, password: new Secret(`${PASSWORD} 2`) }));
      await assert.rejects(second.use({ ...link, password: new Secret(PASSWORD) }), { code: "invite_used" });
      await tryIn(cluster, "alice", `${PASSWORD} 2`);
    }));

  it("sets nothing while that cannot be recorded", () =>
    withLogins("off", async (cluster) => {
      const { token } = await cluster.people.makeLink(ROOT, "alice", "invite");
      const use = { token, kind: "invite", address: null, password: new Secret(PASSWORD) } as const;
      const { ring, clock } = cluster;
      const events = { healthy: false, record: async () => undefined };
      const passwords = new Passwords({ cost: { ln: 10, r: 8, p: 1 } });
      const links = new Links({ cluster: cluster.cluster, ring, clock, events, passwords, secondFactor: "off" });
      await assert.rejects(links.use(use), { code: "audit_unavailable" });
      await assert.rejects(tryIn(cluster, "alice", PASSWORD), refusedWords);
      await cluster.links.use(use);
    }));

  it("leaves no secret in the store or in an event", () =>
    withLogins("otp", async (cluster) => {
      const secret = await settled(cluster, "alice");
      const { token } = await cluster.people.makeLink(ROOT, "bob", "invite");
      const all: unknown[] = [...cluster.events];
      for await (const resource of cluster.store.snapshot()) all.push(resource);
      const text = JSON.stringify(all);
      for (const hidden of [PASSWORD, secret.reveal(), token.reveal()]) assert.ok(!text.includes(hidden));
    }));
});
