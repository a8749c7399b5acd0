/** Replays signed identity requests to moto's STS, which checks the signatures. */

import { deepEqual, equal, throws } from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, before, describe, it } from "node:test";
import { ruleFor } from "../../src/identity/allow-rules.ts";
import { type IdentityReplay, judgeIdentityRequest, readIdentityAnswer } from "../../src/identity/iam-join.ts";
import { CHALLENGE, type IdentityRequestParts, SIGNED_AT, signedIdentityRequest } from "../support/identity-request.ts";
import { missing, type Moto, startMoto } from "../support/peers.ts";

describe("a signed identity request, replayed to moto's STS", { skip: await missing("motoServer") }, () => {
  let moto: Moto;

  before(async () => {
    moto = await startMoto({ verify: true });
  });

  after(() => moto.close());

  it("is confirmed, and names the user who signed", async () => {
    const { replay, status, body } = await replayed({ credentials: moto.key });
    const identity = readIdentityAnswer(status, body, replay);
    deepEqual(identity, { account: "123456789012", arn: moto.userArn });
    equal(ruleFor(identity, [{ aws_account: "123456789012", aws_arn: moto.userArn }])?.aws_arn, moto.userArn);
  });

  it("is not confirmed when another key signed", async () => {
    const credentials = { ...moto.key, secretAccessKey: "guessed" };
    const { replay, status, body } = await replayed({ credentials });
    equal(status, 403);
    throws(() => readIdentityAnswer(status, body, replay), { code: "identity_refused" });
  });

  async function replayed(
    parts: IdentityRequestParts,
  ): Promise<{ replay: IdentityReplay; status: number; body: string }> {
    const replay = judgeIdentityRequest(await signedIdentityRequest(parts), CHALLENGE, SIGNED_AT);
    return { replay, ...(await send(moto.url, replay)) };
  }
});

/** Sends a replay to where a test wants it; its Host stays the one that was signed. */
function send(url: string, { headers, body }: IdentityReplay): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: "POST", headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (part: Buffer) => parts.push(part));
      answer.on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
    });
    request.on("error", reject);
    request.end(body);
  });
}
