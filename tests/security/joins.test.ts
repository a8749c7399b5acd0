import assert from "node:assert/strict";
import { randomBytes, X509Certificate } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { pinOf } from "../../src/identity/authority.ts";
import { isGivenOut } from "../../src/control/restored.ts";
import { openAuthority } from "../../src/identity/authority-keys.ts";
import { verifyHostCertificate, Trust } from "../../src/identity/certificate-reader.ts";
import { issueHostCertificate, issueUserCertificate } from "../../src/identity/certificates.ts";
import { CHALLENGE_HEADER, challengeFor, type IdentityReplay } from "../../src/identity/iam-join.ts";
import { readPublicKey } from "../../src/identity/public-key.ts";
import { newKeyPair } from "../support/cluster-authorities.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { type Answered, type Call, type Credentials, startDoor, type TestDoor } from "../support/door.ts";
import { identityAnswer, type IdentityRequestParts, signedIdentityRequest } from "../support/identity-request.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const AGENTS = "arn:aws:sts::123456789012:assumed-role/agents/i-0abc";
const secret = (): string => randomBytes(16).toString("hex");

interface JoinAnswer {
  readonly host_id: string;
  readonly certificate: string;
  readonly renewable: boolean;
  readonly cluster: string;
  readonly expires: string;
  readonly trusted: Record<"host" | "user", { certificate: string; pin: string }[]>;
}

function token(name: string, spec: string, expires = ""): string {
  return `kind: token\nversion: v2\nmetadata: {name: ${name}${expires === "" ? "" : `, expires: "${expires}"`}}\nspec: ${spec}\n`;
}

function codeOf({ json }: Answered): unknown {
  return (json as { error?: { code?: unknown } } | undefined)?.error?.code;
}

describe("joining by a token", () => {
  let door: TestDoor;
  let made: string[] = [];
  before(async () => {
    door = await startDoor("", "off");
  });
  beforeEach(() => {
    door.events.length = 0;
    // As many tries as a test needs.
    door.advance(60_000);
  });
  after(() => door.close());

  async function add(spec: string, expires?: string): Promise<string> {
    const name = secret();
    made.push(name);
    await door.administration.create(ROOT, documents(token(name, spec, expires)), { force: false });
    door.events.length = 0;
    return name;
  }

  function join(name: string, more: object = {}, call: Call = {}): Promise<Answered> {
    const body = { token: name, role: "Db", node_name: "db-1", public_key: door.keys.publicKey, ...more };
    return door.call("/v1/join", { method: "POST", body, ...call });
  }

  function lastJoin(): Record<string, unknown> {
    return door.events.findLast(({ event }) => event === "instance.join") as unknown as Record<string, unknown>;
  }

  it("gives a host certificate for the key that was sent, and says whom to trust", async () => {
    const name = await add("{roles: [Db]}");
    const { status, json, text } = await join(name);
    assert.equal(status, 200, text);
    const joined = json as JoinAnswer;
    const [host, user] = [await door.cluster.authority("host"), await door.cluster.authority("user")];
    const judging = { trust: new Trust({ host, user }), clock: door.clock, isRevoked: () => false };
    const verified = await verifyHostCertificate(joined.certificate, judging);
    assert.deepEqual([verified.hostId, verified.role], [joined.host_id, "db"]);
    const certificate = new X509Certificate(joined.certificate);
    assert.equal(certificate.publicKey.export({ type: "spki", format: "pem" }), door.keys.publicKey);
    // It vouches for no name by which the door is called.
    assert.equal(certificate.subjectAltName, `DNS:${joined.host_id}`);
    assert.equal(Date.parse(joined.expires), verified.expires);
    assert.deepEqual(joined.trusted.host, [
      { certificate: host.active.certificate, pin: pinOf(host.active.certificate) },
    ]);
    assert.deepEqual(
      joined.trusted.user.map(({ pin }) => pin),
      [pinOf(user.active.certificate)],
    );
    assert.deepEqual([joined.cluster, joined.renewable], ["example", true]);
    assert.deepEqual(
      door.events.map(({ event }) => event),
      ["cert.create", "instance.join"],
    );
    const { code, token_name, host_id, node_name, success, "addr.remote": address } = lastJoin();
    assert.deepEqual(
      [code, token_name, host_id, node_name, success, address],
      ["TJ002I", `${"*".repeat(24)}${name.slice(24)}`, joined.host_id, "db-1", true, "127.0.0.1"],
    );
  });

  it("tells a stranger the same of whatever does not count, and the log what it was", async () => {
    const usedUp = await add("{roles: [Db], max_uses: 1}");
    assert.equal((await join(usedUp)).status, 200);
    const attempts: readonly (readonly [string, object, string])[] = [
      [secret(), {}, "there is no such token"],
      [await add("{roles: [Proxy]}"), {}, "the token is for another role or method"],
      [await add("{roles: [Db]}"), { role: "Auth" }, "the token is for another role or method"],
      [
        await add("{roles: [Db], join_method: iam, allow: [{aws_account: '123456789012'}]}"),
        {},
        "the token is for another role or method",
      ],
      [usedUp, {}, "the token is used up"],
    ];
    const answers: string[] = [];
    for (const [name, more, why] of attempts) {
      const answered = await join(name, more);
      assert.deepEqual([answered.status, codeOf(answered)], [403, "join_refused"]);
      assert.deepEqual([lastJoin()["code"], lastJoin()["error"], lastJoin()["host_id"]], ["TJ002E", why, null]);
      answers.push(answered.text);
    }
    const late = await add("{roles: [Db]}", new Date(door.clock.now() + HOUR).toISOString());
    door.advance(HOUR);
    answers.push((await join(late)).text);
    assert.equal(lastJoin()["error"], "the token has expired");
    assert.equal(new Set(answers).size, 1);
  });

  it("uses nothing up for what can get no certificate", async () => {
    const name = await add("{roles: [Db], max_uses: 1}");
    for (const more of [
      { public_key: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" },
      { role: "Bot" },
      { role: "Admin" },
      { node_name: "" },
      { node_name: "a\nb" },
      { challenge: "alone" },
      { labels: { a: "b" } },
    ])
      assert.equal((await join(name, more)).status, 400, JSON.stringify(more));
    assert.equal((await join(name)).status, 200);
  });

  it("lets in no more than max_uses, however many come at once", async () => {
    const name = await add("{roles: [Db], max_uses: 5}");
    const answered = await Promise.all(Array.from({ length: 20 }, () => join(name)));
    assert.equal(answered.filter(({ status }) => status === 200).length, 5);
    assert.deepEqual(new Set(answered.map(({ status }) => status)), new Set([200, 403]));
    const ids = answered.flatMap(({ json }) => (json as Partial<JoinAnswer>).host_id ?? []);
    assert.equal(new Set(ids).size, 5);
  });

  it("limits the tries of an address, and how much of them is written down", async () => {
    const answered: Answered[] = [];
    for (let at = 0; at < 90; at++) answered.push(await join("guess-guess-guess"));
    assert.equal(answered.filter((one) => codeOf(one) === "join_limited").length > 0, true);
    assert.ok(door.events.length < 90, `${door.events.length} events`);
    door.advance(HOUR);
    assert.equal((await join(await add("{roles: [Db]}"))).status, 200);
  });

  it("shows no token in any event, log line or answer", async () => {
    await join(await add("{roles: [Db]}"));
    for (const name of made) {
      assert.ok(!JSON.stringify(door.events).includes(name.slice(0, 20)));
      assert.ok(!door.log().includes(name.slice(0, 20)));
    }
  });
});

describe("renewing a host certificate", () => {
  let door: TestDoor;
  let host: Credentials;
  let hostId: string;
  beforeEach(async () => {
    door = await startDoor("", "off");
    const name = secret();
    await door.administration.create(ROOT, documents(token(name, "{roles: [Db]}")), { force: false });
    const body = { token: name, role: "db", node_name: "db-1", public_key: door.keys.publicKey };
    const joined = (await door.call("/v1/join", { method: "POST", body })).json as JoinAnswer;
    host = { cert: joined.certificate, key: door.keys.privateKey };
    hostId = joined.host_id;
    door.events.length = 0;
  });
  afterEach(() => door.close());

  function renew(credentials: Credentials | undefined, publicKey = newKeyPair().publicKey): Promise<Answered> {
    const body = { public_key: publicKey };
    return door.call("/v1/host/renew", { method: "POST", body, ...(credentials === undefined ? {} : { credentials }) });
  }

  async function refused(credentials: Credentials | undefined, status: number, code: string): Promise<void> {
    const answered = await renew(credentials);
    assert.deepEqual([answered.status, codeOf(answered)], [status, code], answered.text);
    assert.ok(!door.events.some(({ event }) => event === "cert.create"));
  }

  it("certifies a new key of the same host, again and again", async () => {
    const keys = newKeyPair();
    door.advance(5 * DAY);
    const first = await renew(host, keys.publicKey);
    assert.equal(first.status, 200, first.text);
    const { host_id, certificate, renewable } = first.json as JoinAnswer;
    assert.deepEqual([host_id, renewable], [hostId, true]);
    door.advance(5 * DAY);
    const second = await renew({ cert: certificate, key: keys.privateKey });
    assert.deepEqual([second.status, (second.json as JoinAnswer).host_id], [200, hostId]);
  });

  it("is refused without a certificate", () => refused(undefined, 401, "host_certificate_required"));

  it("is refused to a user", async () => {
    const signer = await openAuthority(await door.cluster.authority("user"), door.ring);
    const user = { name: hostId, roles: ["editor"], traits: {}, mfaVerified: true };
    const request = { user, publicKey: door.keys.publicKey, lifetime: HOUR, longest: HOUR };
    const { certificate } = await issueUserCertificate(signer, request, door.clock);
    await refused({ cert: certificate, key: door.keys.privateKey }, 401, "certificate_wrong_kind");
  });

  it("is refused when the certificate has ended", async () => {
    door.advance(7 * DAY + 2 * 60_000);
    await refused(host, 401, "certificate_expired");
  });

  it("is refused to a host of the cluster that never joined, such as a door, or in another role than it joined in", async () => {
    const signer = await openAuthority(await door.cluster.authority("host"), door.ring);
    const issue = async (id: string, role: "auth" | "proxy"): Promise<Credentials> => {
      const request = { hostId: id, role, names: [], publicKey: door.keys.publicKey, lifetime: HOUR };
      return {
        cert: (await issueHostCertificate(signer, request, door.clock)).certificate,
        key: door.keys.privateKey,
      };
    };
    assert.equal(codeOf(await renew(await issue("elsewhere", "proxy"))), "certificate_revoked");
    await refused(await issue(hostId, "auth"), 403, "certificate_revoked");
  });

  it("is refused while a lock is on the host, and goes on record", async () => {
    const lock = `kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {server_id: ${hostId}}, message: stolen}\n`;
    await door.administration.create(ROOT, documents(lock), { force: false });
    const answered = await renew(host);
    assert.deepEqual([answered.status, codeOf(answered)], [403, "host_locked"]);
    assert.match(answered.text, /it is locked: stolen/);
    const event = door.events.find(({ event: name }) => name === "postern.cert.refused") as unknown as {
      cert_type: string;
      identity: { name: string };
    };
    assert.deepEqual([event.cert_type, event.identity.name], ["host", hostId]);
    await door.administration.remove(ROOT, "lock", "l");
    assert.equal((await renew(host)).status, 200);
  });

  it("is refused while a lock cannot be read", async () => {
    await door.cluster.store.write([{ op: "create", kind: "lock", name: "l", value: { spec: "broken" } }]);
    await refused(host, 500, "internal");
  });
});

describe("joining by an AWS identity", () => {
  let door: TestDoor;
  let replayed: IdentityReplay[] = [];
  let says = identityAnswer(AGENTS);
  let statusOfSts = 200;
  let answering: (asked: number) => Promise<void> = async () => undefined;
  before(async () => {
    const askSts = async (replay: IdentityReplay): Promise<{ status: number; body: string }> => {
      replayed.push(replay);
      await answering(replayed.length);
      return { status: statusOfSts, body: says };
    };
    const rules =
      "allow: [{aws_account: '123456789012', aws_arn: 'arn:aws:sts::123456789012:assumed-role/agents/i-*'}]";
    const yaml = `${token("agents", `{roles: [Db], join_method: iam, ${rules}}`)}---\n${token("few", `{roles: [Db], join_method: iam, max_uses: 1, ${rules}}`)}`;
    door = await startDoor(yaml, "off", {}, { askSts });
  });
  beforeEach(() => {
    door.events.length = 0;
    replayed = [];
    says = identityAnswer(AGENTS);
    statusOfSts = 200;
    door.advance(60_000);
  });
  after(() => door.close());

  async function challenge(): Promise<string> {
    const { json, status, text } = await door.call("/v1/join/challenge", { method: "POST" });
    assert.equal(status, 200, text);
    return (json as { challenge: string }).challenge;
  }

  async function prove(given: string, parts: IdentityRequestParts = {}): Promise<Record<string, unknown>> {
    const signedFor = challengeFor(given, readPublicKey(door.keys.publicKey));
    const headers = { ...parts.headers, [CHALLENGE_HEADER]: signedFor };
    const identity = await signedIdentityRequest({ at: door.clock.now(), ...parts, headers });
    return { challenge: given, identity };
  }

  function join(more: object, credentials?: Credentials): Promise<Answered> {
    const body = { token: "agents", role: "Db", node_name: "db-1", public_key: door.keys.publicKey, ...more };
    return door.call("/v1/join", { method: "POST", body, ...(credentials === undefined ? {} : { credentials }) });
  }

  it("lets in whom STS confirms and a rule fits, and says what was proved", async () => {
    const answered = await join(await prove(await challenge()));
    assert.equal(answered.status, 200, answered.text);
    assert.equal((answered.json as JoinAnswer).renewable, false);
    assert.equal(replayed[0]?.url, "https://sts.us-east-1.amazonaws.com/");
    const event = door.events.find(({ event: name }) => name === "instance.join") as unknown as Record<string, unknown>;
    assert.deepEqual(
      [event["method"], event["token_name"], event["attributes"]],
      ["iam", "agents", { aws_account: "123456789012", aws_arn: AGENTS }],
    );
    assert.ok(!JSON.stringify(door.events).includes("AWS4-HMAC"));
  });

  it("takes a challenge once, also when several come with it at the same moment", async () => {
    const proof = await prove(await challenge());
    const answered = await Promise.all([join(proof), join(proof), join(proof)]);
    assert.deepEqual(
      answered.map(({ status }) => status).toSorted((one, other) => one - other),
      [200, 403, 403],
    );
    const late = await join(proof);
    assert.deepEqual([late.status, codeOf(late)], [403, "join_challenge_refused"]);
  });

  it("takes no challenge that is too old, of another cluster, or of nobody", async () => {
    const old = await challenge();
    door.advance(61_000);
    const other = await startDoor("", "off");
    const theirs = await other.call("/v1/join/challenge", { method: "POST" });
    await other.close();
    for (const given of [
      old,
      (theirs.json as { challenge: string }).challenge,
      "o3Sx5cGmPZ2bD0w9m2mTtR9gq0m3k6yKc1rJ5b8nUuE",
    ]) {
      const answered = await join(await prove(given));
      assert.deepEqual([answered.status, codeOf(answered)], [403, "join_challenge_refused"]);
    }
    assert.equal(replayed.length, 0);
  });

  it("replays nothing that was not signed for this challenge, or has more in it", async () => {
    const given = await challenge();
    const { identity } = await prove(await challenge());
    const own = (await prove(given))["identity"] as { headers: [string, string][]; url: string; body: string };
    const forged: readonly object[] = [
      { challenge: given, identity },
      { challenge: given, identity: { ...own, url: "https://sts.evil.example/" } },
      { challenge: given, identity: { ...own, body: `${own.body}&Version=1` } },
      { challenge: given, identity: { ...own, headers: [...own.headers, ["x-amz-target", "Other"]] } },
      { challenge: given, identity: { ...own, headers: own.headers.filter(([name]) => name !== CHALLENGE_HEADER) } },
      await prove(given, { headers: { "x-forwarded-host": "evil.example" } }),
    ];
    for (const more of forged) {
      const answered = await join(more);
      assert.deepEqual([answered.status, codeOf(answered)], [400, "identity_request_invalid"], answered.text);
    }
    assert.equal(codeOf(await join(await prove(given, { at: door.clock.now() - HOUR }))), "identity_request_stale");
    assert.equal(replayed.length, 0);
  });

  it("certifies no other key than the one that was signed for, so that nobody can pass on what an agent signs", async () => {
    const proof = await prove(await challenge());
    const answered = await join({ ...proof, public_key: newKeyPair().publicKey });
    assert.deepEqual([answered.status, codeOf(answered)], [400, "identity_request_invalid"], answered.text);
    const given = await challenge();
    const headers = { [CHALLENGE_HEADER]: given };
    const bare = await join({
      challenge: given,
      identity: await signedIdentityRequest({ at: door.clock.now(), headers }),
    });
    assert.deepEqual([bare.status, codeOf(bare)], [400, "identity_request_invalid"], bare.text);
    assert.equal(replayed.length, 0);
    assert.equal((await join(proof)).status, 200);
  });

  it("keeps out whom STS does not confirm, who is of another account, and whom no rule fits", async () => {
    statusOfSts = 403;
    assert.equal(codeOf(await join(await prove(await challenge()))), "identity_refused");
    statusOfSts = 200;
    says = identityAnswer("arn:aws:sts::999999999999:assumed-role/agents/i-0abc", "999999999999");
    assert.equal(codeOf(await join(await prove(await challenge()))), "identity_not_allowed");
    says = identityAnswer("arn:aws:sts::123456789012:assumed-role/others/i-0abc");
    const answered = await join(await prove(await challenge()));
    assert.deepEqual([answered.status, codeOf(answered)], [403, "identity_not_allowed"]);
    const event = door.events.findLast(({ event: name }) => name === "instance.join") as unknown as Record<
      string,
      unknown
    >;
    assert.deepEqual(
      [event["code"], (event["attributes"] as Record<string, string>)["aws_arn"]],
      ["TJ002E", "arn:aws:sts::123456789012:assumed-role/others/i-0abc"],
    );
    says = "<html>";
    assert.equal(codeOf(await join(await prove(await challenge()))), "identity_answer_invalid");
  });

  it("asks STS nothing for a token that lets nobody in", async () => {
    const answered = await join({ ...(await prove(await challenge())), token: "nobodys" });
    assert.deepEqual([answered.status, codeOf(answered), replayed.length], [403, "join_refused", 0]);
  });

  it("counts a use that is refused for no other reason, and no use of who is refused", async () => {
    says = identityAnswer("arn:aws:sts::123456789012:assumed-role/others/i-0abc");
    assert.equal((await join({ ...(await prove(await challenge())), token: "few" })).status, 403);
    says = identityAnswer(AGENTS);
    assert.equal((await join({ ...(await prove(await challenge())), token: "few" })).status, 200);
    assert.equal(codeOf(await join({ ...(await prove(await challenge())), token: "few" })), "join_refused");
  });

  it("must be proved again for the next certificate, and stays the same host then, unless it is locked", async () => {
    const first = (await join(await prove(await challenge()))).json as JoinAnswer;
    const credentials = { cert: first.certificate, key: door.keys.privateKey };
    const body = { public_key: door.keys.publicKey };
    const renewed = await door.call("/v1/host/renew", { method: "POST", body, credentials });
    assert.deepEqual([renewed.status, codeOf(renewed)], [403, "host_not_renewable"]);
    const again = (await join(await prove(await challenge()), credentials)).json as JoinAnswer;
    assert.equal(again.host_id, first.host_id);
    const proofs = [await prove(await challenge()), await prove(await challenge())];
    replayed = [];
    let go = (): void => undefined;
    const both = new Promise<void>((resolve) => (go = resolve));
    answering = (asked) => {
      if (asked === proofs.length) go();
      return both;
    };
    const atOnce = await Promise.all(proofs.map((proof) => join(proof, credentials)));
    assert.deepEqual(
      atOnce.map(({ json }) => (json as JoinAnswer).host_id),
      [first.host_id, first.host_id],
    );
    answering = async () => undefined;
    const other = (await join(await prove(await challenge()))).json as JoinAnswer;
    assert.notEqual(other.host_id, first.host_id);
    const lock = `kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {server_id: ${first.host_id}}}\n`;
    await door.administration.create(ROOT, documents(lock), { force: false });
    assert.equal(codeOf(await join(await prove(await challenge()), credentials)), "host_locked");
    await door.administration.remove(ROOT, "lock", "l");
  });

  it("keeps an identity out while the host that joined by it is locked, with its certificate or without, and after that has ended", async () => {
    const mine = AGENTS.replace("i-0abc", "i-0loc");
    says = identityAnswer(mine);
    const first = (await join(await prove(await challenge()))).json as JoinAnswer;
    const lock = (name: string): string =>
      `kind: lock\nversion: v2\nmetadata: {name: ${name}}\nspec: {target: {server_id: ${first.host_id}}, message: stolen}\n`;
    await door.administration.create(ROOT, documents(`${lock("one")}---\n${lock("two")}`), { force: false });
    const refused = async (): Promise<void> => {
      const answered = await join(await prove(await challenge()));
      assert.deepEqual([answered.status, codeOf(answered)], [403, "host_locked"], answered.text);
      assert.match(answered.text, new RegExp(`${first.host_id}.* is locked: stolen`));
    };
    await refused();
    // Another instance of the same role is another host.
    says = identityAnswer(AGENTS.replace("i-0abc", "i-0def"));
    assert.equal((await join(await prove(await challenge()))).status, 200);
    says = identityAnswer(mine);
    door.advance(8 * DAY);
    await refused();
    await door.administration.remove(ROOT, "lock", "one");
    await refused();
    // Nor is it lost with what a restore leaves out.
    const kept: string[] = [];
    for await (const { kind, name } of door.cluster.store.snapshot())
      if (name === first.host_id && !isGivenOut({ kind, name, value: {} })) kept.push(kind);
    assert.deepEqual(kept, ["locked_host"]);
    await door.administration.remove(ROOT, "lock", "two");
    assert.equal((await join(await prove(await challenge()))).status, 200);
  });
});
