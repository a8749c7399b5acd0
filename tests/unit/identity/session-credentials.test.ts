import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from "node:crypto";
import { inspect } from "node:util";
import { describe, it } from "node:test";
import {
  accessKeyIdOf,
  keyIdOf,
  MAX_TOKEN_CHARACTERS,
  newSessionCredentials,
  openSessionToken,
  readSessionToken,
} from "../../../src/identity/session-credentials.ts";
import { createPrivateKey } from "node:crypto";
import { makeCertificate } from "../../support/certificate.ts";

const pair = (): { privateKey: KeyObject; publicKey: KeyObject } => generateKeyPairSync("ec", { namedCurve: "P-256" });
const made = makeCertificate(["alice"]);
const certificate = new X509Certificate(made.cert).raw;
const privateKey = createPrivateKey(made.key);
const [one, two, stranger] = [pair(), pair(), pair()];
const credentials = newSessionCredentials({ certificate, privateKey, agents: [one.publicKey, two.publicKey] });
const token = credentials.sessionToken.reveal();
const secret = credentials.secretAccessKey.reveal();

const opened = (text: string, agent = one): string | undefined =>
  openSessionToken(text, agent.privateKey, keyIdOf(agent.publicKey))?.reveal();

describe("credentials for SDKs", () => {
  it("carry their secret to each agent of the database, and the certificate to everybody", () => {
    assert.match(secret, /^[A-Za-z0-9+/]{40}$/);
    assert.equal(opened(token, one), secret);
    assert.equal(opened(token, two), secret);
    const read = readSessionToken(token);
    assert.deepEqual(Buffer.from(read?.certificate ?? []), certificate);
    assert.deepEqual(
      read?.keyIds,
      [one, two].map(({ publicKey }) => keyIdOf(publicKey)),
    );
    assert.equal(credentials.accessKeyId, accessKeyIdOf(token));
    assert.match(credentials.accessKeyId, /^PSTN[0-9A-F]{16}$/);
  });

  it("tell their secret to nobody else", () => {
    assert.equal(opened(token, stranger), undefined);
    // Who holds a token and an agent's id, but not its key.
    assert.equal(openSessionToken(token, stranger.privateKey, keyIdOf(one.publicKey)), undefined);
    assert.ok(!token.includes(secret) && !Buffer.from(token).toString("base64").includes(secret));
    assert.ok(!inspect(credentials, { depth: 9 }).includes(secret));
  });

  it("are opened by no agent when anything was changed in them", () => {
    const other = makeCertificate(["root"]);
    const [version, , salt, list = ""] = token.split(".");
    const swapped = [version, new X509Certificate(other.cert).raw.toString("base64url"), salt, list].join(".");
    assert.equal(opened(swapped), undefined);
    for (let at = 0; at < token.length; at += 7) {
      const flipped = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      if (flipped === token) continue;
      const result = opened(flipped);
      // The entry of another agent is that agent's alone.
      assert.ok(result === undefined || (result === secret && at > token.indexOf("~")), `character ${at}`);
    }
  });

  it("are made by nobody who does not hold the certificate's key", () => {
    const forged = newSessionCredentials({ certificate, privateKey: stranger.privateKey, agents: [one.publicKey] });
    assert.equal(opened(forged.sessionToken.reveal()), undefined);
  });

  it("have another secret and token each time", () => {
    const again = newSessionCredentials({ certificate, privateKey, agents: [one.publicKey] });
    assert.notEqual(again.secretAccessKey.reveal(), secret);
    assert.equal(opened(again.sessionToken.reveal()), again.secretAccessKey.reveal());
  });

  it("are refused for no agent and for too many", () => {
    const agents = Array.from({ length: 100 }, () => createPublicKey(pair().privateKey));
    assert.throws(() => newSessionCredentials({ certificate, privateKey, agents: [] }), {
      code: "database_without_agent",
    });
    assert.throws(() => newSessionCredentials({ certificate, privateKey, agents }), { code: "agents_too_many" });
  });

  for (const text of [
    "",
    "1",
    "1.a.b.c",
    `2${token.slice(1)}`,
    `${token}~`,
    `${token}.x`,
    token.replace("~", "~~"),
    "A".repeat(MAX_TOKEN_CHARACTERS + 1),
  ])
    it(`are not read from ${JSON.stringify(text.slice(0, 12))}…`, () =>
      assert.equal(readSessionToken(text), undefined));
});
