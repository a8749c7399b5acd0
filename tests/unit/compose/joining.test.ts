import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { joinServices } from "../../../src/compose/joining.ts";
import { CHALLENGE_HEADER, challengeFor } from "../../../src/identity/iam-join.ts";
import { readPublicKey } from "../../../src/identity/public-key.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { signedIdentityRequest } from "../../support/identity-request.ts";
import { startLogins } from "../../support/logins.ts";

const TOKEN = `
kind: token
version: v2
metadata: {name: agents}
spec: {roles: [Db], join_method: iam, allow: [{aws_account: "123456789012"}]}
`;

describe("the services by which others join", () => {
  it("log why STS cannot be asked, and tell who joins only that", async () => {
    const { cluster, ring, clock, publicKey, close } = await startLogins(TOKEN, "off");
    let logged = "";
    const log = createLog({ severity: "debug", format: "json", write: (line) => void (logged += line) });
    const events = { healthy: true, record: async () => undefined };
    // A port at which nothing listens.
    const env = { AWS_ENDPOINT_URL_STS: "http://127.0.0.1:1" };
    try {
      const { joins } = joinServices({ cluster, ring, events, clock }, { env, log });
      const connected = { address: "127.0.0.1", certificate: undefined };
      const { challenge } = joins.challenge(connected);
      const headers = { [CHALLENGE_HEADER]: challengeFor(challenge, readPublicKey(publicKey)) };
      const request = await signedIdentityRequest({ at: clock.now(), headers });
      const join = {
        token: "agents",
        role: "db",
        nodeName: "db-1",
        publicKey,
        identity: { challenge, request },
      } as const;
      await assert.rejects(joins.join(join, connected), (error: Error) => !error.message.includes("127.0.0.1"));
      assert.match(logged, /AWS STS cannot be asked who wants to join/);
      assert.match(logged, /Cannot ask 127\.0\.0\.1:1 who signed/);
    } finally {
      await close();
    }
  });
});
