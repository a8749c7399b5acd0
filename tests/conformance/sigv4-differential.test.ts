import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AwsCredentials } from "../../src/aws/aws-credentials.ts";
import { Signer } from "../../src/aws/signer.ts";
import type { SignRequest } from "../../src/aws/sign-request.ts";

const SEED = 20_261_122;
const COUNT = 3000;

describe("The short signer and the SDK's", () => {
  it(`give the same headers for ${COUNT} random requests (seed ${SEED})`, async () => {
    const random = mulberry32(SEED);
    let now = 0;
    const signer = await Signer.create({ clock: { now: () => now, monotonic: () => 0 } });
    assert.equal(signer.path, "short");
    const keyring = Array.from({ length: 40 }, () => credentials(random));
    let signedHeaders = 0;
    for (let index = 0; index < COUNT; index += 1) {
      now = Math.floor(random() * 4e12);
      const request = randomRequest(random, keyring);
      const short = await signer.sign(request);
      assert.deepEqual(short, await signer.signReference(request), `request ${index}`);
      signedHeaders += short["authorization"]?.split(";").length ?? 0;
    }
    // Otherwise the run proved little.
    assert.ok(signedHeaders > COUNT * 4, `${signedHeaders}`);
  });
});

function randomRequest(random: () => number, keyring: readonly AwsCredentials[]): SignRequest {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const headers: Record<string, string> = {
    [pick(["content-type", "Content-Type", "CONTENT-TYPE"])]: pick([
      "application/x-amz-json-1.0",
      "application/json; charset=utf-8",
      "",
    ]),
    [pick(["x-amz-target", "X-Amz-Target"])]: `DynamoDB_20120810.${text(random, 20)}`,
  };
  const others = [
    "user-agent",
    "Accept-Encoding",
    "content-encoding",
    "amz-sdk-request",
    "cookie",
    "connection",
    "te",
    "X-Amzn-Trace-Id",
    "content-length",
  ];
  for (let extra = Math.floor(random() * 5); extra > 0; extra -= 1) headers[pick(others)] = text(random, 40);
  for (let extra = Math.floor(random() * 4); extra > 0; extra -= 1)
    headers[`x-amz-${token(random)}`] = text(random, 40);
  // What a client must not be able to smuggle in.
  if (random() < 0.2)
    headers[pick(["Authorization", "x-amz-date", "X-Amz-Security-Token", "x-amz-content-sha256", "Date", "Host"])] =
      text(random, 30);
  return {
    method: "POST",
    path: "/",
    service: "dynamodb",
    host: pick([
      "dynamodb.us-east-1.amazonaws.com",
      "127.0.0.1:8000",
      "[::1]:8000",
      "vpce-1-2.dynamodb.eu-west-1.vpce.amazonaws.com",
    ]),
    region: pick(["us-east-1", "eu-west-1", "cn-north-1", "ddblocal"]),
    headers,
    body: Uint8Array.from({ length: Math.floor(random() ** 3 * 4000) }, () => Math.floor(random() * 256)),
    credentials: pick(keyring),
  };
}

function credentials(random: () => number): AwsCredentials {
  const sessionToken = random() < 0.5 ? undefined : text(random, 800).replaceAll(/\s/g, "/").padEnd(10, "x");
  return new AwsCredentials({
    accessKeyId: `KEY${token(random)}`,
    secretAccessKey: `s${text(random, 40)}`,
    sessionToken,
  });
}

function text(random: () => number, most: number): string {
  const length = Math.floor(random() * most);
  return String.fromCharCode(
    ...Array.from({ length }, () => (random() < 0.15 ? 32 : random() < 0.03 ? 9 : 33 + Math.floor(random() * 94))),
  );
}

function token(random: () => number): string {
  return Array.from(
    { length: 1 + Math.floor(random() * 10) },
    () => "abcdefghijklmnopqrstuvwxyz0123456789-"[Math.floor(random() * 37)],
  ).join("");
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
