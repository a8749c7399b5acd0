import { createHash, createHmac } from "node:crypto";
import { strictEqual } from "node:assert/strict";
import { describe, it } from "node:test";
import { SignatureV4 } from "@smithy/signature-v4";
import {
  type ReceivedRequest,
  type VerifyOptions,
  type KnownKey,
  verifySignature,
} from "../../../src/sandbox/sigv4.ts";

const now = Date.UTC(2026, 10, 22, 12, 0, 0);
const keys: Record<string, KnownKey> = {
  AKIAUSER: { secretAccessKey: "user-secret" },
  ASIASESSION: { secretAccessKey: "session-secret", sessionToken: "token==", expiresAt: now + 60_000 },
};
const options: VerifyOptions<KnownKey> = { service: "dynamodb", regions: ["us-east-1"], now, find: (id) => keys[id] };

/** The hash that @smithy/signature-v4 wants, over node:crypto. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytes(secret));
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytes(data));
  }
  async digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
  reset(): void {
    throw new Error("not needed");
  }
}

function bytes(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, "utf8");
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

interface Signing {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
  readonly region?: string;
  readonly service?: string;
  readonly at?: number;
  readonly headers?: Record<string, string>;
  readonly path?: string;
  readonly query?: Record<string, string>;
}

const body = Buffer.from('{"TableName":"orders"}');

async function signed(signing: Signing = {}): Promise<ReceivedRequest> {
  const signer = new SignatureV4({
    service: signing.service ?? "dynamodb",
    region: signing.region ?? "us-east-1",
    sha256: Sha256,
    applyChecksum: false,
    credentials: {
      accessKeyId: signing.accessKeyId ?? "AKIAUSER",
      secretAccessKey: signing.secretAccessKey ?? "user-secret",
      ...(signing.sessionToken === undefined ? {} : { sessionToken: signing.sessionToken }),
    },
  });
  const request = await signer.sign(
    {
      method: "POST",
      protocol: "http:",
      hostname: "127.0.0.1",
      path: signing.path ?? "/",
      ...(signing.query === undefined ? {} : { query: signing.query }),
      headers: { host: "127.0.0.1", "x-amz-target": "DynamoDB_20120810.DescribeTable", ...signing.headers },
      body,
    },
    { signingDate: new Date(signing.at ?? now) },
  );
  const pairs = Object.entries(signing.query ?? {}).map((pair) => pair.map(encodeURIComponent).join("="));
  const query = pairs.join("&");
  return {
    method: "POST",
    url: (signing.path ?? "/") + (query === "" ? "" : `?${query}`),
    rawHeaders: Object.entries(request.headers).flat(),
    body,
  };
}

function edit(request: ReceivedRequest, change: (headers: Record<string, string>) => void): ReceivedRequest {
  const headers: Record<string, string> = {};
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    headers[request.rawHeaders[index] ?? ""] = request.rawHeaders[index + 1] ?? "";
  }
  change(headers);
  return { ...request, rawHeaders: Object.entries(headers).flat() };
}

/** A signature that holds, over headers and for a day of one's choice, which no library would make. */
function forged(day: string, signedHeaders: readonly string[]): ReceivedRequest {
  const values: Record<string, string> = { host: "127.0.0.1", "x-amz-date": "20261122T120000Z" };
  const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
  const hmac = (key: string | Uint8Array, text: string): Buffer => createHmac("sha256", key).update(text).digest();
  const names = signedHeaders.join(";");
  const lines = signedHeaders.map((name) => `${name}:${values[name] ?? ""}`);
  const canonical = ["POST", "/", "", ...lines, "", names, hash("{}")].join("\n");
  const scope = `${day}/us-east-1/dynamodb/aws4_request`;
  const key = hmac(hmac(hmac(hmac("AWS4user-secret", day), "us-east-1"), "dynamodb"), "aws4_request");
  const toSign = ["AWS4-HMAC-SHA256", values["x-amz-date"], scope, hash(canonical)].join("\n");
  const signature = hmac(key, toSign).toString("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIAUSER/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return {
    method: "POST",
    url: "/",
    rawHeaders: [...Object.entries(values).flat(), "authorization", authorization],
    body: Buffer.from("{}"),
  };
}

function faultOf(request: ReceivedRequest, changed: Partial<VerifyOptions<KnownKey>> = {}): string {
  const verified = verifySignature(request, { ...options, ...changed });
  return verified.ok ? "none" : verified.fault;
}

describe("verifySignature()", () => {
  it("accepts what @smithy/signature-v4 signs", async () => {
    strictEqual(faultOf(await signed()), "none");
  });

  it("accepts awkward header values, paths and queries", async () => {
    strictEqual(faultOf(await signed({ headers: { "x-amz-meta": "  a   b  " } })), "none");
    strictEqual(faultOf(await signed({ path: "/a%20b/c" })), "none");
    strictEqual(faultOf(await signed({ query: { b: "2 3", a: "x&y=(z)" } })), "none");
  });

  it("agrees with the example that AWS publishes for its own test suite", () => {
    // awslabs/aws-c-auth, aws-signing-test-suite/v4/get-vanilla.
    const request: ReceivedRequest = {
      method: "GET",
      url: "/",
      rawHeaders: [
        "Host",
        "example.amazonaws.com",
        "X-Amz-Date",
        "20150830T123600Z",
        "Authorization",
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
      ],
      body: new Uint8Array(),
    };
    const verified = verifySignature(request, {
      service: "service",
      regions: ["us-east-1"],
      now: Date.UTC(2015, 7, 30, 12, 36),
      find: () => ({ secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }),
    });
    strictEqual(verified.ok, true);
  });

  it("refuses a body, a method, a path, a host or a target that was changed after signing", async () => {
    const request = await signed();
    strictEqual(faultOf({ ...request, body: Buffer.from('{"TableName":"other"}') }), "InvalidSignature");
    strictEqual(faultOf({ ...request, method: "GET" }), "InvalidSignature");
    strictEqual(faultOf({ ...request, url: "/x" }), "InvalidSignature");
    strictEqual(faultOf({ ...request, url: "/?a=b" }), "InvalidSignature");
    strictEqual(faultOf(edit(request, (headers) => (headers["host"] = "other"))), "InvalidSignature");
    strictEqual(
      faultOf(edit(request, (headers) => (headers["x-amz-target"] = "DynamoDB_20120810.DeleteTable"))),
      "InvalidSignature",
    );
  });

  it("refuses a target that is present but not signed", async () => {
    const request = await signed({ headers: { "x-amz-target": "" } });
    const bare = edit(await signed(), (headers) => delete headers["x-amz-target"]);
    strictEqual(faultOf(bare), "InvalidSignature");
    const added = edit(request, (headers) => (headers["x-amz-other"] = "smuggled"));
    strictEqual(faultOf(added), "InvalidSignature");
  });

  it("refuses a second copy of a signed header", async () => {
    const request = await signed();
    const doubled = {
      ...request,
      rawHeaders: [...request.rawHeaders, "X-Amz-Target", "DynamoDB_20120810.DeleteTable"],
    };
    strictEqual(faultOf(doubled), "InvalidSignature");
  });

  it("refuses another region, another service and a wrong secret", async () => {
    strictEqual(faultOf(await signed({ region: "eu-west-1" })), "InvalidSignature");
    strictEqual(faultOf(await signed({ service: "s3" })), "InvalidSignature");
    strictEqual(faultOf(await signed({ secretAccessKey: "guess" })), "InvalidSignature");
    strictEqual(faultOf(await signed({ accessKeyId: "AKIASTRANGER" })), "UnrecognizedClient");
  });

  it("refuses a stamp more than five minutes off, either way", async () => {
    strictEqual(faultOf(await signed({ at: now - 299_000 })), "none");
    strictEqual(faultOf(await signed({ at: now + 299_000 })), "none");
    strictEqual(faultOf(await signed({ at: now - 301_000 })), "RequestExpired");
    strictEqual(faultOf(await signed({ at: now + 301_000 })), "RequestExpired");
  });

  it("binds temporary keys to their token and long-term keys to none", async () => {
    const session = { accessKeyId: "ASIASESSION", secretAccessKey: "session-secret" };
    strictEqual(faultOf(await signed({ ...session, sessionToken: "token==" })), "none");
    strictEqual(faultOf(await signed(session)), "UnrecognizedClient");
    strictEqual(faultOf(await signed({ ...session, sessionToken: "stolen" })), "UnrecognizedClient");
    strictEqual(faultOf(await signed({ sessionToken: "token==" })), "UnrecognizedClient");
  });

  it("refuses temporary keys from the instant at which they expire", async () => {
    const request = await signed({
      accessKeyId: "ASIASESSION",
      secretAccessKey: "session-secret",
      sessionToken: "token==",
      at: now + 60_000,
    });
    strictEqual(faultOf(request, { now: now + 59_999 }), "none");
    strictEqual(faultOf(request, { now: now + 60_000 }), "ExpiredToken");
  });

  it("refuses missing, broken and doubled Authorization headers", async () => {
    const request = await signed();
    const authorization = (value: string): ReceivedRequest =>
      edit(request, (headers) => (headers["authorization"] = value));
    strictEqual(faultOf(edit(request, (headers) => delete headers["authorization"])), "MissingAuthenticationToken");
    strictEqual(
      faultOf(edit(request, (headers) => (headers["Authorization"] = "AWS4-HMAC-SHA256 x"))),
      "IncompleteSignature",
    );
    strictEqual(faultOf(authorization("Bearer x")), "IncompleteSignature");
    strictEqual(
      faultOf(authorization("AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0")),
      "IncompleteSignature",
    );
    strictEqual(faultOf(authorization("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=0")), "IncompleteSignature");
    strictEqual(faultOf(edit(request, (headers) => (headers["x-amz-date"] = "yesterday"))), "IncompleteSignature");
  });

  it("refuses a good signature that leaves the host out or is scoped to another day", () => {
    strictEqual(faultOf(forged("20261122", ["host", "x-amz-date"])), "none");
    strictEqual(faultOf(forged("20261122", ["x-amz-date"])), "InvalidSignature");
    strictEqual(faultOf(forged("20261121", ["host", "x-amz-date"])), "InvalidSignature");
  });

  it("refuses signatures in the query string", async () => {
    const request = await signed();
    strictEqual(faultOf({ ...request, url: "/?X-Amz-Algorithm=AWS4-HMAC-SHA256" }), "InvalidSignature");
  });
});
