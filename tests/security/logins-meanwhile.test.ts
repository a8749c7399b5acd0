/** Logins while something else happens: strangers guess, the user is removed, made anew, or reset. */

import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { test, type TestContext } from "node:test";
import { Secret } from "../../src/base/secret.ts";
import type { BrowserLogins } from "../../src/control/browser-logins.ts";
import { Callers } from "../../src/control/callers.ts";
import { connectorLogins } from "../../src/control/connector-logins.ts";
import { Connectors } from "../../src/control/connectors.ts";
import { ConnectorUsers } from "../../src/control/connector-users.ts";
import { readStore } from "../../src/compose/store-follower.ts";
import { restoreNoted } from "../../src/control/restored.ts";
import { Links } from "../../src/control/links.ts";
import { Logins } from "../../src/control/logins.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { Authenticator } from "../support/authenticator.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { type Credentials, startDoor } from "../support/door.ts";
import { startLogins, type TestLogins } from "../support/logins.ts";

const PASSWORD = "correct horse battery";
const ALICE = "kind: user\nversion: v2\nmetadata: {name: alice}\nspec: {roles: [access]}\n";
const OTHER_ALICE = ALICE.replace("[access]", "[access, auditor]");

async function withAlice(t: TestContext): Promise<TestLogins> {
  const started = await startLogins(ALICE, "off");
  t.after(() => started.close());
  await started.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  return started;
}

test("strangers who guess keep nobody out where they have logged in before", async (t) => {
  const { logins, publicKey, cluster, advance, people } = await withAlice(t);
  const logIn = (address: string, password: string): Promise<unknown> =>
    logins.logIn({ user: "alice", password: new Secret(password), address, publicKey });
  await logIn("192.0.2.1", PASSWORD);
  for (let round = 0; round < 3; round++) {
    for (let at = 0; at < 6; at++) await assert.rejects(logIn(`198.51.100.${at}`, "a wrong password"));
    await assert.rejects(logIn("203.0.113.1", PASSWORD), { code: "login_refused" });
    await logIn("192.0.2.1", PASSWORD);
    advance(21 * 60_000);
  }
  // Nobody's guesses there are free either.
  for (let at = 0; at < 5; at++) await assert.rejects(logIn("192.0.2.1", "a wrong password"));
  await assert.rejects(logIn("192.0.2.1", PASSWORD), { code: "login_refused" });
  // A reset forgets where the user was: it may have been somebody else.
  await people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const kept = await cluster.store.get("user_secret", "alice");
  assert.deepEqual((kept?.value as { familiar?: unknown } | undefined)?.familiar, []);
});

for (const [what, meanwhile] of [
  [
    "removed, and another one of that name made",
    async ({ administration }: TestLogins) => {
      await administration.remove(ROOT, "user", "alice");
      await administration.create(ROOT, documents(OTHER_ALICE), { force: false });
    },
  ],
  ["reset", ({ people }: TestLogins) => people.setPassword(ROOT, "alice", new Secret("another good password"))],
] as const) {
  test(`nobody gets a certificate by the password of a user who is ${what} during the login`, async (t) => {
    const started = await withAlice(t);
    const { cluster, ring, clock, publicKey, events } = started;
    const issuing = ring.open.bind(ring);
    let opened = 0;
    // The last thing before a certificate is signed: the authority's key is opened.
    const slow = Object.assign(Object.create(ring) as typeof ring, {
      open: (...words: Parameters<typeof issuing>) => {
        opened++;
        return issuing(...words);
      },
    });
    const authority = cluster.authority.bind(cluster);
    const interrupted = {
      ...cluster,
      authority: async (kind: "host" | "user") => {
        await meanwhile(started);
        return await authority(kind);
      },
    };
    const logins = new Logins({
      cluster: interrupted,
      ring: slow,
      passwords: new Passwords({ cost: { ln: 10, r: 8, p: 1 } }),
      events: { healthy: true, record: async (event) => void events.push(event) },
      clock,
      secondFactor: "off",
    });
    events.length = 0;
    const attempt = { user: "alice", password: new Secret(PASSWORD), address: null, publicKey };
    await assert.rejects(logins.logIn(attempt), { code: "login_refused" });
    assert.ok(opened > 0, "it got as far as signing");
    const logged = events.filter(({ event }) => event === "user.login" || event === "cert.create");
    assert.deepEqual(
      logged.map((event) => ("error" in event ? event.error : event.event)),
      ["the user was removed or reset meanwhile"],
    );
  });
}

test("a reset ends the logins before it, and a login of the same second holds", async (t) => {
  const door = await startDoor(ALICE, "off");
  t.after(() => door.close());
  const at = async (password: string): Promise<number> => {
    const credentials = await door.credentials("alice", password);
    return (await door.call("/v1/status", { credentials })).status;
  };
  await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  assert.equal(await at(PASSWORD), 200, "the first password ends nothing");
  const old = await door.credentials("alice", PASSWORD);
  await door.people.setPassword(ROOT, "alice", new Secret("another good password"));
  const refused = await door.call("/v1/status", { credentials: old });
  assert.equal(refused.status, 401);
  assert.deepEqual(refused.json, {
    error: {
      code: "login_required",
      message: 'Cannot go on as "alice": the user was reset after this login',
      hint: "log in again with postern login",
    },
  });
  assert.equal(await at("another good password"), 200);
  assert.equal((await door.call("/v1/status", { credentials: old })).status, 401);
  // By a link it is the same, and the link itself counts.
  const current = await door.credentials("alice", "another good password");
  const { token } = await door.people.makeLink(ROOT, "alice", "reset");
  assert.equal((await door.call("/v1/status", { credentials: current })).status, 401);
  await door.links.use({ token, kind: "reset", password: new Secret(PASSWORD), address: null });
  assert.equal(await at(PASSWORD), 200);
  // And so it is after a removal.
  await door.administration.remove(ROOT, "user", "alice");
  await door.administration.create(ROOT, documents(ALICE), { force: false });
  await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  assert.equal(await at(PASSWORD), 200);
});

test("a restore ends the logins before it, also by a clock that is ahead, and a login of the same second holds", async (t) => {
  const door = await startDoor(ALICE, "off");
  t.after(() => door.close());
  await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const statusOf = async (credentials: Credentials): Promise<number> =>
    (await door.call("/v1/status", { credentials })).status;
  door.advance(25_000);
  const ahead = await door.credentials("alice", PASSWORD);
  door.advance(-25_000);
  assert.equal(await statusOf(ahead), 200);
  await door.cluster.store.write([restoreNoted(door.clock.now())]);
  const refused = await door.call("/v1/status", { credentials: ahead });
  assert.deepEqual([refused.status, (refused.json as { error: { code: string } }).error.code], [401, "login_required"]);
  const next = await door.credentials("alice", PASSWORD);
  assert.equal(await statusOf(next), 200);
  assert.equal(await statusOf(ahead), 401);
  // Agents void by the same number.
  const voided = (await readStore(door.cluster.store)).voided.get("") ?? 0;
  const issued = (cert: string): number => Date.parse(new X509Certificate(cert).validFrom) + 60_000;
  assert.deepEqual([issued(ahead.cert) <= voided, issued(next.cert) <= voided], [true, false]);
});

for (const kind of ["invite", "reset"] as const) {
  test(`a password that is set at once ends the ${kind} link before it, whether or not there was a password`, async (t) => {
    const { people, links } = await withAlice(t);
    const { token } = await people.makeLink(ROOT, "alice", kind);
    const given = { token, kind, address: null };
    assert.equal((await links.open(given)).user, "alice");
    await people.setPassword(ROOT, "alice", new Secret("another good password"));
    await assert.rejects(links.open(given), { code: "invite_unknown" });
    await assert.rejects(links.use({ ...given, password: new Secret(PASSWORD) }), { code: "invite_unknown" });
  });
}

test("a link that sets another password ends the logins by the one before", async (t) => {
  const door = await startDoor(ALICE, "off");
  t.after(() => door.close());
  await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  const old = await door.credentials("alice", PASSWORD);
  const { token } = await door.people.makeLink(ROOT, "alice", "invite");
  assert.equal((await door.call("/v1/status", { credentials: old })).status, 200, "a link alone ends nothing");
  await door.links.use({ token, kind: "invite", password: new Secret("another good password"), address: null });
  assert.equal((await door.call("/v1/status", { credentials: old })).status, 401);
  const now = await door.credentials("alice", "another good password");
  assert.equal((await door.call("/v1/status", { credentials: now })).status, 200);
});

test("a link sets no password of a user who is made in the place of its own meanwhile", async (t) => {
  const started = await withAlice(t);
  const { people, administration, cluster } = started;
  const { token } = await people.makeLink(ROOT, "alice", "invite");
  const { store } = cluster;
  let reads = 0;
  const slow = Object.assign(Object.create(store) as typeof store, {
    // Right after it was looked at whether the user was removed, when the password is there to be kept.
    async get(kind: string, name: string) {
      const found = await store.get(kind, name);
      if (kind === "user_removed" && ++reads === 2) {
        await administration.remove(ROOT, "user", "alice");
        await administration.create(ROOT, documents(OTHER_ALICE), { force: false });
      }
      return found;
    },
    write: store.write.bind(store),
  });
  const links = new Links({
    ...started,
    cluster: { ...cluster, store: slow },
    passwords: new Passwords({ cost: { ln: 10, r: 8, p: 1 } }),
    events: { healthy: true, record: async () => undefined },
    secondFactor: "off",
  });
  const use = { token, kind: "invite", password: new Secret(PASSWORD), address: null } as const;
  await assert.rejects(links.use(use), { code: "invite_unknown" });
  assert.equal(await store.get("user_secret", "alice"), undefined);
});

const VERIFIER = "v".repeat(43);

/** A cluster's doors whose next look at an authority, which is right before a certificate is made, has something happen before it. */
function interruptedBy(started: TestLogins, meanwhile: () => Promise<unknown>): TestLogins["cluster"] {
  const { cluster } = started;
  return { ...cluster, authority: async (kind) => meanwhile().then(() => cluster.authority(kind)) };
}

function browserLoginsOf(started: TestLogins, cluster: TestLogins["cluster"]): BrowserLogins {
  return connectorLogins({
    ...started,
    cluster,
    events: { healthy: true, record: async (event) => void started.events.push(event) },
    publicUrl: () => "https://postern.example",
    taken: async () => new Set(),
    log: createLog({ severity: "error", format: "json", write: () => undefined }),
  }).browserLogins;
}

/** Anew: the old password, then another one for the same user, or another user of that name. */
const ANEW: Readonly<Record<string, (started: TestLogins) => Promise<unknown>>> = {
  "whose password is set": ({ people }) => people.setPassword(ROOT, "alice", new Secret("another good password")),
  "who gets a link": ({ people }) => people.makeLink(ROOT, "alice", "reset"),
  "who is removed, and another one made": async ({ administration, people }) => {
    await administration.remove(ROOT, "user", "alice");
    await administration.create(ROOT, documents(OTHER_ALICE), { force: false });
    await people.setPassword(ROOT, "alice", new Secret(PASSWORD));
  },
};

for (const [what, anew] of Object.entries(ANEW)) {
  for (const when of [
    "while it is proved",
    "before it is redeemed, by a clock that is behind",
    "while it is redeemed",
  ]) {
    test(`a login by passkey gives nothing for a user ${what} ${when}`, async (t) => {
      const started = await startLogins(ALICE, "webauthn");
      t.after(() => started.close());
      const { people, links, logins, passkeys, cluster } = started;
      const device = new Authenticator(started.party.origin);
      const { token } = await people.makeLink(ROOT, "alice", "invite");
      const given = { token, kind: "invite", address: null } as const;
      const { passkey } = await links.open(given);
      await links.use({ ...given, password: new Secret(PASSWORD), passkey: device.create(passkey ?? {}) });
      const isRedeeming = when === "while it is redeemed";
      const door = isRedeeming
        ? browserLoginsOf(
            started,
            interruptedBy(started, () => anew(started)),
          )
        : started.browserLogins;
      const { id } = await door.begin({
        publicKey: started.publicKey,
        address: "192.0.2.7",
        callback: { port: 40_000, state: "s".repeat(16) },
        challenge: createHash("sha256").update(VERIFIER).digest("base64url"),
        method: "local",
      });
      const answer = device.get(passkeys.requestOptions(id));
      const proof = await logins.prove({
        user: "alice",
        password: new Secret(PASSWORD),
        passkey: answer,
        login: id,
        address: null,
      });
      if (when === "while it is proved") await anew(started);
      const code = new Secret((await door.complete(id, proof)).searchParams.get("code") ?? "");
      if (when.endsWith("behind")) {
        started.advance(-20_000);
        await anew(started);
        started.advance(20_000);
      }
      started.events.length = 0;
      const redemption = { id, code, verifier: new Secret(VERIFIER), address: "192.0.2.7" };
      await assert.rejects(door.redeem(redemption), { code: "login_refused" });
      const logged = started.events.flatMap((event) => (event.event === "user.login" ? [event.code, event.error] : []));
      assert.deepEqual(logged, ["T1000W", "the user was removed or reset meanwhile"]);
      assert.ok(!started.events.some(({ event }) => event === "cert.create"));
      assert.equal(await cluster.store.get("browser_login", id), undefined);
    });
  }
}

test("who comes by a connector is not the user whom somebody makes in their place meanwhile", async (t) => {
  const issuer = "https://id.example.com";
  const name = "alice@example.com";
  const started = await startLogins(
    `kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: ${issuer}
  client_id: postern
  redirect_url: https://postern.example.com/web/oidc/callback
  claims_to_roles: [{claim: email, value: "*", roles: [access]}]
`,
    "off",
  );
  t.after(() => started.close());
  const { cluster, administration, clock } = started;
  const replaced = async (): Promise<void> => {
    await administration.remove(ROOT, "user", name);
    const local = ALICE.replace("name: alice", `name: ${name}`);
    await administration.create(ROOT, documents(local), { force: false });
  };
  const events = { healthy: true, record: async () => undefined };
  const users = new ConnectorUsers({
    ...started,
    cluster: interruptedBy(started, replaced),
    events,
    connectors: new Connectors(cluster.store, started.ring),
    taken: async () => new Set(),
  });
  const claims = { iss: issuer, sub: "1", email: name, email_verified: true };
  const { certificate } = await users.admit({ connector: "corp", claims, publicKey: started.publicKey });
  const shown = new X509Certificate(certificate.certificate).raw;
  const callers = new Callers({ cluster, events, clock });
  await assert.rejects(callers.identify({ address: "192.0.2.7", certificate: shown }), { code: "user_removed" });
});
