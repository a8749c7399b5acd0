/** Joins by the AWS identity that moto's STS confirms: signed, carried and replayed by the real parts. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { AwsCredentials } from "../../src/aws/aws-credentials.ts";
import { sendToSts, signCallerIdentity } from "../../src/aws/caller-identity-request.ts";
import { CHALLENGE_HEADER, challengeFor } from "../../src/identity/iam-join.ts";
import { readPublicKey } from "../../src/identity/public-key.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { type Answered, startDoor, type TestDoor } from "../support/door.ts";
import { missing, type Moto, startMoto } from "../support/peers.ts";

describe("joining by an AWS identity that moto confirms", { skip: await missing("motoServer") }, () => {
  let moto: Moto;
  let door: TestDoor;
  before(async () => {
    moto = await startMoto({ verify: true });
    const env = { AWS_ENDPOINT_URL_STS: moto.url };
    door = await startDoor("", "off", {}, { askSts: (replay) => sendToSts(replay, env) });
    const token = `
kind: token
version: v2
metadata: {name: agents}
spec: {roles: [Db], join_method: iam, allow: [{aws_account: "123456789012", aws_arn: "${moto.userArn}"}]}
`;
    await door.administration.create(ROOT, documents(token), { force: false });
  });
  after(async () => {
    await door.close();
    await moto.close();
  });

  async function join(key: Moto["key"]): Promise<Answered> {
    const asked = await door.call("/v1/join/challenge", { method: "POST" });
    const { challenge } = asked.json as { challenge: string };
    const identity = await signCallerIdentity({
      credentials: new AwsCredentials(key),
      region: "eu-central-1",
      headers: { [CHALLENGE_HEADER]: challengeFor(challenge, readPublicKey(door.keys.publicKey)) },
      clock: door.clock,
    });
    const body = {
      token: "agents",
      role: "Db",
      node_name: "db-1",
      public_key: door.keys.publicKey,
      challenge,
      identity,
    };
    return await door.call("/v1/join", { method: "POST", body });
  }

  it("lets in the user who signed", async () => {
    const { status, text } = await join(moto.key);
    assert.equal(status, 200, text);
    const event = door.events.findLast(({ event: name }) => name === "instance.join") as unknown as {
      attributes: object;
    };
    assert.deepEqual(event.attributes, { aws_account: "123456789012", aws_arn: moto.userArn });
  });

  it("keeps out who signed with another key", async () => {
    const { status, json } = await join({ ...moto.key, secretAccessKey: "guessed" });
    assert.deepEqual([status, (json as { error: { code: string } }).error.code], [403, "identity_refused"]);
  });
});
