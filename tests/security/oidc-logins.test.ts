import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { Secret } from "../../src/base/secret.ts";
import { readStore } from "../../src/compose/store-follower.ts";
import { documents, ROOT } from "../support/cluster.ts";
import type { Credentials } from "../support/door.ts";
import { agreeAs, CLIENT, startProvider, type TestProvider } from "../support/identity-provider.ts";
import { type OidcDoor, openOidcDoor, PORT, refusalOf, STATE } from "../support/oidc-door.ts";
import type { Shown } from "../support/web-browser.ts";

const HOUR = 3_600_000;
const PASSWORD = "correct horse battery";
const PEOPLE = `
kind: user
version: v2
metadata: {name: local@example.com}
spec: {roles: [access], traits: {}}
---
kind: role
version: v7
metadata: {name: dev}
spec: {options: {max_session_ttl: 8h}, allow: {db_labels: {env: dev}, db_users: [Dev]}}
---
kind: role
version: v7
metadata: {name: ops}
spec: {options: {max_session_ttl: 1h}, allow: {db_labels: {env: prod}, db_users: [Ops]}}
`;

describe("a login by way of an identity provider", () => {
  let door: OidcDoor;
  let provider: TestProvider;
  before(async () => {
    door = await openOidcDoor(PEOPLE);
    provider = await startProvider(door.redirectUrl);
    await door.connect(connector());
    for (const [account, claims] of Object.entries({
      alice: { email: "alice@example.com", email_verified: true, groups: ["dev", "staff"] },
      bob: { email: "bob@example.com", email_verified: true, groups: ["dev"] },
      otherBob: { email: "bob@example.com", email_verified: true, groups: ["ops"] },
      unverified: { email: "carol@example.com", email_verified: false, groups: ["dev"] },
      idle: { email: "dave@example.com", email_verified: true, groups: ["staff"] },
      vanished: { email: "erin@example.com", email_verified: true, groups: ["dev", "gone"] },
      taken: { email: "local@example.com", email_verified: true, groups: ["ops"] },
      filed: { email: "in-files", email_verified: true, groups: ["dev"] },
      nobody: { email: "\u202egro.elpmaxe", email_verified: true, groups: ["dev"] },
    }))
      provider.people.set(account, claims);
  });
  after(async () => {
    await provider.close();
    await door.close();
  });
  beforeEach(() => void (door.events.length = 0));

  function connector(change: (text: string) => string = (text) => text): string {
    return change(`
kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: ${provider.issuer}
  client_id: ${CLIENT}
  client_secret: ${provider.clientSecret}
  redirect_url: ${door.redirectUrl}
  display: Example <Corp>
  scope: [groups]
  claims_to_roles:
    - {claim: groups, value: dev, roles: [dev]}
    - {claim: groups, value: ops, roles: [ops]}
    - {claim: groups, value: gone, roles: [vanished]}
`);
  }

  async function logIn(
    account: string,
    more: object = {},
  ): Promise<{ credentials: Credentials; expires: number; user: { name: string; roles: string[]; traits: object } }> {
    const begun = await door.begin("corp", more);
    const { status, json, text } = await door.redeem(begun, await door.go(begun, account));
    assert.equal(status, 200, text);
    const { certificate, expires, user } = json as {
      certificate: string;
      expires: string;
      user: { name: string; roles: string[]; traits: object };
    };
    return { credentials: { cert: certificate, key: door.keys.privateKey }, expires: Date.parse(expires), user };
  }

  /** Why somebody is not let in, as the command line is told, with the reason that is on record. */
  async function whyNot(account: string): Promise<string> {
    const begun = await door.begin("corp");
    const landed = await door.go(begun, account);
    assert.deepEqual(
      [...landed.url.searchParams],
      [
        ["error", "login_failed"],
        ["state", STATE],
      ],
    );
    const answered = await door.redeem(begun, landed);
    const failures = door.events.filter(({ event }) => event === "user.login") as unknown as Record<string, unknown>[];
    const { code, method, error, attributes } = failures.at(-1) ?? {};
    assert.deepEqual([code, method, attributes], ["T1001W", "oidc", { connector: "corp" }]);
    assert.equal((answered.json as { error: { message: string } }).error.message, error);
    return refusalOf(answered);
  }

  const statusOf = async (credentials: Credentials): Promise<string> =>
    refusalOf(await door.call("/v1/status", { credentials }));

  it("lets in who the provider vouches for, with the roles and traits of its claims", async () => {
    const begun = await door.begin("corp");
    const browser = door.browser();
    const page = await browser.open(begun.url);
    assert.match(page.text, /begun at <strong>127\.0\.0\.1<\/strong>/);
    assert.match(page.text, /waits on port 40000 of the machine that this browser runs/);
    assert.match(page.text, /Go on with Example &lt;Corp&gt;/);
    assert.match(String(page.headers["content-security-policy"]), /default-src 'none'.*frame-ancestors 'none'/);
    const landed = await agreeAs(browser, await browser.submit(page), "alice");
    const { origin, pathname, searchParams } = landed.url;
    assert.deepEqual([origin, pathname, searchParams.get("state")], [`http://127.0.0.1:${PORT}`, "/callback", STATE]);
    const { json } = await door.redeem(begun, landed);
    const { certificate, ...login } = json as {
      certificate: string;
      user: unknown;
      expires: string;
      cluster: string;
      trusted: string[];
    };
    const traits = { email: ["alice@example.com"], groups: ["dev", "staff"], sub: ["alice"] };
    assert.deepEqual(login.user, { name: "alice@example.com", roles: ["dev"], traits });
    assert.deepEqual(Object.keys(login).sort(), ["cluster", "expires", "trusted", "user"]);
    const left = Date.parse(login.expires) - door.clock.now();
    assert.ok(left > 7.9 * HOUR && left <= 8 * HOUR, `${left}`);
    assert.equal(await statusOf({ cert: certificate, key: door.keys.privateKey }), "200 -");
    assert.deepEqual(
      door.events.map((event) => [event.event, "code" in event && event.code]),
      [
        ["user.create", "T1002I"],
        ["cert.create", "TC000I"],
        ["user.login", "T1001I"],
      ],
    );
    // What gateways go by.
    const { users } = await readStore(door.cluster.store);
    const { expires = 0, ...alice } = users.find(({ name }) => name === "alice@example.com") ?? {};
    assert.deepEqual(alice, {
      name: "alice@example.com",
      roles: ["dev"],
      traits,
      origin: { connector: "corp", issuer: provider.issuer, subject: "alice" },
    });
    assert.ok(expires - Date.parse(login.expires) <= 61_000);
  });

  it("brings the user up to date each time, and cuts no longer login short", async () => {
    const first = await logIn("alice");
    provider.people.set("alice", { email: "alice@example.com", email_verified: true, groups: ["dev", "ops"] });
    door.events.length = 0;
    const second = await logIn("alice", { ttl_ms: HOUR / 2 });
    assert.deepEqual(second.user.roles, ["dev", "ops"]);
    assert.deepEqual(
      door.events.map(({ event }) => event),
      ["user.update", "cert.create", "user.login"],
    );
    assert.ok(second.expires - door.clock.now() <= HOUR / 2);
    door.advance(HOUR);
    assert.equal(await statusOf(first.credentials), "200 -");
    assert.equal(await statusOf(second.credentials), "401 certificate_expired");
    provider.people.set("alice", { email: "alice@example.com", email_verified: true, groups: ["dev"] });
    await logIn("alice");
    const { json } = await door.call("/v1/status", { credentials: first.credentials });
    assert.deepEqual((json as { user: { roles: string[] } }).user.roles, ["dev"]);
    door.advance(9 * HOUR);
    const { users } = await readStore(door.cluster.store);
    assert.ok((users.find(({ name }) => name === "alice@example.com")?.expires ?? 0) < door.clock.now());
  });

  for (const [account, why] of Object.entries({
    unverified: "403 oidc_email_unverified",
    idle: "403 oidc_no_roles",
    vanished: "403 oidc_role_unknown",
    taken: "403 oidc_user_taken",
    filed: "403 oidc_user_taken",
    nobody: "403 oidc_claims_invalid",
  }))
    it(`refuses ${account}: ${why}`, async () => {
      const before = JSON.stringify(await door.cluster.store.list("user"));
      assert.equal(await whyNot(account), why);
      assert.equal(JSON.stringify(await door.cluster.store.list("user")), before);
    });

  it("never makes one person at the provider another who came before", async () => {
    await logIn("bob");
    assert.equal(await whyNot("otherBob"), "403 oidc_user_taken");
    await door.administration.remove(ROOT, "user", "bob@example.com");
    door.advance(1000);
    assert.deepEqual((await logIn("otherBob")).user.roles, ["ops"]);
    assert.equal(await whyNot("bob"), "403 oidc_user_taken");
    await door.administration.remove(ROOT, "user", "bob@example.com");
  });

  it("lets nobody in by a password as somebody who came this way", async () => {
    await logIn("alice");
    await door.people.setPassword(ROOT, "alice@example.com", new Secret(PASSWORD));
    assert.equal(refusalOf(await door.logIn("alice@example.com", PASSWORD)), "403 login_refused");
  });

  it("ends with its user, its connector, a lock, and a lock in the user's own document", async () => {
    const lock = "kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: alice@example.com}}\n";
    const { credentials } = await logIn("alice");
    await door.administration.create(ROOT, documents(lock), { force: false });
    assert.equal(await statusOf(credentials), "403 user_locked");
    assert.equal(await whyNot("alice"), "403 login_locked");
    await door.administration.remove(ROOT, "lock", "l");
    await door.administration.change(ROOT, "user", "alice@example.com", (document) => {
      const { spec, ...rest } = document as { spec: object };
      return { ...rest, spec: { ...spec, status: { is_locked: true } } };
    });
    assert.equal(await whyNot("alice"), "403 login_locked");
    await door.administration.remove(ROOT, "user", "alice@example.com");
    assert.equal(await statusOf(credentials), "403 user_removed");
    door.advance(1000);
    const again = await logIn("alice");
    await door.administration.remove(ROOT, "oidc", "corp");
    assert.equal(await statusOf(again.credentials), "403 user_locked");
    const { users } = await readStore(door.cluster.store);
    assert.match(users.find(({ name }) => name === "alice@example.com")?.locked?.message ?? "", /connector "corp"/);
    await door.connect(connector((text) => text.replace(provider.issuer, "https://id.example.com")));
    assert.equal(await statusOf(again.credentials), "403 user_locked");
    await door.connect(connector());
    assert.equal(await statusOf(again.credentials), "200 -");
  });

  it("ends when an administrator puts a user of the cluster's own in the place of its user", async () => {
    const { credentials } = await logIn("alice");
    assert.equal(await statusOf(credentials), "200 -");
    const local = "kind: user\nversion: v2\nmetadata: {name: alice@example.com}\nspec: {roles: [dev]}\n";
    await door.connect(local);
    assert.equal(await statusOf(credentials), "403 user_removed");
    await door.administration.remove(ROOT, "user", "alice@example.com");
  });

  it("is judged anew when it is redeemed", async () => {
    const [gone, narrowed] = [await door.begin("corp"), await door.begin("corp")];
    const [goneAt, narrowedAt] = [await door.go(gone, "alice"), await door.go(narrowed, "alice")];
    await door.connect(connector((text) => text.replace("value: dev", "value: nothing")));
    assert.equal(refusalOf(await door.redeem(narrowed, narrowedAt)), "403 oidc_no_roles");
    await door.administration.remove(ROOT, "oidc", "corp");
    assert.equal(refusalOf(await door.redeem(gone, goneAt)), "404 connector_unknown");
    await door.connect(connector());
  });

  it("lasts with its role: one that somebody holds in this way cannot go", async () => {
    await logIn("alice");
    await assert.rejects(door.administration.remove(ROOT, "role", "dev"), { code: "role_in_use" });
  });

  /** A login as far as the provider's answer, which has not reached the door. */
  async function answered(
    account: string,
  ): Promise<{ begun: Awaited<ReturnType<OidcDoor["begin"]>>; browser: ReturnType<OidcDoor["browser"]>; back: URL }> {
    const begun = await door.begin("corp");
    const browser = door.browser();
    const isBack = (url: URL): boolean => url.pathname === "/web/oidc/callback";
    let page: Shown = await door.depart(begun, browser, isBack);
    while (page.text.includes("<form"))
      page = await browser.submit(
        page,
        page.text.includes('name="login"') ? { login: account, password: "x" } : {},
        isBack,
      );
    return { begun, browser, back: page.url };
  }

  it("takes the provider's answer once, from the browser that it sent there, and as it was sent", async () => {
    const { begun, browser, back } = await answered("alice");
    const other = await answered("alice");
    const changed = (change: (query: URLSearchParams) => void): URL => {
      const url = new URL(back);
      change(url.searchParams);
      return url;
    };
    const refused = [
      await door.browser().open(back),
      await other.browser.open(back),
      await browser.open(changed((query) => query.set("state", `${begun.id}.${"x".repeat(43)}`))),
      await browser.open(changed((query) => query.set("state", other.back.searchParams.get("state") ?? ""))),
      await browser.open(changed((query) => query.append("state", "x"))),
      await browser.open(changed((query) => query.delete("state"))),
    ];
    assert.deepEqual(
      refused.map(({ status }) => status),
      Array.from(refused, () => 404),
    );
    const landed = await browser.open(back);
    assert.equal(landed.url.port, `${PORT}`);
    assert.equal((await browser.open(back)).status, 404);
    // The code of another login is worth nothing with this one's.
    const mixed = new URL(other.back);
    mixed.searchParams.set("code", back.searchParams.get("code") ?? "");
    const mixedAt = await other.browser.open(mixed);
    assert.equal(refusalOf(await door.redeem(other.begun, mixedAt)), "403 oidc_provider_refused");
    assert.equal(refusalOf(await door.redeem(begun, landed)), "200 -");
  });

  it("does not begin at the provider without a person who saw whose it is", async () => {
    const begun = await door.begin("corp");
    const browser = door.browser();
    const post = (from: string | undefined): Promise<Shown> => browser.step("POST", new URL(begun.url), "", from);
    assert.equal((await post("https://evil.example")).status, 403);
    assert.equal((await post(undefined)).status, 403);
    const asked = provider.asked.length;
    assert.equal((await browser.open(begun.url)).status, 200);
    assert.equal(provider.asked.length, asked);
    assert.equal((await browser.open(begun.url.replace(begun.id, "0".repeat(32)))).status, 404);
  });

  it("is not begun by a connector that is not there, or does not lead back here", async () => {
    const body = {
      public_key: door.keys.publicKey,
      callback_port: PORT,
      callback_state: STATE,
      challenge: "c".repeat(43),
    };
    for (const name of ["other", "", "x".repeat(255), "é".repeat(255), "../user", "\u0000", " corp"])
      assert.equal(
        refusalOf(await door.post("/v1/login/browser", { ...body, connector: name })),
        "404 connector_unknown",
      );
    await door.connect(
      connector((text) => text.replace(door.redirectUrl, "https://elsewhere.example.com/web/oidc/callback")),
    );
    assert.equal(
      refusalOf(await door.post("/v1/login/browser", { ...body, connector: "corp" })),
      "403 connector_elsewhere",
    );
    await door.connect(connector());
    assert.equal(refusalOf(await door.post("/v1/login/browser", body)), "403 browser_login_unavailable");
  });

  it("is told to the command line when the provider is not there", async () => {
    await door.connect(connector((text) => text.replace(provider.issuer, "http://127.0.0.1:9")));
    const begun = await door.begin("corp");
    const landed = await door.depart(begun, door.browser());
    assert.equal(refusalOf(await door.redeem(begun, landed)), "503 oidc_provider_failed");
    await door.connect(connector());
  });

  it("shows its connectors to whoever asks, and their secrets to nobody", async () => {
    const { json } = await door.call("/webapi/ping");
    assert.deepEqual((json as { auth: unknown }).auth, {
      local: true,
      connectors: [{ name: "corp", display: "Example <Corp>" }],
    });
    const { value } = await door.administration.get(ROOT, "oidc", "corp");
    const secret = (value as { spec: { client_secret: string } }).spec.client_secret;
    assert.match(secret, /^sealed:1:/);
    // What was read can be handed in again, but for no other provider.
    await door.connect(connector((text) => text.replace(provider.clientSecret, secret)));
    await logIn("alice");
    for (const [what, by] of [
      [provider.issuer, "https://evil.example.com"],
      [`client_id: ${CLIENT}`, "client_id: other"],
      ["name: corp", "name: other"],
    ] as const)
      await assert.rejects(
        door.connect(connector((text) => text.replace(provider.clientSecret, secret).replace(what, by))),
        /not the secret of this connector/,
      );
  });

  it("leaves no secret in the store, an event, an answer or the log", async () => {
    const begun = await door.begin("corp");
    const landed = await door.go(begun, "alice");
    let kept = "";
    for await (const resource of door.store.snapshot()) kept += JSON.stringify(resource);
    const answered = await door.redeem(begun, landed);
    await whyNot("idle");
    const everything = kept + answered.text + JSON.stringify(door.events) + door.log();
    assert.ok(kept.includes(begun.id));
    for (const secret of [provider.clientSecret, landed.url.searchParams.get("code") ?? "", begun.verifier])
      assert.ok(secret.length > 20 && !everything.includes(secret));
  });
});
