/** Signs the requests that are sent to DynamoDB, by the short path or, where that cannot be trusted, by the SDK's signer (docs/adr/0006). */

import type { Clock } from "../base/clock.ts";
import { AwsCredentials } from "./aws-credentials.ts";
import { signWithSmithy } from "./reference-signer.ts";
import { ShortSigner } from "./short-signer.ts";
import { isSigned, sendableHeaders, type ShortPath, type SignedHeaders, type SignRequest } from "./sign-request.ts";

/** What a `Signer` is made of. */
export interface SignerOptions {
  readonly clock: Clock;
  readonly shortPath?: ShortPath | undefined;
}

/**
 * Signs with Signature Version 4: `host`, `content-type`, `content-encoding` and every `x-amz-*` header, and the body's
 * hash; never a header that a hop may change (connection, user-agent, transfer-encoding, content-length …).
 */
export class Signer {
  /** Why the short path is not used; undefined when it is. To be logged at start. */
  readonly difference: string | undefined;
  readonly #clock: Clock;
  readonly #short: ShortPath;

  /** For `create` only: a signer made otherwise has proved nothing. */
  constructor(clock: Clock, short: ShortPath, difference: string | undefined) {
    this.#clock = clock;
    this.#short = short;
    this.difference = difference;
  }

  /** A signer whose short path has been compared with the SDK's signer, and is left unused if they differ. */
  static async create(options: SignerOptions): Promise<Signer> {
    const short = options.shortPath ?? new ShortSigner();
    return new Signer(options.clock, short, await differenceOf(short));
  }

  /** Which path `sign` takes. */
  get path(): "short" | "reference" {
    return this.difference === undefined ? "short" : "reference";
  }

  /**
   * The headers to send: at once by the short path, as a promise by the other. Await it either way.
   *
   * @throws AwsError `header_invalid` when a header has a name or value that HTTP would not carry as it was signed.
   */
  sign(request: SignRequest): SignedHeaders | Promise<SignedHeaders> {
    const now = this.#clock.now();
    return this.difference === undefined ? this.#short.sign(request, now) : reference(request, now);
  }

  /** The same by the SDK's signer. @throws AwsError `header_invalid`. */
  signReference(request: SignRequest): Promise<SignedHeaders> {
    return reference(request, this.#clock.now());
  }
}

function reference(request: SignRequest, now: number): Promise<SignedHeaders> {
  const headers = { ...sendableHeaders(request.headers), host: request.host };
  const unsigned = new Set(Object.keys(headers).filter((name) => !isSigned(name)));
  return signWithSmithy({ ...request, headers, signingDate: new Date(now) }, unsigned);
}

/** Signs made-up requests both ways; undefined when every header agrees. */
async function differenceOf(short: ShortPath): Promise<string | undefined> {
  for (const [index, { request, now }] of [...trials()].entries()) {
    const expected = comparable(await reference(request, now));
    try {
      if (comparable(short.sign(request, now)) !== expected)
        return `self-test ${index} of the short signer: the signatures differ`;
    } catch (error) {
      return `self-test ${index} of the short signer: it failed (${error instanceof Error ? error.name : "unknown"})`;
    }
  }
  return undefined;
}

function comparable(headers: SignedHeaders): string {
  return JSON.stringify(Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Requests that differ in what the short path caches or branches on: day, region, credentials, token, body, headers. */
function* trials(): Generator<{ readonly request: SignRequest; readonly now: number }> {
  const lasting = new AwsCredentials({ accessKeyId: "AKIDSELFTEST", secretAccessKey: "a self-test, not a secret/+" });
  const temporary = new AwsCredentials({
    accessKeyId: "ASIASELFTEST",
    secretAccessKey: "another",
    sessionToken: "t".repeat(900),
  });
  const shape = { method: "POST", path: "/", service: "dynamodb" } as const;
  const target = { "X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0" };
  for (const now of [Date.UTC(2015, 7, 30, 12, 36), Date.UTC(2026, 11, 31, 23, 59, 59, 999), Date.UTC(2027, 0, 1)]) {
    for (const credentials of [lasting, temporary]) {
      for (const region of ["us-east-1", "cn-north-1"]) {
        const host = `dynamodb.${region}.amazonaws.com`;
        yield { now, request: { ...shape, host, region, credentials, headers: target, body: new Uint8Array() } };
        const headers = {
          ...target,
          "user-agent": "self  test",
          "x-amz-b": "  a   b ",
          "X-Amz-A": "1",
          "content-encoding": "gzip",
        };
        const body = new TextEncoder().encode(`{"TableName":"séance ${now}"}`);
        yield { now, request: { ...shape, host: "127.0.0.1:8000", region, credentials, headers, body } };
      }
    }
  }
}
