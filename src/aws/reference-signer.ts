/** The AWS SDK's own Signature Version 4 signer, hashing with this runtime's crypto. */

import { SignatureV4 } from "@smithy/signature-v4";
import { createHash, createHmac } from "node:crypto";
import type { AwsCredentials } from "./aws-credentials.ts";

/** Any request that Signature Version 4 can sign. */
export interface ReferenceRequest {
  readonly method: string;
  /** Not yet encoded, without the query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly region: string;
  readonly service: string;
  readonly credentials: AwsCredentials;
  readonly signingDate: Date;
  /** False leaves the path as it is, as S3 wants it; default true. */
  readonly normalisePath?: boolean;
}

/**
 * The headers to send, signature included.
 *
 * @param unsigned names, in lower case, of headers that are sent but not signed, besides those the SDK never signs.
 */
export async function signWithSmithy(
  request: ReferenceRequest,
  unsigned: ReadonlySet<string> = new Set(),
): Promise<Record<string, string>> {
  const { accessKeyId, secretAccessKey, sessionToken } = request.credentials;
  const signer = new SignatureV4({
    credentials: {
      accessKeyId,
      secretAccessKey: secretAccessKey.reveal(),
      ...(sessionToken === undefined ? {} : { sessionToken: sessionToken.reveal() }),
    },
    region: request.region,
    service: request.service,
    sha256: NodeSha256,
    // DynamoDB needs no x-amz-content-sha256 header.
    applyChecksum: false,
    uriEscapePath: request.normalisePath ?? true,
  });
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: "https:",
      hostname: request.headers["host"] ?? "",
      path: request.path,
      query: { ...request.query },
      headers: { ...request.headers },
      body: request.body,
    },
    { signingDate: request.signingDate, unsignableHeaders: new Set(unsigned) },
  );
  return { ...signed.headers };
}

/** The hash that the SDK's signer asks for: with a key it is an HMAC. */
class NodeSha256 {
  #hash: Started;
  readonly #secret: Parameters<typeof toBytes>[0] | undefined;

  constructor(secret?: Parameters<typeof toBytes>[0]) {
    this.#secret = secret;
    this.#hash = started(secret);
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    this.#hash = started(this.#secret);
  }
}

/** A hash or an HMAC under way. */
type Started = ReturnType<typeof createHash> | ReturnType<typeof createHmac>;

function started(secret: Parameters<typeof toBytes>[0] | undefined): Started {
  return secret === undefined ? createHash("sha256") : createHmac("sha256", toBytes(secret));
}

function toBytes(data: string | ArrayBuffer | ArrayBufferView): string | Uint8Array {
  if (typeof data === "string") return data;
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
