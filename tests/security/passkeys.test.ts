import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { Secret } from "../../src/base/secret.ts";
import { openCluster } from "../../src/control/cluster.ts";
import { Logins } from "../../src/control/logins.ts";
import { freshTotp, markOf, SecretsStore } from "../../src/control/user-secrets.ts";
import { inviteNameOf } from "../../src/identity/invites.ts";
import { Passkeys } from "../../src/identity/passkeys.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import { KeyRing } from "../../src/identity/sealing.ts";
import { Authenticator, type Twist } from "../support/authenticator.ts";
import { ROOT } from "../support/cluster.ts";
import { startLogins, type TestLogins } from "../support/logins.ts";

const PASSWORD = "correct horse battery";
const user = (name: string): string =>
  `kind: user\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [editor], traits: {}}\n`;
const PEOPLE = ["alice", "bob"].map(user).join("---\n");
const LOGIN = "1".repeat(32);

async function withPasskeys(use: (cluster: TestLogins) => Promise<void>): Promise<void> {
  const cluster = await startLogins(PEOPLE, "webauthn");
  try {
    await use(cluster);
  } finally {
    await cluster.close();
  }
}

/** A user who has set a password and a passkey by a link. */
async function settled(cluster: TestLogins, name: string): Promise<Authenticator> {
  const given = await linkFor(cluster, name);
  const device = new Authenticator(cluster.party.origin);
  const { passkey } = await cluster.links.open(given);
  assert.ok(passkey !== undefined);
  await cluster.links.use({ ...given, password: new Secret(PASSWORD), passkey: device.create(passkey) });
  return device;
}

async function linkFor(
  { people }: TestLogins,
  name: string,
): Promise<{ token: Secret; kind: "invite"; address: string }> {
  const { token } = await people.makeLink(ROOT, name, "invite");
  return { token, kind: "invite", address: "192.0.2.1" };
}

function tryIn(
  { logins }: TestLogins,
  passkey: string,
  { name = "alice", password = PASSWORD, login = LOGIN } = {},
): Promise<unknown> {
  return logins.prove({ user: name, password: new Secret(password), passkey, login, address: null });
}

/** Why the last attempt was refused, as it is on record. */
function why({ events }: TestLogins): string {
  const event = events.findLast((one) => one.event === "user.login" || one.event === "postern.link.refused");
  const { error, reason } = event as unknown as { readonly error?: string; readonly reason?: string };
  return error ?? reason ?? "";
}

const refused = { code: "login_refused", message: /^Cannot log in: user name, password or code is not right/ };

describe("registering a passkey", () => {
  const wrong: Readonly<Record<string, { twist: Twist; reason: RegExp }>> = {
    "another site's": { twist: { origin: "https://evil.example" }, reason: /origin/ },
    "the same host on another port": { twist: { origin: "https://localhost:1" }, reason: /origin/ },
    "another party's": { twist: { rpId: "evil.example" }, reason: /RP ID/ },
    "a challenge of nobody's": { twist: { challenge: randomBytes(60).toString("base64url") }, reason: /challenge/ },
    "an answer to something else": { twist: { type: "webauthn.get" }, reason: /type/ },
    "one that nobody was there for": { twist: { flags: 0 }, reason: /not present/ },
    "what is no CBOR": { twist: { attestation: randomBytes(40) }, reason: /^passkey_invalid: ./ },
    "CBOR that says nothing": { twist: { attestation: Buffer.from("a0", "hex") }, reason: /^passkey_invalid: ./ },
    "one with an attestation": {
      // {fmt: "apple", attStmt: {}, authData: h''}
      twist: {
        attestation: Buffer.from("a363666d7465" + "6170706c65" + "6761747453746d74a0686175746844617461" + "40", "hex"),
      },
      reason: /attestation that nobody asked for/,
    },
  };
  for (const [what, { twist, reason }] of Object.entries(wrong)) {
    it(`refuses ${what}, says so on record only, and changes nothing`, () =>
      withPasskeys(async (cluster) => {
        const given = await linkFor(cluster, "alice");
        const device = new Authenticator(cluster.party.origin);
        const { passkey = {} } = await cluster.links.open(given);
        const use = { ...given, password: new Secret(PASSWORD) };
        await assert.rejects(cluster.links.use({ ...use, passkey: device.create(passkey, twist) }), {
          code: "passkey_invalid",
          message: "Cannot set the password: the passkey was not made, or took too long",
        });
        assert.match(why(cluster), reason);
        assert.equal(await cluster.store.get("user_secret", "alice"), undefined);
        // The link is still good for the right one.
        await cluster.links.use({ ...use, passkey: device.create(passkey) });
      }));
  }

  it("refuses none at all, what is no JSON, members it does not know, and what is too long", () =>
    withPasskeys(async (cluster) => {
      const given = await linkFor(cluster, "alice");
      const good = JSON.parse(
        new Authenticator(cluster.party.origin).create((await cluster.links.open(given)).passkey ?? {}),
      ) as object;
      const bad = [undefined, "", "{", "[]", "null", JSON.stringify({ ...good, more: 1 })];
      for (const passkey of [...bad, JSON.stringify({ ...good, client_data: "A".repeat(20_000) })])
        await assert.rejects(cluster.links.use({ ...given, password: new Secret(PASSWORD), passkey }), {
          code: "passkey_invalid",
        });
    }));

  it("refuses a challenge of another link, of a login of the same name, and one that is too old", () =>
    withPasskeys(async (cluster) => {
      const [alice, bob] = [await linkFor(cluster, "alice"), await linkFor(cluster, "bob")];
      const device = new Authenticator(cluster.party.origin);
      const own = (await cluster.links.open(alice)).passkey ?? {};
      const others = [
        (await cluster.links.open(bob)).passkey ?? {},
        cluster.passkeys.requestOptions(inviteNameOf(alice.token) ?? ""),
      ];
      for (const options of others)
        await assert.rejects(
          cluster.links.use({ ...alice, password: new Secret(PASSWORD), passkey: device.create(options) }),
          { code: "passkey_invalid" },
        );
      cluster.advance(15 * 60_000);
      await assert.rejects(
        cluster.links.use({ ...alice, password: new Secret(PASSWORD), passkey: device.create(own) }),
        { code: "passkey_invalid" },
      );
      const fresh = (await cluster.links.open(alice)).passkey ?? {};
      await cluster.links.use({ ...alice, password: new Secret(PASSWORD), passkey: device.create(fresh) });
    }));
});

describe("logging in with a passkey", () => {
  it("needs it beside the password, and the password beside it, in the same words", () =>
    withPasskeys(async (cluster) => {
      const device = await settled(cluster, "alice");
      const answer = (): string => device.get(cluster.passkeys.requestOptions(LOGIN));
      const { secrets } = await new SecretsStore(cluster.cluster.store, cluster.ring).read("alice");
      const mark = markOf(secrets.password ?? "");
      assert.deepEqual(await tryIn(cluster, answer()), { by: "local", user: "alice", mfa: "webauthn", mark });
      await assert.rejects(tryIn(cluster, ""), refused);
      await assert.rejects(tryIn(cluster, answer(), { password: "wrong horse battery" }), refused);
      assert.equal(why(cluster), "wrong user or password");
      await assert.rejects(tryIn(cluster, answer(), { name: "nobody" }), refused);
      const { publicKey, logins } = cluster;
      await assert.rejects(
        logins.logIn({ user: "alice", password: new Secret(PASSWORD), publicKey, address: null }),
        refused,
      );
      assert.equal(why(cluster), "no passkey was shown");
    }));

  const wrong: Readonly<Record<string, { twist: Twist; reason: RegExp }>> = {
    "another site's": { twist: { origin: "https://evil.example" }, reason: /origin/ },
    "another party's": { twist: { rpId: "evil.example" }, reason: /RP ID/ },
    "a challenge of nobody's": { twist: { challenge: randomBytes(60).toString("base64url") }, reason: /challenge/ },
    "an answer to something else": { twist: { type: "webauthn.create" }, reason: /type/ },
    "one that nobody was there for": { twist: { flags: 0 }, reason: /not present/ },
    "one that counts backwards": { twist: { counter: 1 }, reason: /counter/i },
    "a signature by another key": { twist: { key: new Authenticator("https://x").key }, reason: /signature/ },
    "a passkey that nobody has": { twist: { id: "AAAA" }, reason: /unknown/ },
  };
  for (const [what, { twist, reason }] of Object.entries(wrong)) {
    it(`refuses ${what}, in the same words`, () =>
      withPasskeys(async (cluster) => {
        const device = await settled(cluster, "alice");
        device.counter = 4;
        await tryIn(cluster, device.get(cluster.passkeys.requestOptions(LOGIN)));
        await assert.rejects(tryIn(cluster, device.get(cluster.passkeys.requestOptions(LOGIN), twist)), refused);
        assert.match(why(cluster), reason);
        await tryIn(cluster, device.get(cluster.passkeys.requestOptions(LOGIN)));
      }));
  }

  it("refuses another user's passkey", () =>
    withPasskeys(async (cluster) => {
      const [alice, bob] = [await settled(cluster, "alice"), await settled(cluster, "bob")];
      const answer = (device: Authenticator, twist: Twist = {}): string =>
        device.get(cluster.passkeys.requestOptions(LOGIN), twist);
      await assert.rejects(tryIn(cluster, answer(bob)), refused);
      await assert.rejects(tryIn(cluster, answer(bob, { id: alice.id })), refused);
      assert.match(why(cluster), /signature/);
      await tryIn(cluster, answer(bob), { name: "bob" });
    }));

  it("takes a challenge once, on any node, also when the password beside it was wrong", () =>
    withPasskeys(async (cluster) => {
      const device = await settled(cluster, "alice");
      const answer = (): string => device.get(cluster.passkeys.requestOptions(LOGIN));
      const first = answer();
      await tryIn(cluster, first);
      // An authenticator that does not count would say nothing of it.
      const stored = await cluster.cluster.store.get("user_secret", "alice");
      const value = structuredClone(stored?.value) as { passkeys: { counter: number }[] };
      for (const one of value.passkeys) one.counter = 0;
      await cluster.cluster.store.write([{ op: "put", kind: "user_secret", name: "alice", value: value as never }]);
      const { ring, clock, party, events } = cluster;
      const another = new Logins({
        cluster: await openCluster({ store: cluster.store, ring, name: "example", clock }),
        ring,
        clock,
        events: { healthy: true, record: async (event) => void events.push(event) },
        passwords: new Passwords({ cost: { ln: 10, r: 8, p: 1 } }),
        secondFactor: "webauthn",
        passkeys: new Passkeys({ party, ring, clock }),
      });
      await assert.rejects(tryIn({ ...cluster, logins: another }, first), refused);
      assert.match(why(cluster), /challenge was used already/);
      const second = answer();
      await assert.rejects(tryIn(cluster, second, { password: "wrong horse battery" }), refused);
      await assert.rejects(tryIn(cluster, second), refused);
      assert.match(why(cluster), /challenge was used already/);
      const both = answer();
      const results = await Promise.allSettled([tryIn(cluster, both), tryIn({ ...cluster, logins: another }, both)]);
      assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      await tryIn({ ...cluster, logins: another }, answer());
    }));

  it("refuses a challenge of another login, of a link, under another key, and one that is too old", () =>
    withPasskeys(async (cluster) => {
      const device = await settled(cluster, "alice");
      const link = await linkFor(cluster, "bob");
      const { clock, party, passkeys } = cluster;
      const foreign = new Passkeys({ party, ring: new KeyRing([randomBytes(32)]), clock });
      const old = passkeys.requestOptions(LOGIN);
      for (const options of [
        passkeys.requestOptions("2".repeat(32)),
        (await cluster.links.open(link)).passkey ?? {},
        foreign.requestOptions(LOGIN),
      ])
        await assert.rejects(tryIn(cluster, device.get(options)), refused);
      cluster.advance(5 * 60_000);
      await assert.rejects(tryIn(cluster, device.get(old)), refused);
      await tryIn(cluster, device.get(passkeys.requestOptions(LOGIN)));
    }));

  it("is shut after five failures, also for who is right", () =>
    withPasskeys(async (cluster) => {
      const device = await settled(cluster, "alice");
      for (let at = 0; at < 5; at++) await assert.rejects(tryIn(cluster, "{}"), refused);
      const answer = (): string => device.get(cluster.passkeys.requestOptions(LOGIN));
      await assert.rejects(tryIn(cluster, answer()), refused);
      assert.equal(why(cluster), "too many failures");
      cluster.advance(20 * 60_000 + 1);
      await tryIn(cluster, answer());
    }));

  it("ends for what a new link replaced, an app too", () =>
    withPasskeys(async (cluster) => {
      const before = await settled(cluster, "alice");
      const secrets = new SecretsStore(cluster.cluster.store, cluster.ring);
      const kept = await secrets.read("alice");
      await secrets.write("alice", { ...kept.secrets, totp: freshTotp() }, kept.revision);
      const now = await settled(cluster, "alice");
      const { totp, passkeys = [] } = (await secrets.read("alice")).secrets;
      assert.deepEqual([totp, passkeys.map(({ id }) => id)], [undefined, [now.id]]);
      await assert.rejects(tryIn(cluster, before.get(cluster.passkeys.requestOptions(LOGIN))), refused);
      await tryIn(cluster, now.get(cluster.passkeys.requestOptions(LOGIN)));
    }));
});
