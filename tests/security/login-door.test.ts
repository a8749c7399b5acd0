import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { connect as connectPlain } from "node:net";
import { after, before, describe, it } from "node:test";
import { connect, type PeerCertificate } from "node:tls";
import { Secret } from "../../src/base/secret.ts";
import { advanceRotation, pinOf, startRotation } from "../../src/identity/authority.ts";
import { newAuthorityKey, openAuthority } from "../../src/identity/authority-keys.ts";
import { issueHostCertificate } from "../../src/identity/certificates.ts";
import type { StoredValue } from "../../src/store/store.ts";
import { ClusterAuthorities } from "../support/cluster-authorities.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { type Answered, startDoor, type TestDoor } from "../support/door.ts";

const PASSWORD = "correct horse battery";
const HOUR = 3_600_000;
const user = (name: string): string =>
  `kind: user\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [access, auditor], traits: {team: [payments]}}\n`;
const PEOPLE = ["alice", "bob", "carol", "dave", "erin"].map(user).join("---\n");
/** Somebody must be able to administer. */
const EDITOR = `---\n${user("frank").replace("auditor", "editor")}`;

async function startWithPeople(): Promise<TestDoor> {
  const door = await startDoor(PEOPLE + EDITOR, "off");
  for (const name of ["alice", "bob", "carol", "dave"]) await door.people.setPassword(ROOT, name, new Secret(PASSWORD));
  door.events.length = 0;
  return door;
}

function codeOf({ json }: Answered): unknown {
  return (json as { error?: { code?: unknown } } | undefined)?.error?.code;
}

function assertRefused(answered: Answered, status: number, code: string): void {
  assert.deepEqual([answered.status, codeOf(answered)], [status, code], answered.text);
  const { error } = answered.json as { error: Record<string, unknown> };
  assert.deepEqual(
    Object.keys(error).filter((key) => !["code", "message", "hint"].includes(key)),
    [],
  );
}

describe("the cluster's door", () => {
  let door: TestDoor;
  before(async () => {
    door = await startWithPeople();
  });
  after(() => door.close());

  it("says what it is to anybody, with a certificate by whose authority a pin knows the cluster", async () => {
    const { status, json, headers } = await door.call("/webapi/ping");
    assert.deepEqual(
      [status, headers["content-type"], headers["cache-control"]],
      [200, "application/json", "no-store"],
    );
    assert.deepEqual(json, {
      server_version: "1.2.3",
      cluster_name: "example",
      proxy: { second_factor: "off" },
      auth: { local: true, connectors: [] },
    });
    const shown = await new Promise<PeerCertificate>((resolve, reject) => {
      const socket = connect({ port: door.port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate(true));
        socket.destroy();
      }).on("error", reject);
    });
    const authority = new X509Certificate(
      (shown as PeerCertificate & { issuerCertificate: PeerCertificate }).issuerCertificate.raw,
    );
    assert.deepEqual([pinOf(authority.toString())], await door.cluster.pins());
    assert.match(shown.subjectaltname ?? "", /DNS:localhost.*127\.0\.0\.1/);
  });

  it("lets in who is right, with a certificate that works at once", async () => {
    const { status, json } = await door.logIn("alice", PASSWORD, { ttl_ms: HOUR });
    assert.equal(status, 200);
    const login = json as Record<"certificate" | "expires" | "cluster", string> & { trusted: string[]; user: unknown };
    assert.deepEqual(Object.keys(login).sort(), ["certificate", "cluster", "expires", "trusted", "user"]);
    const alice = { name: "alice", roles: ["access", "auditor"], traits: { team: ["payments"] } };
    assert.deepEqual([login.user, login.cluster], [alice, "example"]);
    assert.deepEqual(login.trusted.map(pinOf), await door.cluster.pins());
    const left = Date.parse(login.expires) - door.clock.now();
    assert.ok(left > HOUR - 30_000 && left <= HOUR, `${left} ms`);
    const credentials = { cert: login.certificate, key: door.keys.privateKey };
    const status2 = await door.call("/v1/status", { credentials });
    assert.deepEqual(
      [status2.status, status2.json],
      [200, { user: alice, cluster: "example", expires: login.expires }],
    );
    const event = door.events.find(({ event }) => event === "user.login") as Record<string, unknown> | undefined;
    assert.deepEqual([event?.["code"], event?.["addr.remote"]], ["T1000I", "127.0.0.1"]);
  });

  it("refuses a wrong password, an unknown user and one without a password in the same words", async () => {
    const refused = [
      await door.logIn("alice", "wrong horse battery"),
      await door.logIn("nobody", PASSWORD),
      await door.logIn("erin", PASSWORD),
      await door.logIn("\u0000/../x", PASSWORD),
    ];
    for (const one of refused) assertRefused(one, 403, "login_refused");
    assert.equal(new Set(refused.map(({ text }) => text)).size, 1);
  });

  const reading: Record<string, { call: Parameters<TestDoor["call"]>[1]; status: number; code: string }> = {
    "a body that is too large": { call: { body: { user: "x".repeat(65_536) } }, status: 413, code: "body_too_large" },
    "a body that grows too large without saying so": {
      call: { body: " ".repeat(70_000), headers: { "transfer-encoding": "chunked" } },
      status: 413,
      code: "body_too_large",
    },
    "a form": {
      call: { body: "user=alice", headers: { "content-type": "application/x-www-form-urlencoded" } },
      status: 415,
      code: "content_type_invalid",
    },
    "what only begins like JSON's type": {
      call: { body: "{}", headers: { "content-type": "application/jsonp" } },
      status: 415,
      code: "content_type_invalid",
    },
    "a member it does not know": {
      call: { body: { user: "alice", password: PASSWORD, public_key: "", admin: true } },
      status: 400,
      code: "body_invalid",
    },
    "a name twice": {
      call: { body: `{"user":"alice","user":"bob","password":"${PASSWORD}","public_key":""}` },
      status: 400,
      code: "body_invalid",
    },
    "a password that is none": {
      call: { body: { user: "alice", password: [PASSWORD], public_key: "" } },
      status: 400,
      code: "body_invalid",
    },
    "no JSON": { call: { body: "{" }, status: 400, code: "body_invalid" },
    "GET on login": { call: { method: "GET" }, status: 405, code: "method_not_allowed" },
    "HEAD on login": { call: { method: "HEAD" }, status: 405, code: "" },
  };
  for (const [what, { call, status, code }] of Object.entries(reading)) {
    it(`refuses ${what}`, async () => {
      const before = door.events.length;
      const answered = await door.call("/v1/login", { method: "POST", ...call });
      if (code === "") assert.equal(answered.status, status);
      else assertRefused(answered, status, code);
      assert.ok(!answered.text.includes(PASSWORD));
      assert.equal(door.events.length, before);
    });
  }

  it("has nothing at other paths and knows one method for each of its own", async () => {
    assertRefused(await door.call("/"), 404, "path_unknown");
    assertRefused(await door.call("/v1/status/"), 404, "path_unknown");
    assertRefused(await door.call("//v1/login"), 404, "path_unknown");
    assertRefused(await door.call("/v1/status", { method: "DELETE" }), 405, "method_not_allowed");
    assertRefused(await door.call("/webapi/ping", { method: "POST", body: {} }), 405, "method_not_allowed");
    assert.equal((await door.call("*", { method: "OPTIONS" })).status, 400);
  });

  it("refuses a key that is none after the password was right", async () => {
    assertRefused(await door.logIn("alice", PASSWORD, { public_key: "none" }), 400, "public_key_invalid");
  });

  it("answers nothing to a request without TLS", async () => {
    const got = await new Promise<string>((resolve) => {
      const socket = connectPlain(door.port, "127.0.0.1", () =>
        socket.write("GET /webapi/ping HTTP/1.1\r\nhost: x\r\n\r\n"),
      );
      let text = "";
      socket.setEncoding("latin1").on("data", (chunk: string) => (text += chunk));
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
    assert.ok(!got.includes("HTTP"), got);
    assert.equal((await door.call("/webapi/ping")).status, 200);
  });

  it("refuses TLS 1.1", async () => {
    const outcome = await new Promise<string>((resolve) => {
      const options = { port: door.port, host: "127.0.0.1", rejectUnauthorized: false } as const;
      const socket = connect({ ...options, maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" });
      socket.on("secureConnect", () => resolve("connected"));
      socket.on("error", () => resolve("refused"));
    });
    assert.equal(outcome, "refused");
  });
});

describe("a certificate that is shown at the cluster's door", () => {
  let door: TestDoor;
  before(async () => {
    door = await startWithPeople();
  });
  after(() => door.close());

  it("is needed", async () => {
    assertRefused(await door.call("/v1/status"), 401, "login_required");
    assertRefused(await door.call("/v1/databases"), 401, "login_required");
  });

  it("ends with a lock, and lasts again without it", async () => {
    const credentials = await door.credentials("alice", PASSWORD);
    const lock = "kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: alice}, message: gone}\n";
    await door.administration.create(ROOT, documents(lock), { force: false });
    assertRefused(await door.call("/v1/status", { credentials }), 403, "user_locked");
    assertRefused(await door.call("/v1/databases", { credentials }), 403, "user_locked");
    assertRefused(await door.logIn("alice", PASSWORD), 403, "login_locked");
    assert.equal(door.events.filter(({ event }) => event === "postern.cert.refused").length, 2);
    await door.administration.remove(ROOT, "lock", "l");
    assert.equal((await door.call("/v1/status", { credentials })).status, 200);
  });

  it("ends with its user, and gives no role that was taken away or given later", async () => {
    const credentials = await door.credentials("bob", PASSWORD);
    const changed = user("bob").replace("[access, auditor]", "[access, editor]");
    await door.administration.create(ROOT, documents(changed), { force: true });
    const { json } = await door.call("/v1/status", { credentials });
    assert.deepEqual((json as { user: { roles: string[] } }).user.roles, ["access"]);
    await door.administration.remove(ROOT, "user", "bob");
    assertRefused(await door.call("/v1/status", { credentials }), 403, "user_removed");
  });

  it("is refused when it is of another cluster, a host's, or changed, and the refusals are on record", async () => {
    door.events.length = 0;
    const { keys } = door;
    const other = await ClusterAuthorities.make("example", door.clock);
    const strange = await other.issueUser({ publicKey: keys.publicKey });
    const host = await issueHostCertificate(
      await openAuthority(await door.cluster.authority("host"), door.ring),
      { hostId: "alice", role: "proxy", names: [], publicKey: keys.publicKey, lifetime: HOUR },
      door.clock,
    );
    const cases = [
      [strange.certificate, "certificate_untrusted"],
      [host.certificate, "certificate_wrong_kind"],
      [tampered((await door.credentials("carol", PASSWORD)).cert), "certificate_untrusted"],
    ] as const;
    for (const [cert, code] of cases)
      assertRefused(await door.call("/v1/status", { credentials: { cert, key: keys.privateKey } }), 401, code);
    const refusals = door.events.filter(({ event }) => event === "postern.cert.refused");
    assert.deepEqual(
      refusals.map((event) => (event as unknown as { identity: unknown }).identity),
      [null, null, null],
    );
  });

  it("cannot fill the audit log", async () => {
    door.events.length = 0;
    const other = await ClusterAuthorities.make("example", door.clock);
    const { certificate: cert } = await other.issueUser({ publicKey: door.keys.publicKey });
    const credentials = { cert, key: door.keys.privateKey };
    for (let round = 0; round < 30; round++)
      assertRefused(await door.call("/v1/status", { credentials }), 401, "certificate_untrusted");
    assert.ok(door.events.length < 25, `${door.events.length} events`);
  });

  it("ends when its time is over", async () => {
    const credentials = await door.credentials("dave", PASSWORD);
    door.advance(11 * HOUR);
    assert.equal((await door.call("/v1/status", { credentials })).status, 200);
    door.advance(HOUR + 61_000);
    assertRefused(await door.call("/v1/status", { credentials }), 401, "certificate_expired");
  });
});

describe("a place that tries too often at the cluster's door", () => {
  it("is limited, and tries again later; no password, key or code is in an event, an answer or the log", async () => {
    const door = await startWithPeople();
    try {
      const answers: Answered[] = [];
      for (let round = 0; round < 22; round++) answers.push(await door.logIn(`nobody-${round}`, PASSWORD));
      assertRefused(answers.at(0) as Answered, 403, "login_refused");
      assertRefused(answers.at(-1) as Answered, 429, "login_limited");
      assertRefused(await door.logIn("alice", PASSWORD), 429, "login_limited");
      door.advance(60_000);
      const right = await door.logIn("alice", PASSWORD, { otp: "123987" });
      assert.equal(right.status, 200);
      // What nobody foresaw: an error of ours is not told.
      await door.cluster.store.inner.write([{ op: "delete", kind: "authority", name: "host" }]);
      await door.cluster.store.inner.write([
        { op: "create", kind: "authority", name: "host", value: { seal: "x", value: { secret: "seed" } } },
      ]);
      const broken = await door.logIn("alice", PASSWORD);
      assertRefused(broken, 500, "internal");
      assert.ok(!broken.text.includes("authority"));
      assert.match(door.log(), /could not be answered/);
      const everything = `${JSON.stringify(door.events)}${answers.map(({ text }) => text).join("")}${broken.text}${door.log()}`;
      const key = door.keys.privateKey.split("\n")[1] ?? "";
      for (const secret of [PASSWORD, "123987", key]) assert.ok(!everything.includes(secret));
    } finally {
      await door.close();
    }
  });
});

describe("the door's own certificate", () => {
  it("is replaced before it ends and when the host authority changes its key", async () => {
    const door = await startWithPeople();
    try {
      const { identity, cluster, ring, clock } = door;
      const first = await identity.current();
      assert.equal(await identity.current(), first);
      door.advance(6 * 24 * HOUR);
      const second = await identity.current();
      assert.notEqual(second.chain, first.chain);
      const fresh = await newAuthorityKey("host", cluster.name, { ring, clock });
      const rotating = startRotation(await cluster.authority("host"), fresh, clock.now());
      const clients = advanceRotation(rotating, "update_clients", clock.now());
      const keep = async (authority: unknown): Promise<void> => {
        const { revision = "" } = (await cluster.store.get("authority", "host")) ?? {};
        const value = authority as StoredValue;
        await cluster.store.write([{ op: "update", kind: "authority", name: "host", value, revision }]);
      };
      // Clients learn of the new key first.
      await keep(clients);
      assert.equal(await identity.current(), second);
      await keep(advanceRotation(clients, "update_servers", clock.now()));
      const third = await identity.current();
      assert.ok(third.chain.endsWith(fresh.certificate));
      assert.ok(new X509Certificate(third.chain).verify(new X509Certificate(fresh.certificate).publicKey));
      door.listening.show(third);
      await assert.rejects(door.call("/webapi/ping"), /certificate/);
      assert.ok(!JSON.stringify(third).includes("PRIVATE KEY"));
    } finally {
      await door.close();
    }
  });
});

/** The same certificate for another name: what the authority signed is changed. */
function tampered(pem: string): string {
  const der = Buffer.from(new X509Certificate(pem).raw);
  const at = der.indexOf("carol");
  der.write("alice", at);
  const body = der.toString("base64").replace(/(.{64})(?=.)/g, "$1\n");
  return `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
}
