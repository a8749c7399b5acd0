/** A database service may serve what its join token names, whatever it says itself: with each certificate that it gets. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { readHost } from "../../src/control/hosts.ts";
import { readOwnHostCertificate } from "../../src/identity/certificate-reader.ts";
import { CHALLENGE_HEADER, challengeFor } from "../../src/identity/iam-join.ts";
import { readPublicKey } from "../../src/identity/public-key.ts";
import { newKeyPair } from "../support/cluster-authorities.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { type Credentials, startDoor, type TestDoor } from "../support/door.ts";
import { identityAnswer, signedIdentityRequest } from "../support/identity-request.ts";

interface Joined {
  readonly host_id: string;
  readonly certificate: string;
}

describe("a host whose token names databases", () => {
  let door: TestDoor;
  before(async () => {
    const says = identityAnswer("arn:aws:sts::123456789012:assumed-role/agents/i-0abc");
    door = await startDoor("", "off", {}, { askSts: async () => ({ status: 200, body: says }) });
  });
  after(() => door.close());

  async function put(name: string, spec: string): Promise<void> {
    const yaml = `{kind: token, version: v2, metadata: {name: ${name}}, spec: ${spec}}`;
    await door.administration.create(ROOT, documents(yaml), { force: true });
  }

  async function ask(path: string, body: object, credentials?: Credentials): Promise<Joined> {
    const { json, status, text } = await door.call(path, { method: "POST", body, ...(credentials && { credentials }) });
    assert.equal(status, 200, text);
    return json as Joined;
  }

  const asked = (token: string, role = "Db"): object => ({
    token,
    role,
    node_name: "db-1",
    public_key: door.keys.publicKey,
  });
  const databasesOf = async ({ certificate }: Joined): Promise<readonly string[] | undefined> =>
    (await readOwnHostCertificate(certificate)).databases;

  it("has them in its certificate and in each that comes after it, from what the cluster keeps", async () => {
    const name = randomBytes(16).toString("hex");
    await put(name, "{roles: [Db], databases: [dev-*, users]}");
    const joined = await ask("/v1/join", asked(name));
    assert.deepEqual(await databasesOf(joined), ["dev-*", "users"]);
    const credentials = { cert: joined.certificate, key: door.keys.privateKey };
    const body = { public_key: newKeyPair().publicKey };
    // It has nothing to say in it.
    const { status } = await door.call("/v1/host/renew", {
      method: "POST",
      body: { ...body, databases: ["*"] },
      credentials,
    });
    assert.equal(status, 400);
    // Neither what becomes of the token: whoever joined by it is in already.
    await put(name, "{roles: [Db]}");
    assert.deepEqual(await databasesOf(await ask("/v1/host/renew", body, credentials)), ["dev-*", "users"]);
    await door.administration.remove(ROOT, "token", name);
    assert.deepEqual(await databasesOf(await ask("/v1/host/renew", body, credentials)), ["dev-*", "users"]);
    assert.deepEqual((await readHost(door.cluster.store, joined.host_id))?.record.databases, ["dev-*", "users"]);
  });

  it("names any where its token does, and none where it serves none", async () => {
    const [any, both] = [randomBytes(16).toString("hex"), randomBytes(16).toString("hex")];
    await put(any, "{roles: [Db]}");
    assert.equal(await databasesOf(await ask("/v1/join", asked(any))), undefined);
    await put(both, "{roles: [Db, Proxy], databases: [dev-*]}");
    const proxy = await ask("/v1/join", asked(both, "Proxy"));
    assert.equal(await databasesOf(proxy), undefined);
    assert.equal((await readHost(door.cluster.store, proxy.host_id))?.record.databases, undefined);
    assert.deepEqual(await databasesOf(await ask("/v1/join", asked(both))), ["dev-*"]);
  });

  it("gets those that its token names now, where it proves itself anew", async () => {
    const rules = "join_method: iam, allow: [{aws_account: '123456789012'}]";
    const prove = async (): Promise<object> => {
      const { challenge } = (await door.call("/v1/join/challenge", { method: "POST" })).json as { challenge: string };
      const headers = { [CHALLENGE_HEADER]: challengeFor(challenge, readPublicKey(door.keys.publicKey)) };
      return { challenge, identity: await signedIdentityRequest({ at: door.clock.now(), headers }) };
    };
    await put("agents", `{roles: [Db], ${rules}}`);
    const first = await ask("/v1/join", { ...asked("agents"), ...(await prove()) });
    assert.equal(await databasesOf(first), undefined);
    await put("agents", `{roles: [Db], databases: [dev-*], ${rules}}`);
    const credentials = { cert: first.certificate, key: door.keys.privateKey };
    const next = await ask("/v1/join", { ...asked("agents"), ...(await prove()) }, credentials);
    assert.deepEqual([next.host_id, await databasesOf(next)], [first.host_id, ["dev-*"]]);
  });
});
