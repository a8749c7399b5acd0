import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync } from "node:crypto";
import { after, before, beforeEach, describe, it } from "node:test";
import { exportJWK, exportSPKI, importSPKI } from "jose";
import { Secret } from "../../src/base/secret.ts";
import { Trust, verifyUserCertificate } from "../../src/identity/certificate-reader.ts";
import { IssuerKeys } from "../../src/identity/issuer-keys.ts";
import { getHttps } from "../../src/platform/https-get.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { type Answered, startDoor, type TestDoor } from "../support/door.ts";
import { signed, type SigningKey, startIssuer, type TestIssuer } from "../support/issuer.ts";

const HOUR = 3_600_000;
const REPOSITORY = "acme/orders";

interface BotAnswer {
  readonly certificate: string;
  readonly user: { readonly name: string; readonly roles: string[]; readonly traits: Record<string, string[]> };
  readonly expires: string;
}

describe("bots that join by a platform's token", () => {
  let issuer: TestIssuer;
  let door: TestDoor;
  let github: SigningKey;
  let cluster: SigningKey;
  const sent: string[] = [];
  let written = "";

  before(async () => {
    issuer = await startIssuer();
    github = await issuer.newKey("gh-1");
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    cluster = privateKey as unknown as SigningKey;
    const spki = await importSPKI(publicKey.export({ type: "spki", format: "pem" }).toString(), "ES256");
    const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(spki)), kid: "k8s-1" }] });
    let keys: IssuerKeys | undefined;
    door = await startDoor(
      "",
      "off",
      {},
      {
        keysOf: (url, kid) => {
          keys ??= new IssuerKeys((address) => getHttps(address, { ca: issuer.ca }), door.clock);
          return keys.keysOf(url, kid);
        },
      },
    );
    const yaml = `
kind: user
version: v2
metadata: {name: ci}
spec: {roles: [access], traits: {team: [orders]}}
---
kind: role
version: v7
metadata: {name: short}
spec: {options: {max_session_ttl: 10m}, allow: {db_labels: {a: b}}}
---
kind: user
version: v2
metadata: {name: brief}
spec: {roles: [short]}
---
kind: token
version: v2
metadata: {name: orders-ci}
spec:
  roles: [Bot]
  join_method: github
  bot_name: ci
  github:
    enterprise_server_host: ${JSON.stringify(issuer.host)}
    allow: [{repository: ${REPOSITORY}, ref: refs/heads/main}, {repository_owner: acme, environment: production}]
---
kind: token
version: v2
metadata: {name: once}
spec: {roles: [Bot], join_method: github, bot_name: brief, max_uses: 1, github: {enterprise_server_host: ${JSON.stringify(issuer.host)}, allow: [{repository_owner: acme}]}}
---
kind: token
version: v2
metadata: {name: nobodys}
spec: {roles: [Bot], join_method: github, bot_name: nobody, github: {enterprise_server_host: ${JSON.stringify(issuer.host)}, allow: [{repository_owner: acme}]}}
---
kind: token
version: v2
metadata: {name: pods}
spec: {roles: [Bot], join_method: kubernetes, bot_name: ci, kubernetes: {type: static_jwks, static_jwks: {jwks: '${jwks}'}, allow: [{service_account: "apps:orders"}]}}
`;
    await door.administration.create(ROOT, documents(yaml), { force: false });
  });
  beforeEach(() => {
    written += JSON.stringify(door.events);
    door.events.length = 0;
    issuer.asked.length = 0;
    issuer.answer = { status: 200 };
    door.advance(61_000);
  });
  after(async () => {
    await door.close();
    await issuer.close();
  });

  const seconds = (): number => Math.floor(door.clock.now() / 1000);

  function workflow(more: object = {}): Record<string, unknown> {
    return {
      iss: issuer.url,
      aud: "example",
      sub: `repo:${REPOSITORY}:ref:refs/heads/main`,
      iat: seconds(),
      nbf: seconds() - 300,
      exp: seconds() + 300,
      jti: "1",
      repository: REPOSITORY,
      repository_owner: "acme",
      ref: "refs/heads/main",
      actor: "octocat",
      ...more,
    };
  }

  function pod(more: object = {}): Record<string, unknown> {
    return {
      iss: "https://kubernetes.default.svc.cluster.local",
      aud: ["example"],
      sub: "system:serviceaccount:apps:orders",
      iat: seconds(),
      exp: seconds() + 3607,
      "kubernetes.io": {
        namespace: "apps",
        serviceaccount: { name: "orders", uid: "1" },
        pod: { name: "p", uid: "2" },
      },
      ...more,
    };
  }

  function join(jwt: string, token = "orders-ci", more: object = {}): Promise<Answered> {
    sent.push(jwt);
    const body = { token, jwt, public_key: door.keys.publicKey, ...more };
    return door.call("/v1/join/bot", { method: "POST", body });
  }

  async function asWorkflow(more: object = {}, token?: string): Promise<Answered> {
    return join(await signed(workflow(more), { key: github, kid: "gh-1" }), token);
  }

  async function asPod(more: object = {}): Promise<Answered> {
    return join(await signed(pod(more), { key: cluster, kid: "k8s-1", algorithm: "ES256" }), "pods");
  }

  function lastJoin(): Record<string, unknown> {
    return door.events.findLast(({ event }) => event === "bot.join") as unknown as Record<string, unknown>;
  }

  function assertRefused(answered: Answered, code: string, reason: RegExp): void {
    const { error } = answered.json as { error: { code: string; message: string } };
    assert.deepEqual([answered.status, error.code], [403, code], answered.text);
    assert.match(error.message, reason);
    assert.deepEqual([lastJoin()["code"], lastJoin()["success"]], ["TJ001E", false]);
  }

  it("are the user that the join token names, for an hour, and what was checked goes on record", async () => {
    const { status, json, text } = await asWorkflow();
    assert.equal(status, 200, text);
    const { certificate, user } = json as BotAnswer;
    assert.deepEqual(user, { name: "ci", roles: ["access"], traits: { team: ["orders"], bot: ["orders-ci"] } });
    const [host, users] = [await door.cluster.authority("host"), await door.cluster.authority("user")];
    const judging = { trust: new Trust({ host, user: users }), clock: door.clock, isRevoked: () => false };
    const verified = await verifyUserCertificate(certificate, judging);
    assert.deepEqual([verified.user.name, verified.user.mfaVerified], ["ci", false]);
    const left = verified.expires - door.clock.now();
    assert.ok(left > HOUR - 30_000 && left <= HOUR, `${left} ms`);
    const { event, code, attributes, token_name, method, user: who } = lastJoin();
    assert.deepEqual([event, code, who, token_name, method], ["bot.join", "TJ001I", "ci", "orders-ci", "github"]);
    assert.deepEqual(attributes, {
      iss: issuer.url,
      sub: `repo:${REPOSITORY}:ref:refs/heads/main`,
      repository: REPOSITORY,
      repository_owner: "acme",
      actor: "octocat",
      ref: "refs/heads/main",
    });
    const status2 = await door.call("/v1/status", { credentials: { cert: certificate, key: door.keys.privateKey } });
    assert.equal(status2.status, 200);
    const told = status2.json as Pick<BotAnswer, "user">;
    assert.deepEqual(told.user.traits, { team: ["orders"], bot: ["orders-ci"] }, "policy tells it from a person");
  });

  it("are told from people whose documents say that they are bots", async () => {
    const mallory =
      "kind: user\nversion: v2\nmetadata: {name: mallory}\nspec: {roles: [access], traits: {bot: [orders-ci]}}\n";
    await door.administration.create(ROOT, documents(mallory), { force: false });
    const password = "correct horse battery";
    await door.people.setPassword(ROOT, "mallory", new Secret(password));
    const login = await door.logIn("mallory", password);
    assert.deepEqual((login.json as BotAnswer).user.traits, {});
    const credentials = { cert: (login.json as BotAnswer).certificate, key: door.keys.privateKey };
    const status = await door.call("/v1/status", { credentials });
    assert.deepEqual((status.json as Pick<BotAnswer, "user">).user.traits, {});
  });

  it("join from Kubernetes by keys that stand in the join token", async () => {
    const { status, text } = await asPod();
    assert.equal(status, 200, text);
    assert.equal((lastJoin()["attributes"] as Record<string, string>)["service_account"], "apps:orders");
    assert.deepEqual(issuer.asked, []);
  });

  it("get no more than the user's roles allow, whatever they ask for, and no second time what is for once", async () => {
    const jwt = await signed(workflow(), { key: github, kid: "gh-1" });
    const { status, json, text } = await join(jwt, "once", { ttl_ms: 20 * HOUR });
    assert.equal(status, 200, text);
    assert.ok(Date.parse((json as BotAnswer).expires) - door.clock.now() <= 10 * 60_000);
    const long = await join(jwt, "orders-ci", { ttl_ms: 20 * HOUR });
    assert.ok(Date.parse((long.json as BotAnswer).expires) - door.clock.now() <= HOUR);
    assertRefused(await join(jwt, "once"), "join_refused", /unknown, too old, used up/);
    assert.equal(lastJoin()["error"], "the token is used up");
  });

  const refusals: Record<string, readonly [() => Promise<Answered>, RegExp]> = {
    "has another audience": [() => asWorkflow({ aud: "other" }), /not for audience "example"/],
    "has no audience": [() => asWorkflow({ aud: undefined }), /not for audience|missing/],
    "is another issuer's": [() => asWorkflow({ iss: "https://evil.example" }), /its issuer is not/],
    "has expired": [() => asWorkflow({ iat: seconds() - 600, exp: seconds() - 61 }), /it has expired/],
    "never expires": [() => asWorkflow({ exp: undefined }), /its exp is missing/],
    "lasts too long": [() => asWorkflow({ exp: seconds() + 3700 }), /it lasts 3700 s, 3600 allowed/],
    "does not say since when": [() => asWorkflow({ iat: undefined }), /its iat is missing/],
    "is not valid yet": [() => asWorkflow({ nbf: seconds() + 120 }), /not valid yet/],
    "was issued in the future": [() => asWorkflow({ iat: seconds() + 120 }), /issued in the future/],
    "fits no rule": [() => asWorkflow({ ref: "refs/heads/other" }), /no rule of the join token lets in/],
    "fits parts of two rules": [
      () => asWorkflow({ repository: "acme/other", repository_owner: "evil", environment: "production" }),
      /no rule of the join token lets in/,
    ],
    "says a claim as a list": [() => asWorkflow({ repository: [REPOSITORY] }), /no rule of the join token lets in/],
    "is of another service account": [
      () =>
        asPod({
          sub: "system:serviceaccount:apps:other",
          "kubernetes.io": { namespace: "apps", serviceaccount: { name: "other" } },
        }),
      /no rule of the join token lets in/,
    ],
    "says two service accounts": [
      () => asPod({ "kubernetes.io": { namespace: "apps", serviceaccount: { name: "other" } } }),
      /not that of a Kubernetes service account/,
    ],
    "is no service account's": [() => asPod({ sub: "apps:orders" }), /not that of a Kubernetes service account/],
    "is signed by another key of that name": [
      async () => {
        const other = await startIssuer();
        const key = await other.newKey("gh-1");
        await other.close();
        return join(await signed(workflow(), { key, kid: "gh-1" }));
      },
      /signature is wrong/,
    ],
    "names a key that the issuer does not have": [
      async () => join(await signed(workflow(), { key: github, kid: "gh-9" })),
      /no key of the name/,
    ],
    "names no key": [async () => join(await signed(workflow(), { key: github })), /which key/],
    "is not signed": [
      async () => join(`${encoded({ alg: "none", kid: "gh-1" })}.${encoded(workflow())}.`),
      /its algorithm is none of/,
    ],
    "is signed with the public key as a secret": [
      async () => {
        const jwk = issuer.keys[0] ?? {};
        const pem = await exportSPKI((await importJwk(jwk)) as never);
        const head = `${encoded({ alg: "HS256", kid: "gh-1" })}.${encoded(workflow())}`;
        return join(`${head}.${createHmac("sha256", pem).update(head).digest("base64url")}`);
      },
      /its algorithm is none of/,
    ],
    "says what it must be read by": [
      async () => {
        const [, body = "", signature = ""] = (await signed(workflow(), { key: github, kid: "gh-1" })).split(".");
        return join(`${encoded({ alg: "RS256", kid: "gh-1", crit: ["b64"], b64: false })}.${body}.${signature}`);
      },
      /./,
    ],
    "is none": [() => join("nothing"), /no signed token/],
    "is a GitHub one where Kubernetes' are meant": [
      async () => join(await signed(workflow(), { key: github, kid: "gh-1" }), "pods"),
      /no key of the name/,
    ],
  };
  for (const [what, [attempt, reason]] of Object.entries(refusals)) {
    it(`are kept out by a token that ${what}`, async () => {
      assertRefused(await attempt(), "workload_token_refused", reason);
    });
  }

  it("are kept out when the clock has gone a minute beyond the token's end, not before", async () => {
    assert.equal((await asWorkflow({ iat: seconds() - 600, exp: seconds() - 50 })).status, 200);
  });

  it("are told the same of a join token that is unknown or for services", async () => {
    await door.administration.create(
      ROOT,
      documents("kind: token\nversion: v2\nmetadata: {name: 0123456789abcdef0123}\nspec: {roles: [Db]}\n"),
      { force: false },
    );
    const answered = [await asWorkflow({}, "none-such"), await asWorkflow({}, "0123456789abcdef0123")];
    for (const one of answered) assertRefused(one, "join_refused", /unknown, too old, used up/);
    assert.equal(answered[0]?.text, answered[1]?.text);
    assert.ok(!JSON.stringify(door.events).includes("0123456789abcdef"));
  });

  it("are kept out while the user is locked or is not there", async () => {
    assertRefused(await asWorkflow({}, "nobodys"), "bot_user_missing", /there is no such user/);
    await door.administration.create(
      ROOT,
      documents("kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: ci}, message: leaked}\n"),
      { force: false },
    );
    assertRefused(await asWorkflow(), "user_locked", /locked: leaked/);
    await door.administration.remove(ROOT, "lock", "l");
    assert.equal((await asWorkflow()).status, 200);
  });

  it("are nobody for whom a connector vouches", async () => {
    const yaml = `
kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: https://id.example.com
  client_id: postern
  redirect_url: https://postern.example.com/web/oidc/callback
  claims_to_roles: [{claim: email, value: "*", roles: [access]}]
---
kind: user
version: v2
metadata: {name: ada}
spec:
  roles: [access]
  created_by: {connector: {type: oidc, id: corp, identity: "1", issuer: "https://id.example.com"}}
---
kind: token
version: v2
metadata: {name: adas}
spec: {roles: [Bot], join_method: github, bot_name: ada, github: {enterprise_server_host: ${JSON.stringify(issuer.host)}, allow: [{repository_owner: acme}]}}
`;
    await door.administration.create(ROOT, documents(yaml), { force: false });
    door.events.length = 0;
    assertRefused(await asWorkflow({}, "adas"), "bot_user_foreign", /connector "corp" vouches for that user/);
    assert.ok(!door.events.some(({ event }) => event === "cert.create"));
  });

  it("get in at once after their user was reset, with a certificate that counts; one from before does not", async () => {
    const call = async (answered: Answered): Promise<number> => {
      const { certificate: cert } = answered.json as BotAnswer;
      return (await door.call("/v1/status", { credentials: { cert, key: door.keys.privateKey } })).status;
    };
    const before = await asWorkflow();
    assert.equal(await call(before), 200);
    await door.people.makeLink(ROOT, "ci", "reset");
    const next = await asWorkflow();
    assert.deepEqual([await call(before), await call(next)], [401, 200]);
    assert.ok(Date.parse((next.json as BotAnswer).expires) - door.clock.now() <= HOUR + 60_000);
  });

  it("make the issuer be asked once a minute at most, and at once when it has another key", async () => {
    await asWorkflow();
    const before = issuer.asked.length;
    for (let at = 0; at < 3; at++) await join(await signed(workflow(), { key: github, kid: `made-up-${at}` }));
    assert.ok(issuer.asked.length - before <= 1, issuer.asked.join());
    door.advance(61_000);
    const key = await issuer.newKey("gh-2");
    assert.equal((await join(await signed(workflow(), { key, kid: "gh-2" }))).status, 200);
    assert.deepEqual(new Set(issuer.asked), new Set(["/_services/token/.well-known/jwks"]));
  });

  it("are told so when the issuer cannot be asked, but for keys that are known", async () => {
    assert.equal((await asWorkflow()).status, 200);
    for (const answer of [
      { status: 500 },
      { status: 302, headers: { location: "https://evil.example/" } },
      { status: 200, text: "<html>" },
      { status: 200, text: "x".repeat(200_000) },
      { status: 200, text: JSON.stringify({ keys: [{ kty: "oct", k: "c2VjcmV0", kid: "gh-1" }] }) },
    ]) {
      issuer.answer = answer;
      door.advance(2 * HOUR);
      assert.equal((await asWorkflow()).status, 200, JSON.stringify(answer).slice(0, 100));
    }
    door.advance(25 * HOUR);
    const answered = await asWorkflow();
    assert.deepEqual(
      [answered.status, (answered.json as { error: { code: string } }).error.code],
      [503, "issuer_unavailable"],
    );
  });

  it("leave no token in any event, log line or answer", () => {
    const all = written + door.log();
    assert.ok(all.includes("bot.join"));
    for (const jwt of sent) assert.ok(jwt.length < 20 || !all.includes(jwt.slice(-20)));
  });
});

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

async function importJwk(jwk: object): Promise<unknown> {
  const { importJWK } = await import("jose");
  return importJWK(jwk as never, "RS256", { extractable: true });
}
