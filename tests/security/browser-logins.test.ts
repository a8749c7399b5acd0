import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { PosternError } from "../../src/base/errors.ts";
import { Secret } from "../../src/base/secret.ts";
import type { BrowserLoginRequest, BrowserLogins } from "../../src/control/browser-logins.ts";
import { connectorLogins } from "../../src/control/connector-logins.ts";
import { markOf, SecretsStore } from "../../src/control/user-secrets.ts";
import { NO_TRIES } from "../../src/identity/tries.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { startLogins, type TestLogins } from "../support/logins.ts";

const user = (name: string): string => `
kind: user
version: v2
metadata: {name: ${name}}
spec: {roles: [access, short], traits: {team: [payments]}}
---`;
const PEOPLE = `
kind: role
version: v7
metadata: {name: short}
spec: {options: {max_session_ttl: 1h}}
---${user("alice")}${user("bob")}${user("carol")}${user("dave")}`.replace(/---$/, "");

const STATE = "s".repeat(16);
/** Kept of everybody's password here. */
const KEPT = "$scrypt$ln=10,r=8,p=1$salt$key";
const ALICE = { by: "local", user: "alice", mfa: "webauthn", mark: markOf(KEPT) } as const;

interface Begun {
  readonly id: string;
  readonly verifier: Secret;
}

describe("a login that is completed in a browser", () => {
  let cluster: TestLogins;
  let logins: BrowserLogins;
  before(async () => {
    cluster = await startLogins(PEOPLE, "off");
    const secrets = new SecretsStore(cluster.cluster.store, cluster.ring);
    for (const name of ["alice", "bob", "carol"]) await secrets.write(name, { ...NO_TRIES, password: KEPT }, undefined);
    logins = another();
  });
  after(() => cluster.close());

  /** Another door of the same store. */
  function another(healthy = true): BrowserLogins {
    const record = async (event: TestLogins["events"][number]): Promise<void> => void cluster.events.push(event);
    return connectorLogins({
      ...cluster,
      events: { healthy, record },
      publicUrl: () => "https://postern.example",
      taken: async () => new Set(),
      log: createLog({ severity: "error", format: "json", write: () => undefined }),
    }).browserLogins;
  }

  async function begin(change: Partial<BrowserLoginRequest> = {}, at: BrowserLogins = logins): Promise<Begun> {
    // More than one place's worth is begun here.
    cluster.advance(60_000);
    const verifier = randomBytes(32).toString("base64url");
    const challenge = createHash("sha256").update(verifier).digest("base64url");
    const { id } = await at.begin({
      publicKey: cluster.publicKey,
      address: "192.0.2.7",
      callback: { port: 40_000, state: STATE },
      challenge,
      method: "local",
      ...change,
    });
    return { id, verifier: new Secret(verifier) };
  }

  async function proved(change: Partial<BrowserLoginRequest> = {}): Promise<Begun & { readonly code: Secret }> {
    const begun = await begin(change);
    return { ...begun, code: codeIn(await logins.complete(begun.id, ALICE)) };
  }

  const redeem = (one: Begun & { readonly code?: Secret }, at: BrowserLogins = logins): ReturnType<typeof at.redeem> =>
    at.redeem({ ...one, address: "192.0.2.7" });

  it("gives a certificate to who began it, through whichever door of the cluster", async () => {
    const begun = await begin({ lifetime: 10 * 3_600_000 });
    const [here, there] = [another(), another()];
    const { method, address, port } = await here.look(begun.id);
    assert.deepEqual([method, address, port], ["local", "192.0.2.7", 40_000]);
    const target = await here.complete(begun.id, ALICE);
    assert.deepEqual(
      [target.origin, target.pathname, target.searchParams.get("state"), [...target.searchParams.keys()]],
      ["http://127.0.0.1:40000", "/callback", STATE, ["code", "state"]],
    );
    cluster.events.length = 0;
    const { principal, certificate } = await redeem({ ...begun, code: codeIn(target) }, there);
    assert.deepEqual(principal, {
      name: "alice",
      roles: ["access", "short"],
      traits: { team: ["payments"] },
      mfaVerified: true,
    });
    const lasts = certificate.expires - cluster.clock.now();
    assert.ok(lasts <= 3_600_000 && lasts > 3_500_000, `${lasts}`);
    const event = cluster.events.find((one) => one.event === "user.login");
    assert.deepEqual(event, {
      event: "user.login",
      code: "T1000I",
      user: "alice",
      method: "local",
      mfa_device: { mfa_device_type: "webauthn" },
      "addr.remote": "192.0.2.7",
      success: true,
      error: null,
      attributes: null,
    });
  });

  it("is redeemed once, also by two at the same moment", async () => {
    const one = await proved();
    const both = await Promise.allSettled([redeem(one), redeem(one, another())]);
    assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    await assert.rejects(redeem(one), withCode("browser_login_unknown"));
  });

  it("is worth nothing to who has the code without the verifier, and to nobody else after that", async () => {
    const one = await proved();
    cluster.events.length = 0;
    await assert.rejects(redeem({ ...one, verifier: new Secret("v".repeat(43)) }), withCode("browser_login_refused"));
    assert.deepEqual(
      cluster.events.map((event) => [codeOf(event), "user" in event && event.user]),
      [["T1000W", "alice"]],
    );
    await assert.rejects(redeem(one), withCode("browser_login_unknown"));
  });

  it("does not give way to a wrong code, or to one of another login", async () => {
    const [one, other] = [await proved(), await proved()];
    await assert.rejects(redeem({ ...one, code: new Secret("c".repeat(43)) }), withCode("browser_login_refused"));
    await assert.rejects(redeem({ ...one, code: other.code }), withCode("browser_login_refused"));
    await assert.rejects(redeem({ id: one.id, verifier: one.verifier }), withCode("browser_login_refused"));
    await assert.rejects(redeem({ ...one, id: other.id }), withCode("browser_login_refused"));
    assert.equal((await redeem(one)).principal.name, "alice");
  });

  it("cannot be redeemed before anybody proved anything, nor completed twice or another way", async () => {
    const begun = await begin();
    await assert.rejects(redeem({ ...begun, code: new Secret("") }), withCode("browser_login_unknown"));
    await logins.complete(begun.id, ALICE);
    await assert.rejects(logins.complete(begun.id, { ...ALICE, user: "bob" }), withCode("browser_login_unknown"));
    await assert.rejects(logins.look(begun.id), withCode("browser_login_unknown"));
    const elsewhere = await begin({ method: { connector: "corp" } });
    await assert.rejects(logins.complete(elsewhere.id, ALICE), withCode("browser_login_unknown"));
  });

  it("ends after five minutes, completed or not", async () => {
    const [begun, one] = [await begin(), await proved()];
    cluster.advance(5 * 60_000);
    await assert.rejects(logins.complete(begun.id, ALICE), withCode("browser_login_unknown"));
    await assert.rejects(redeem(one), withCode("browser_login_unknown"));
  });

  it("tells the command line why it came to nothing, and nobody else, and puts that on record", async () => {
    const begun = await begin();
    cluster.events.length = 0;
    const why = new PosternError("oidc_no_roles", "Cannot log in: none of the claims gives a role", { hint: "ask" });
    const target = await logins.fail(begun.id, why, { user: "alice", address: "192.0.2.8" });
    assert.deepEqual(
      [...target.searchParams],
      [
        ["error", "login_failed"],
        ["state", STATE],
      ],
    );
    assert.deepEqual(
      cluster.events.map((event) => [codeOf(event), "error" in event && event.error]),
      [["T1000W", why.message]],
    );
    await assert.rejects(redeem({ ...begun, verifier: new Secret("v".repeat(43)) }), withCode("browser_login_refused"));
    await assert.rejects(redeem(begun), { code: why.code, message: why.message, hint: "ask" });
    await assert.rejects(redeem(begun), withCode("browser_login_unknown"));
  });

  it("gives nothing to who was locked, removed or replaced between the browser and the command line", async () => {
    const [locked, removed] = [await begin(), await begin()];
    const lockedCode = codeIn(await logins.complete(locked.id, { ...ALICE, user: "bob" }));
    const removedCode = codeIn(await logins.complete(removed.id, { ...ALICE, user: "carol" }));
    const lock = "kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: bob}, message: gone}\n";
    await cluster.administration.create(ROOT, documents(lock), { force: false });
    await cluster.administration.remove(ROOT, "user", "carol");
    await cluster.administration.create(ROOT, documents(user("carol").replace(/---$/, "")), { force: false });
    await assert.rejects(redeem({ ...locked, code: lockedCode }), withCode("login_locked"));
    await assert.rejects(redeem({ ...removed, code: removedCode }), withCode("login_refused"));
  });

  it("can lead to no other place than a port of the browser's own machine", async () => {
    for (const port of [0, 22, 1023, 65_536, 1e9, 4000.5, Number.NaN])
      await assert.rejects(begin({ callback: { port, state: STATE } }), withCode("browser_login_invalid"), `${port}`);
    for (const state of ["", "short", `${STATE}&code=x`, `${STATE}\r\nx: y`, "x".repeat(129)])
      await assert.rejects(begin({ callback: { port: 40_000, state } }), withCode("browser_login_invalid"), state);
    for (const challenge of ["", "plain", "x".repeat(44)])
      await assert.rejects(begin({ challenge }), withCode("browser_login_invalid"), challenge);
    await assert.rejects(begin({ publicKey: "none" }), withCode("public_key_invalid"));
  });

  it("is not begun or redeemed while nothing can be recorded", async () => {
    const one = await proved();
    const mute = another(false);
    await assert.rejects(begin({}, mute), withCode("audit_unavailable"));
    await assert.rejects(redeem(one, mute), withCode("audit_unavailable"));
  });

  it("is unknown under what is no name of one", async () => {
    for (const id of ["", "../user/alice", "A".repeat(32), "0".repeat(32), "0".repeat(10_000)]) {
      await assert.rejects(logins.look(id), withCode("browser_login_unknown"));
      await assert.rejects(redeem({ id, verifier: new Secret("v") }), withCode("browser_login_unknown"));
      cluster.advance(60_000);
    }
  });

  it("leaves no code and no verifier in the store or in an event", async () => {
    const one = await proved();
    let kept = "";
    for await (const resource of cluster.store.snapshot()) kept += JSON.stringify(resource);
    await redeem(one);
    const everything = kept + JSON.stringify(cluster.events);
    assert.ok(kept.includes(one.id));
    for (const secret of [one.code, one.verifier]) assert.ok(!everything.includes(secret.reveal()));
  });
});

describe("logins in browsers that are begun on and on", () => {
  it("are bounded by network, over all doors, and end without a trace", async () => {
    const cluster = await startLogins(PEOPLE, "off");
    try {
      const events = { healthy: true, record: async () => undefined };
      const log = createLog({ severity: "error", format: "json", write: () => undefined });
      const taken = async (): Promise<ReadonlySet<string>> => new Set();
      const door = (): BrowserLogins =>
        connectorLogins({ ...cluster, events, publicUrl: () => "https://x", taken, log }).browserLogins;
      const request = (address: string): BrowserLoginRequest => ({
        publicKey: cluster.publicKey,
        address,
        callback: { port: 40_000, state: STATE },
        challenge: "c".repeat(43),
        method: "local",
      });
      // Two doors know nothing of each other's tries, but have one store.
      const [one, other] = [door(), door()];
      for (let round = 0; round < 10; round++) {
        await one.begin(request(`2001:db8::${round}`));
        await other.begin(request("2001:db8::ffff"));
      }
      await assert.rejects(door().begin(request("2001:db8::1")), withCode("login_limited"));
      await door().begin(request("192.0.2.1"));
      cluster.advance(5 * 60_000);
      await door().begin(request("2001:db8::1"));
      const hasty = door();
      for (let round = 0; round < 20; round++)
        await assert.rejects(hasty.redeem({ id: "", verifier: new Secret(""), address: "192.0.2.9" }));
      await assert.rejects(
        hasty.redeem({ id: "", verifier: new Secret(""), address: "192.0.2.9" }),
        withCode("login_limited"),
      );
    } finally {
      await cluster.close();
    }
  });
});

function codeOf(event: TestLogins["events"][number]): string | undefined {
  return "code" in event ? event.code : undefined;
}

function codeIn(target: URL): Secret {
  return new Secret(target.searchParams.get("code") ?? "");
}

function withCode(code: string): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.equal((thrown as PosternError).code, code, String(thrown));
    return true;
  };
}
