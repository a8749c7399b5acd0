import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { ServerResponse } from "node:http";
import { after, afterEach, before, describe, it } from "node:test";
import {
  ACCESS_TOKEN,
  LIAR_SECRET,
  type Lies,
  type LyingProvider,
  startLyingProvider,
} from "../support/lying-provider.ts";
import { type Begun, type OidcDoor, openOidcDoor, refusalOf } from "../support/oidc-door.ts";
import type { Shown } from "../support/web-browser.ts";

const ROLE = `
kind: role
version: v7
metadata: {name: dev}
spec: {allow: {db_labels: {env: dev}, db_users: [Dev]}}
`;
/** Seconds; asked when it is needed: all files of tests are loaded long before the last one runs. */
const now = (): number => Math.floor(Date.now() / 1000);

describe("what an identity provider says", () => {
  let door: OidcDoor;
  let liar: LyingProvider;
  before(async () => {
    door = await openOidcDoor(ROLE);
    liar = await startLyingProvider(() => Date.now());
    await door.connect(`
kind: oidc
version: v3
metadata: {name: liar}
spec:
  issuer_url: ${liar.issuer}
  client_id: postern
  client_secret: ${LIAR_SECRET}
  redirect_url: ${door.redirectUrl}
  claims_to_roles: [{claim: groups, value: dev, roles: [dev]}]
`);
  });
  after(async () => {
    await liar.close();
    await door.close();
  });
  afterEach(() => {
    liar.lies = {};
    // What it says of itself is remembered for a while.
    door.advance(11 * 60_000);
  });

  /** Everything but the provider's own page, which sends the browser straight back. */
  async function go(begun: Begun, change: (query: URLSearchParams) => void = () => undefined): Promise<Shown> {
    const browser = door.browser();
    const away = await door.depart(begun, browser, (url) => url.port !== `${door.port}`);
    if (away.url.origin !== liar.issuer) return away;
    const asked = away.url.searchParams;
    const query = new URLSearchParams({ code: asked.get("nonce") ?? "", state: asked.get("state") ?? "" });
    change(query);
    return await browser.open(`${door.redirectUrl}?${query.toString()}`);
  }

  async function outcome(lies: Lies, change?: (query: URLSearchParams) => void): Promise<string> {
    liar.lies = lies;
    const begun = await door.begin("liar");
    const landed = await go(begun, change);
    const answered = await door.redeem(begun, landed);
    assert.ok(!`${answered.text}${landed.text}${landed.url.href}`.includes(ACCESS_TOKEN));
    return refusalOf(answered);
  }

  it("counts when it is honest, and asks with all that binds the answer to this login", async () => {
    assert.equal(await outcome({}), "200 -");
    const begun = await door.begin("liar");
    const away = await door.depart(begun, door.browser(), (url) => url.origin === liar.issuer);
    const asked = Object.fromEntries(away.url.searchParams);
    const { state = "", nonce = "", code_challenge: challenge = "", ...rest } = asked;
    assert.deepEqual(rest, {
      redirect_uri: door.redirectUrl,
      scope: "openid email",
      code_challenge_method: "S256",
      response_type: "code",
      client_id: "postern",
    });
    for (const random of [state.slice(state.indexOf(".") + 1), nonce, challenge])
      assert.match(random, /^[A-Za-z0-9_-]{43}$/);
  });

  const otherKey = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const tokens: Record<string, Lies> = {
    "another nonce": { claims: (claims) => ({ ...claims, nonce: "another" }) },
    "no nonce": { claims: ({ nonce: _, ...claims }) => claims },
    "another issuer": { claims: (claims) => ({ ...claims, iss: "https://id.example.com" }) },
    "another audience": { claims: (claims) => ({ ...claims, aud: "others" }) },
    "several audiences and another party": {
      claims: (claims) => ({ ...claims, aud: ["postern", "others"], azp: "others" }),
    },
    "an end that is over": { claims: (claims) => ({ ...claims, iat: now() - 600, exp: now() - 120 }) },
    "a beginning to come": { claims: (claims) => ({ ...claims, nbf: now() + 600 }) },
    "no end": { claims: ({ exp: _, ...claims }) => claims },
    nobody: { claims: ({ sub: _, ...claims }) => claims },
    "no signature": { token: (claims, { jwt }) => jwt(claims, { alg: "none" }) },
    "a signature by our own secret": { token: (claims, { jwt }) => jwt(claims, { alg: "HS256" }) },
    "a signature by another key": { token: (claims, { jwt }) => jwt(claims, {}, otherKey) },
    "a signature by a key that nobody knows": { token: (claims, { jwt }) => jwt(claims, { kid: "two" }, otherKey) },
    "what is no token": { token: () => "token" },
    "no token at all": { token: () => undefined },
  };
  for (const [what, lies] of Object.entries(tokens)) {
    it(`does not count with ${what}`, async () => {
      assert.equal(await outcome(lies), "403 oidc_token_refused");
    });
  }

  it("counts with clocks that differ by less than a minute", async () => {
    assert.equal(await outcome({ claims: (claims) => ({ ...claims, exp: now() - 5, iat: now() - 300 }) }), "200 -");
    assert.equal(await outcome({ claims: (claims) => ({ ...claims, nbf: now() + 45 }) }), "200 -");
  });

  it("does not count when its page about the person is about another one", async () => {
    assert.equal(await outcome({ userinfo: (who) => ({ ...who, sub: "2" }) }), "403 oidc_token_refused");
  });

  it("is taken from the token where the person's page says otherwise", async () => {
    liar.lies = { userinfo: (who) => ({ ...who, email: "boss@example.com", team: ["payments"] }) };
    const begun = await door.begin("liar");
    const { json } = await door.redeem(begun, await go(begun));
    const { user } = json as { user: { name: string; traits: Record<string, unknown> } };
    assert.deepEqual([user.name, user.traits["team"]], ["alice@example.com", ["payments"]]);
  });

  it("has no address verified by what the person's page says of another one", async () => {
    const claims: Lies["claims"] = ({ email_verified: _, ...rest }) => ({ ...rest, email: "boss@example.com" });
    assert.equal(await outcome({ claims }), "403 oidc_email_unverified");
    const userinfo: Lies["userinfo"] = (who) => ({ ...who, email: "boss@example.com" });
    assert.equal(await outcome({ claims, userinfo }), "200 -");
    assert.equal(await outcome({ userinfo: ({ email_verified: _, ...who }) => who }), "200 -");
  });

  const providers: Record<string, [lies: Lies, expected: string]> = {
    "speaks for another issuer": [
      { discovery: (metadata) => ({ ...metadata, issuer: "http://127.0.0.1:1" }) },
      "503 oidc_provider_failed",
    ],
    "would have tokens fetched in the open elsewhere": [
      { discovery: (metadata) => ({ ...metadata, token_endpoint: "http://192.0.2.1/token" }) },
      "503 oidc_provider_invalid",
    ],
    "would send browsers to a script": [
      { discovery: (metadata) => ({ ...metadata, authorization_endpoint: "javascript:alert(1)" }) },
      "503 oidc_provider_invalid",
    ],
    "signs with secrets only": [
      { discovery: (metadata) => ({ ...metadata, id_token_signing_alg_values_supported: ["HS256", "none"] }) },
      "503 oidc_provider_invalid",
    ],
    "sends us elsewhere": [
      { tokens: (response) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end() },
      "503 oidc_provider_failed",
    ],
    "is out of order": [{ instead: (response) => response.writeHead(500).end("oops") }, "503 oidc_provider_failed"],
    "answers without an end": [
      {
        tokens: (response) =>
          response.writeHead(200, { "content-type": "application/json" }).end(`"${"x".repeat(2e6)}"`),
      },
      "503 oidc_provider_invalid",
    ],
    "closes the connection": [{ tokens: (response) => response.destroy() }, "503 oidc_provider_failed"],
    "refuses our secret": [{ tokens: json(401, { error: "invalid_client" }) }, "403 oidc_provider_refused"],
    "repeats what it was sent": [
      { tokens: json(400, { error: `bad ${LIAR_SECRET}`, error_description: LIAR_SECRET }) },
      "403 oidc_provider_refused",
    ],
  };
  for (const [what, [lies, expected]] of Object.entries(providers)) {
    it(`is not heard when it ${what}`, async () => {
      door.events.length = 0;
      assert.equal(await outcome(lies), expected);
      const everything = JSON.stringify(door.events) + door.log();
      assert.match(everything, /"code":"T1001W".*"attributes":\{"connector":"liar"\}/);
      for (const secret of [LIAR_SECRET, ACCESS_TOKEN]) assert.ok(!everything.includes(secret));
    });
  }

  it("is told to the command line when the provider or the person there says no", async () => {
    const denied = (query: URLSearchParams): void => {
      query.delete("code");
      query.set("error", "access_denied");
      query.set("error_description", "<script>alert(1)</script>");
    };
    assert.equal(await outcome({}, denied), "403 oidc_provider_refused");
  });
});

function json(status: number, value: object): (response: ServerResponse) => void {
  return (response) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}
