import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { AwsCredentials } from "../../src/aws/aws-credentials.ts";
import { signWithSmithy } from "../../src/aws/reference-signer.ts";
import { ShortSigner } from "../../src/aws/short-signer.ts";
import { Signer } from "../../src/aws/signer.ts";
import type { SignRequest } from "../../src/aws/sign-request.ts";

interface AwsVector {
  readonly name: string;
  readonly request: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly region: string;
  readonly service: string;
  readonly timestamp: string;
  readonly normalize: boolean;
  readonly signBody: boolean;
  readonly omitSessionToken: boolean;
  readonly canonicalRequest: string;
  readonly signature: string;
}

interface BotocoreVector {
  readonly host: string;
  readonly region: string;
  readonly now: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly amzDate: string;
  readonly authorization: string;
}

const aws = vectorsOf<AwsVector>("./sigv4-aws-vectors.json");
const botocore = vectorsOf<BotocoreVector>("./sigv4-botocore-vectors.json");

describe("AWS's Signature Version 4 vectors", () => {
  it("are all 38 there", () => assert.equal(aws.length, 38));

  for (const vector of aws) {
    it(`${vector.name}: the reference signer gives AWS's signature`, async () => {
      const signed = await signWithSmithy(parsed(vector));
      assert.equal(signatureOf(signed["authorization"]), vector.signature);
      const list = /SignedHeaders=([^,]*)/.exec(signed["authorization"] ?? "")?.[1];
      assert.equal(list, vector.canonicalRequest.split("\n").at(-2));
    });
  }

  const shaped = aws.filter(({ canonicalRequest }) =>
    /^POST\n\/\n\nhost:.*\nx-amz-date:.*\n(x-amz-security-token:.*\n)?\n/.test(canonicalRequest),
  );

  it("have some of Postern's own shape", () => assert.ok(shaped.length >= 3, `${shaped.length}`));

  for (const vector of shaped) {
    it(`${vector.name}: the short signer gives AWS's signature`, () => {
      const { headers, body, credentials, region, service, signingDate } = parsed(vector);
      const host = headers["host"] ?? "";
      const request = {
        method: "POST",
        path: "/",
        host,
        region,
        service: service as "dynamodb",
        headers,
        body,
        credentials,
      } as const;
      const signed = new ShortSigner().sign(request, signingDate.getTime());
      assert.equal(signatureOf(signed["authorization"]), vector.signature);
    });
  }
});

describe("botocore's signatures of Postern's requests", () => {
  for (const [index, vector] of botocore.entries()) {
    it(`number ${index} is what both signers give`, async () => {
      const now = Date.parse(vector.now);
      const { host, region, headers } = vector;
      const body = new TextEncoder().encode(vector.body);
      const request: SignRequest = {
        method: "POST",
        path: "/",
        service: "dynamodb",
        host,
        region,
        headers,
        body,
        credentials: new AwsCredentials(vector),
      };
      const signer = await Signer.create({ clock: { now: () => now, monotonic: () => 0 } });
      assert.equal(signer.path, "short");
      for (const signed of [await signer.sign(request), await signer.signReference(request)]) {
        assert.equal(signed["authorization"], vector.authorization);
        assert.equal(signed["x-amz-date"], vector.amzDate);
        assert.equal(signed["x-amz-security-token"], vector.sessionToken);
        assert.equal(signed["host"], host);
      }
    });
  }
});

function vectorsOf<T>(file: string): T[] {
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return (JSON.parse(text) as { vectors: T[] }).vectors;
}

function signatureOf(authorization: string | undefined): string | undefined {
  return /Signature=([0-9a-f]{64})$/.exec(authorization ?? "")?.[1];
}

/** The vector's raw HTTP text as a request: repeated headers joined by commas, continued lines left in. */
function parsed(vector: AwsVector): Parameters<typeof signWithSmithy>[0] {
  const [head = "", bodyText = ""] = vector.request.split(/\r?\n\r?\n/, 2);
  const [first = "", ...lines] = head
    .replaceAll(/\r?\n(?=[ \t])/g, " ")
    .split(/\r?\n/)
    .filter((line) => line !== "");
  const [, method = "", target = ""] = /^(\S+) (.*) HTTP\/1\.1$/.exec(first) ?? [];
  const [rawPath = "", rawQuery = ""] = target.split("?", 2);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1);
    headers[name] = name in headers ? `${headers[name]},${value}` : value;
  }
  const body = new TextEncoder().encode(bodyText);
  if (vector.signBody) headers["x-amz-content-sha256"] = createHash("sha256").update(body).digest("hex");
  const { accessKeyId, secretAccessKey, sessionToken, omitSessionToken } = vector;
  const credentials = new AwsCredentials({
    accessKeyId,
    secretAccessKey,
    ...(omitSessionToken ? {} : { sessionToken }),
  });
  return {
    method,
    // A signer that leaves paths alone is given them encoded, as it would be for S3.
    path: vector.normalize ? rawPath : encodeURI(rawPath),
    query: Object.fromEntries(new URLSearchParams(rawQuery)),
    headers,
    body,
    credentials,
    region: vector.region,
    service: vector.service,
    signingDate: new Date(vector.timestamp),
    normalisePath: vector.normalize,
  };
}
