import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { documents, ROOT } from "../support/cluster.ts";
import type { Answered } from "../support/door.ts";
import { agreeAs, CLIENT, startProvider, type TestProvider } from "../support/identity-provider.ts";
import { LIAR_SECRET, type LyingProvider, startLyingProvider } from "../support/lying-provider.ts";
import { type OidcDoor, openOidcDoor, refusalOf } from "../support/oidc-door.ts";
import type { Shown } from "../support/web-browser.ts";

const ROLES = `
kind: role
version: v7
metadata: {name: dev}
spec: {options: {max_session_ttl: 8h}, allow: {db_labels: {env: dev}, db_users: [Dev]}}
`;
const DEVICE_CODE = "a-device-code-that-stays-here";

interface Started {
  readonly id: string;
  readonly secret: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly interval_ms: number;
}

describe("a login that is confirmed on another device", () => {
  let door: OidcDoor;
  let provider: TestProvider;
  let liar: LyingProvider;
  before(async () => {
    door = await openOidcDoor(ROLES);
    provider = await startProvider(door.redirectUrl);
    liar = await startLyingProvider(() => Date.now());
    provider.people.set("alice", { email: "alice@example.com", email_verified: true, groups: ["dev"] });
    provider.people.set("idle", { email: "dave@example.com", email_verified: true, groups: [] });
    await door.connect(connector("corp", provider.issuer, provider.clientSecret));
    await door.connect(connector("liar", liar.issuer, LIAR_SECRET));
  });
  after(async () => {
    await provider.close();
    await liar.close();
    await door.close();
  });
  beforeEach(() => {
    liar.lies = {};
    door.events.length = 0;
    door.advance(11 * 60_000);
  });

  const connector = (name: string, issuer: string, secret: string): string => `
kind: oidc
version: v3
metadata: {name: ${name}}
spec:
  issuer_url: ${issuer}
  client_id: ${CLIENT}
  client_secret: ${secret}
  redirect_url: ${door.redirectUrl}
  scope: [groups]
  claims_to_roles: [{claim: groups, value: dev, roles: [dev]}]
`;

  async function start(name = "corp", more: object = {}): Promise<Started> {
    const answered = await door.post("/v1/login/device", { connector: name, public_key: door.keys.publicKey, ...more });
    assert.equal(answered.status, 200, answered.text);
    return answered.json as Started;
  }

  const poll = ({ id, secret }: Pick<Started, "id" | "secret">): Promise<Answered> =>
    door.post("/v1/login/device/poll", { id, secret });

  async function polled(started: Started): Promise<Answered> {
    door.advance(started.interval_ms);
    return await poll(started);
  }

  async function confirm({ verification_uri_complete: uri }: Started, account: string): Promise<Shown> {
    const browser = door.browser();
    return await agreeAs(browser, await browser.open(uri), account);
  }

  const waits = ({ json }: Answered): unknown => (json as { status?: unknown }).status;

  it("gives a certificate when it was confirmed, and waits until then", async () => {
    const started = await start("corp", { ttl_ms: 3_600_000 });
    assert.match(started.user_code, /^[A-Z]{4}-[A-Z]{4}$/);
    assert.ok(started.verification_uri.startsWith(provider.issuer));
    const pending = await polled(started);
    assert.deepEqual(pending.json, { status: "pending", interval_ms: 5000 });
    assert.match((await confirm(started, "alice")).text, /successful/);
    const { status, json } = await polled(started);
    assert.equal(status, 200);
    const { certificate, user, expires } = json as { certificate: string; user: object; expires: string };
    assert.deepEqual(user, {
      name: "alice@example.com",
      roles: ["dev"],
      traits: { email: ["alice@example.com"], groups: ["dev"], sub: ["alice"] },
    });
    assert.ok(Date.parse(expires) - door.clock.now() <= 3_600_000);
    const credentials = { cert: certificate, key: door.keys.privateKey };
    assert.equal((await door.call("/v1/status", { credentials })).status, 200);
    assert.deepEqual(
      door.events.map((event) => [event.event, "code" in event && event.code]),
      [
        ["user.create", "T1002I"],
        ["cert.create", "TC000I"],
        ["user.login", "T1001I"],
      ],
    );
    assert.equal(refusalOf(await polled(started)), "404 device_login_unknown");
  });

  it("tells who asks too soon to ask later, and does not ask the provider", async () => {
    const started = await start();
    const asked = provider.asked.length;
    assert.deepEqual((await poll(started)).json, { status: "slow_down", interval_ms: 10_000 });
    door.advance(5000);
    assert.deepEqual((await poll(started)).json, { status: "slow_down", interval_ms: 15_000 });
    for (let round = 0; round < 20; round++) await poll(started);
    // What asks on and on does not write on and on.
    const revision = async (): Promise<unknown> => (await door.cluster.store.get("device_login", started.id))?.revision;
    const before = await revision();
    assert.deepEqual((await poll(started)).json, { status: "slow_down", interval_ms: 60_000 });
    assert.equal(await revision(), before);
    assert.equal(provider.asked.length, asked);
    door.advance(60_000);
    assert.equal(waits(await poll(started)), "pending");
  });

  it("is asked about once by two at the same moment", async () => {
    const started = await start();
    door.advance(started.interval_ms);
    await confirm(started, "alice");
    const both = await Promise.all([poll(started), poll(started)]);
    assert.equal(both.filter(({ text }) => text.includes("BEGIN CERTIFICATE")).length, 1);
  });

  it("is nobody else's: a wrong secret is told nothing, and not for ever", async () => {
    const started = await start();
    const other = await start();
    await confirm(started, "alice");
    door.advance(started.interval_ms);
    for (const secret of ["", "x", other.secret])
      assert.equal(refusalOf(await poll({ ...started, secret })), "404 device_login_unknown");
    assert.equal(refusalOf(await poll({ ...started, id: "0".repeat(32) })), "404 device_login_unknown");
    assert.equal(refusalOf(await poll({ ...started, id: "../user" })), "404 device_login_unknown");
    const guesses: string[] = [];
    for (let round = 0; round < 30; round++) guesses.push(refusalOf(await poll({ ...started, secret: "x" })));
    assert.equal(guesses.at(-1), "429 login_limited");
    assert.equal((await poll(started)).status, 200);
  });

  it("is over when the person says no, comes without a role, or takes too long", async () => {
    const [idle, late] = [await start(), await start("liar")];
    await confirm(idle, "idle");
    assert.equal(refusalOf(await polled(idle)), "403 oidc_no_roles");
    assert.equal(refusalOf(await polled(idle)), "404 device_login_unknown");
    const told = door.events.map((event) => ["code" in event && event.code, "attributes" in event && event.attributes]);
    assert.deepEqual(told, [["T1001W", { connector: "corp" }]]);
    for (const error of ["access_denied", "expired_token"]) {
      const started = await start("liar");
      liar.lies.tokens = (response) =>
        response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify({ error }));
      assert.equal(refusalOf(await polled(started)), "403 oidc_provider_refused");
      liar.lies = {};
    }
    door.advance(10 * 60_000);
    assert.equal(refusalOf(await poll(late)), "404 device_login_unknown");
  });

  it("waits on when the provider is out of order for a while, and slows down as it says", async () => {
    const started = await start("liar");
    liar.lies.tokens = (response) => response.writeHead(502).end();
    assert.equal(waits(await polled(started)), "pending");
    liar.lies.tokens = (response) =>
      response.writeHead(400, { "content-type": "application/json" }).end('{"error":"slow_down"}');
    assert.deepEqual((await polled(started)).json, { status: "slow_down", interval_ms: 10_000 });
    liar.lies = { claims: (claims) => ({ ...claims, email: "frank@example.com" }) };
    door.advance(10_000);
    assert.equal((await poll(started)).status, 200);
  });

  it("counts no token that is not for us, or says nobody", async () => {
    for (const claims of [{ aud: "others" }, { iss: "https://id.example.com" }, { exp: 1 }, { sub: undefined }]) {
      liar.lies = { claims: (honest) => ({ ...honest, ...claims }) };
      assert.equal(refusalOf(await polled(await start("liar"))), "403 oidc_token_refused", JSON.stringify(claims));
    }
    liar.lies = { token: () => undefined };
    assert.equal(refusalOf(await polled(await start("liar"))), "403 oidc_token_refused");
    liar.lies = { token: (claims, { jwt }) => jwt(claims, { alg: "none" }) };
    assert.equal(refusalOf(await polled(await start("liar"))), "403 oidc_token_refused");
  });

  it("sends people to no place that is not safe, and is not there where the provider has none", async () => {
    const begin = async (): Promise<string> =>
      refusalOf(await door.post("/v1/login/device", { connector: "liar", public_key: door.keys.publicKey }));
    liar.lies = { device: (answer) => ({ ...answer, verification_uri: "javascript:alert(1)" }) };
    assert.equal(await begin(), "503 oidc_provider_invalid");
    liar.lies = { device: (answer) => ({ ...answer, verification_uri_complete: "file:///etc/passwd" }) };
    assert.equal(await begin(), "503 oidc_provider_invalid");
    liar.lies = { discovery: ({ device_authorization_endpoint: _, ...metadata }) => metadata };
    door.advance(11 * 60_000);
    assert.equal(await begin(), "403 oidc_device_unavailable");
    door.advance(11 * 60_000);
    liar.lies = { device: (answer) => ({ ...answer, device_code: undefined }) };
    assert.match(await begin(), /oidc_/);
  });

  it("is not asked about at another provider than the one that it began at", async () => {
    const started = await start("liar");
    await door.connect(connector("liar", provider.issuer, provider.clientSecret));
    const asked = provider.asked.length;
    assert.equal(refusalOf(await polled(started)), "403 connector_changed");
    assert.ok(!provider.asked.slice(asked).includes("POST /token"));
    await door.connect(connector("liar", liar.issuer, LIAR_SECRET));
  });

  it("is judged by the locks and roles of the moment", async () => {
    const started = await start();
    await confirm(started, "alice");
    const lock = "kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {role: dev}}\n";
    await door.administration.create(ROOT, documents(lock), { force: false });
    assert.equal(refusalOf(await polled(started)), "403 login_locked");
    await door.administration.remove(ROOT, "lock", "l");
  });

  it("leaves the provider's code and its own secret nowhere in the clear", async () => {
    const started = await start("liar");
    let kept = "";
    for await (const resource of door.store.snapshot()) kept += JSON.stringify(resource);
    const answered = await polled(started);
    const everything = kept + answered.text + JSON.stringify(door.events) + door.log() + JSON.stringify(started);
    assert.ok(liar.asked.some((text) => text.includes(DEVICE_CODE)));
    assert.ok(!everything.includes(DEVICE_CODE) && !kept.includes(started.secret));
  });

  it("is bounded in number", async () => {
    const codes: string[] = [];
    for (let round = 0; round < 25; round++) {
      door.advance(3000);
      codes.push(
        refusalOf(await door.post("/v1/login/device", { connector: "liar", public_key: door.keys.publicKey })),
      );
    }
    assert.equal(codes.at(-1), "429 login_limited");
    assert.ok(codes.filter((code) => code === "200 -").length <= 20);
  });
});
