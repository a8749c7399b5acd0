import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AwsCredentials } from "../../../src/aws/aws-credentials.ts";
import { AwsError } from "../../../src/aws/errors.ts";
import { ShortSigner } from "../../../src/aws/short-signer.ts";
import type { SignedHeaders, SignRequest } from "../../../src/aws/sign-request.ts";
import { Signer } from "../../../src/aws/signer.ts";

const clock = { now: () => Date.UTC(2026, 10, 22, 12), monotonic: () => 0 };
const credentials = new AwsCredentials({
  accessKeyId: "KEY",
  secretAccessKey: "a-secret-key",
  sessionToken: "a-token",
});

function request(over: Partial<SignRequest> = {}): SignRequest {
  return {
    method: "POST",
    host: "dynamodb.us-east-1.amazonaws.com",
    path: "/",
    region: "us-east-1",
    service: "dynamodb",
    headers: { "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem" },
    body: new TextEncoder().encode("{}"),
    credentials,
    ...over,
  };
}

const listed = (signed: SignedHeaders) => /SignedHeaders=([^,]*)/.exec(signed["authorization"] ?? "")?.[1];

describe("Signer", () => {
  it("signs at once, without a promise, once its self-test has passed", async () => {
    const signer = await Signer.create({ clock });
    assert.deepEqual([signer.path, signer.difference], ["short", undefined]);
    assert.ok(!(signer.sign(request()) instanceof Promise));
  });

  it("signs host, content-type and every x-amz header, and nothing that a hop may change", async () => {
    const signer = await Signer.create({ clock });
    const unsigned = {
      connection: "close",
      "user-agent": "x",
      "transfer-encoding": "chunked",
      "content-length": "2",
      "accept-encoding": "gzip",
      "amz-sdk-request": "1",
    };
    const headers = { ...request().headers, ...unsigned, "content-encoding": "gzip", "x-amz-anything": "1" };
    for (const sign of [() => signer.sign(request({ headers })), () => signer.signReference(request({ headers }))]) {
      const signed = await sign();
      assert.equal(
        listed(signed),
        "content-encoding;content-type;host;x-amz-anything;x-amz-date;x-amz-security-token;x-amz-target",
      );
      assert.equal(signed["user-agent"], "x");
    }
  });

  it("changes the signature with every part that matters", async () => {
    const signer = await Signer.create({ clock });
    const { headers } = request();
    const variants: Partial<SignRequest>[] = [
      {},
      { host: "streams.dynamodb.us-east-1.amazonaws.com" },
      { region: "us-east-2" },
      { body: new TextEncoder().encode("{ }") },
      { headers: { ...headers, "X-Amz-Target": "DynamoDB_20120810.DeleteTable" } },
      { headers: { ...headers, "Content-Type": "application/json" } },
      { headers: { ...headers, "content-encoding": "gzip" } },
      { headers: { ...headers, "x-amz-new": "1" } },
      {
        credentials: new AwsCredentials({
          accessKeyId: "KEY",
          secretAccessKey: "a-secret-key",
          sessionToken: "another-token",
        }),
      },
      { credentials: new AwsCredentials({ accessKeyId: "KEY", secretAccessKey: "another", sessionToken: "a-token" }) },
      { credentials: new AwsCredentials({ accessKeyId: "KEY", secretAccessKey: "a-secret-key" }) },
    ];
    const signatures = await Promise.all(
      variants.map(async (variant) => (await signer.sign(request(variant)))["authorization"]),
    );
    assert.equal(new Set(signatures).size, variants.length);
  });

  it("replaces what a client sent in place of its own headers", async () => {
    const signer = await Signer.create({ clock });
    const forged = {
      ...request().headers,
      Authorization: "forged",
      "X-Amz-Date": "20000101T000000Z",
      "x-amz-security-token": "forged",
      "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
      Host: "evil",
      date: "x",
    };
    assert.deepEqual(await signer.sign(request({ headers: forged })), await signer.sign(request()));
    assert.deepEqual(await signer.signReference(request({ headers: forged })), await signer.sign(request()));
  });

  it("refuses headers that the wire could carry otherwise than signed", async () => {
    const signer = await Signer.create({ clock });
    const bad: Record<string, string>[] = [
      { "x-amz-a": "1\r\nx-evil: 1" },
      { "x-amz-a": "é" },
      { "x-amz-a": "\u0000" },
      { "x amz": "1" },
      { "x:y": "1" },
      { "": "1" },
      { "x-amz-a": "1", "X-AMZ-A": "2" },
      { ["__proto__"]: "1" },
    ];
    for (const headers of bad) {
      const coded = (error: unknown) => error instanceof AwsError && error.code === "header_invalid";
      assert.throws(() => signer.sign(request({ headers })), coded, JSON.stringify(headers));
    }
  });

  it("moves to the next day's key at midnight", async () => {
    let now = Date.UTC(2026, 10, 22, 23, 59, 59, 999);
    const signer = await Signer.create({ clock: { now: () => now, monotonic: () => 0 } });
    await signer.sign(request());
    now += 1;
    const signed = await signer.sign(request());
    assert.match(signed["authorization"] ?? "", /\/20261123\//);
    assert.deepEqual(signed, await signer.signReference(request()));
  });

  const faults: [string, (signed: SignedHeaders) => SignedHeaders][] = [
    ["another signature", (signed) => ({ ...signed, authorization: `${signed["authorization"]?.slice(0, -1)}x` })],
    ["a header less", ({ host: _, ...signed }) => signed],
    ["a header more", (signed) => ({ ...signed, "x-amz-more": "1" })],
    [
      "a throw",
      () => {
        throw new TypeError("no such hash");
      },
    ],
  ];
  for (const [fault, broken] of faults) {
    it(`falls back to the SDK's signer, and says so, when the short path gives ${fault}`, async () => {
      const short = new ShortSigner();
      const signer = await Signer.create({ clock, shortPath: { sign: (each, now) => broken(short.sign(each, now)) } });
      assert.equal(signer.path, "reference");
      assert.match(signer.difference ?? "", /^self-test \d+ of the short signer/);
      assert.deepEqual(await signer.sign(request()), await (await Signer.create({ clock })).sign(request()));
    });
  }

  it("notices a short path that keeps a key too long", async () => {
    const short = new ShortSigner();
    let first: SignRequest | undefined;
    const stale = {
      sign: (each: SignRequest, now: number) => short.sign({ ...each, credentials: (first ??= each).credentials }, now),
    };
    assert.equal((await Signer.create({ clock, shortPath: stale })).path, "reference");
  });
});
