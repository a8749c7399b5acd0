import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { documents, ROOT } from "../support/cluster.ts";
import { type Answered, startDoor, type TestDoor } from "../support/door.ts";
import { agreeAs, CLIENT, startProvider, type TestProvider } from "../support/identity-provider.ts";
import { type Shown, WebBrowser } from "../support/web-browser.ts";

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
`;
const STATE = "s".repeat(22);
const ALICE = { email: "alice@example.com", email_verified: true, groups: ["dev", "ops"] };

describe("a login by way of an identity provider", () => {
  let door: TestDoor;
  let provider: TestProvider;
  let ca: string;
  before(async () => {
    door = await startDoor(PEOPLE, "off");
    provider = await startProvider(`https://localhost:${door.port}/web/oidc/callback`);
    ca = (await door.cluster.authority("host")).active.certificate;
    provider.people.set("alice", ALICE);
    await door.administration.create(ROOT, documents(connector()), { force: false });
  });
  after(async () => {
    await provider.close();
    await door.close();
  });

  function connector(more = ""): string {
    return `
kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: ${provider.issuer}
  client_id: ${CLIENT}
  client_secret: ${provider.clientSecret}
  redirect_url: https://localhost:${door.port}/web/oidc/callback
  display: Example Corp
  scope: [groups]
  claims_to_roles:
    - {claim: groups, value: dev, roles: [dev]}
    - {claim: groups, value: gone, roles: [vanished]}
${more}`;
  }

  interface Begun {
    readonly id: string;
    readonly url: string;
    readonly verifier: string;
  }

  async function begin(more: object = {}): Promise<Begun> {
    door.advance(60_000);
    const verifier = randomBytes(32).toString("base64url");
    const { json, status, text } = await door.call("/v1/login/browser", {
      method: "POST",
      body: {
        connector: "corp",
        public_key: door.keys.publicKey,
        callback_port: 40_000,
        callback_state: STATE,
        challenge: createHash("sha256").update(verifier).digest("base64url"),
        ...more,
      },
    });
    assert.equal(status, 200, text);
    return { ...(json as { id: string; url: string }), verifier };
  }

  const redeem = ({ id, verifier }: Begun, at: Shown): Promise<Answered> => {
    const code = at.url.searchParams.get("code");
    return door.call("/v1/login/redeem", {
      method: "POST",
      body: { id, verifier, ...(code === null ? {} : { code }) },
    });
  };

  /** All that a browser does. */
  async function go(begun: Begun, account: string, browser = new WebBrowser(ca)): Promise<Shown> {
    const page = await browser.open(begun.url);
    assert.equal(page.status, 200, page.text);
    return await agreeAs(browser, await browser.submit(page), account);
  }

  it("lets in who the provider vouches for, with the roles and traits of its claims", async () => {
    const begun = await begin();
    const landed = await go(begun, "alice");
    assert.deepEqual([landed.url.origin, landed.url.searchParams.get("state")], ["http://127.0.0.1:40000", STATE]);
    const { status, json, text } = await redeem(begun, landed);
    assert.equal(status, 200, text);
    const { user, certificate } = json as { user: unknown; certificate: string };
    assert.deepEqual(user, {
      name: "alice@example.com",
      roles: ["dev"],
      traits: { email: ["alice@example.com"], groups: ["dev", "ops"], sub: ["alice"] },
    });
    const credentials = { cert: certificate, key: door.keys.privateKey };
    assert.equal((await door.call("/v1/status", { credentials })).status, 200);
  });
});
