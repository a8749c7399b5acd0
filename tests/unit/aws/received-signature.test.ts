import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { AwsCredentials } from "../../../src/aws/aws-credentials.ts";
import {
  claimedSignature,
  DerivedKey,
  type ReceivedRequest,
  SIGNATURE_SKEW_MS,
  type SignatureFault,
  signatureFault,
} from "../../../src/aws/received-signature.ts";
import { ShortSigner } from "../../../src/aws/short-signer.ts";
import { Secret } from "../../../src/base/secret.ts";

const SECRET = new Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
const NOW = Date.parse("2026-11-26T12:00:00Z");
const BODY = Buffer.from('{"TableName":"orders"}');

function signed(more: Readonly<Record<string, string>> = {}, body: Uint8Array = BODY): string[] {
  const headers = new ShortSigner().sign(
    {
      method: "POST",
      path: "/",
      host: "postern.example.com:3080",
      region: "us-east-1",
      service: "dynamodb",
      headers: {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.GetItem",
        ...more,
      },
      body,
      credentials: new AwsCredentials({
        accessKeyId: "KEY",
        secretAccessKey: SECRET.reveal(),
        sessionToken: "token",
      }),
    },
    NOW,
  );
  return Object.entries(headers).flat();
}

function judge(
  request: ReceivedRequest,
  { now = NOW, secret = SECRET, region = "us-east-1" } = {},
): SignatureFault | undefined {
  const claimed = claimedSignature(request.headers);
  return "type" in claimed ? claimed : signatureFault(request, claimed, { key: new DerivedKey(secret), region, now });
}

const changed = (headers: string[], name: string, change: (value: string) => string): string[] =>
  headers.map((value, at) => (headers[at - 1] === name && at % 2 === 1 ? change(value) : value));

describe("a signature that was received", () => {
  it("counts when it was made with the secret, by whichever signer", () => {
    assert.equal(judge({ headers: signed(), body: BODY }), undefined);
    const file = new URL("../../conformance/sigv4-botocore-vectors.json", import.meta.url);
    const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: BotocoreVector[] };
    assert.ok(vectors.length > 10);
    for (const vector of vectors) {
      const { host, amzDate, authorization, sessionToken } = vector;
      const headers = Object.entries({
        ...vector.headers,
        host,
        "X-Amz-Date": amzDate,
        Authorization: authorization,
        ...(sessionToken === undefined ? {} : { "X-Amz-Security-Token": sessionToken }),
      }).flat();
      const fault = judge(
        { headers, body: Buffer.from(vector.body) },
        { now: Date.parse(vector.now), secret: new Secret(vector.secretAccessKey), region: vector.region },
      );
      // Botocore itself leaves some of these without a target, which nothing could be asked by.
      if ("X-Amz-Target" in vector.headers) assert.equal(fault, undefined, JSON.stringify(vector));
    }
  });

  const headers = signed({ "X-Amz-Extra": "one" });
  const rows: readonly [string, ReceivedRequest, SignatureFault["type"]][] = [
    ["the body", { headers, body: Buffer.from('{"TableName":"others"}') }, "InvalidSignatureException"],
    [
      "the operation",
      { headers: changed(headers, "x-amz-target", () => "DynamoDB_20120810.DeleteTable"), body: BODY },
      "InvalidSignatureException",
    ],
    ["the host", { headers: changed(headers, "host", () => "other"), body: BODY }, "InvalidSignatureException"],
    [
      "the token",
      { headers: changed(headers, "x-amz-security-token", () => "other"), body: BODY },
      "InvalidSignatureException",
    ],
    [
      "the date",
      { headers: changed(headers, "x-amz-date", () => "20261126T120100Z"), body: BODY },
      "InvalidSignatureException",
    ],
    [
      "a header twice",
      { headers: [...headers, "x-amz-target", "DynamoDB_20120810.Scan"], body: BODY },
      "InvalidSignatureException",
    ],
    [
      "one date more",
      { headers: [...headers, "x-amz-date", "20261126T120000Z"], body: BODY },
      "IncompleteSignatureException",
    ],
    [
      "a header of Amazon's more",
      { headers: [...headers, "x-amz-more", "1"], body: BODY },
      "IncompleteSignatureException",
    ],
    ["an encoding", { headers: [...headers, "content-encoding", "gzip"], body: BODY }, "IncompleteSignatureException"],
    ["a second signature", { headers: [...headers, "authorization", "x"], body: BODY }, "IncompleteSignatureException"],
    [
      "which headers are signed",
      {
        headers: changed(headers, "authorization", (value) => value.replace("x-amz-target", "x-amz-target;x-other")),
        body: BODY,
      },
      "InvalidSignatureException",
    ],
    [
      "that the operation is signed",
      { headers: changed(headers, "authorization", (value) => value.replace(";x-amz-target", "")), body: BODY },
      "IncompleteSignatureException",
    ],
    [
      "all of it",
      { headers: changed(headers, "authorization", () => "Bearer x"), body: BODY },
      "IncompleteSignatureException",
    ],
    [
      "nothing of it",
      { headers: headers.slice(0, headers.indexOf("authorization")), body: BODY },
      "MissingAuthenticationTokenException",
    ],
    [
      "the service",
      { headers: changed(headers, "authorization", (value) => value.replace("/dynamodb/", "/s3/")), body: BODY },
      "InvalidSignatureException",
    ],
    [
      "the day",
      { headers: changed(headers, "authorization", (value) => value.replace("/20261126/", "/20261125/")), body: BODY },
      "InvalidSignatureException",
    ],
  ];
  for (const [what, request, type] of rows)
    it(`does not count when ${what} was changed`, () => assert.equal(judge(request)?.type, type));

  it("does not count with another secret, in another region, and at another time", () => {
    const request = { headers: signed(), body: BODY };
    assert.equal(judge(request, { secret: new Secret("other") })?.type, "InvalidSignatureException");
    assert.match(judge(request, { region: "eu-west-1" })?.message ?? "", /region/);
    assert.equal(judge(request, { now: NOW + SIGNATURE_SKEW_MS }), undefined);
    assert.match(judge(request, { now: NOW + SIGNATURE_SKEW_MS + 1 })?.message ?? "", /^Signature expired/);
    assert.match(judge(request, { now: NOW - SIGNATURE_SKEW_MS - 1 })?.message ?? "", /^Signature not yet current/);
  });

  it("vouches for the body that came, whatever a header says", () => {
    const headers = [...signed(), "x-amz-content-sha256", "UNSIGNED-PAYLOAD"];
    const listed = changed(headers, "authorization", (value) => value.replace("host;", "host;x-amz-content-sha256;"));
    assert.match(judge({ headers: listed, body: BODY })?.message ?? "", /not that of the body/);
  });
});

interface BotocoreVector {
  readonly host: string;
  readonly region: string;
  readonly now: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly amzDate: string;
  readonly authorization: string;
}
