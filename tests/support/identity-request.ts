/** Signed requests to AWS STS for the tests of the `iam` join method: made by the AWS SDK's own signer. */

import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { CHALLENGE_HEADER, type SignedIdentityRequest } from "../../src/identity/iam-join.ts";

export const CHALLENGE = "o3Sx5cGmPZ2bD0w9m2mTtR9gq0m3k6yKc1rJ5b8nUuE";
export const SIGNED_AT: number = Date.UTC(2026, 10, 22, 14, 0, 7);
export const FORM_BODY = "Action=GetCallerIdentity&Version=2011-06-15";

/** What to sign otherwise than usual. */
export interface IdentityRequestParts {
  readonly host?: string;
  readonly region?: string;
  readonly service?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly at?: number;
  readonly sessionToken?: string;
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** A request as an agent signs it. */
export async function signedIdentityRequest(parts: IdentityRequestParts = {}): Promise<SignedIdentityRequest> {
  const region = parts.region ?? "us-east-1";
  const host = parts.host ?? `sts.${region}.amazonaws.com`;
  const body = parts.body ?? FORM_BODY;
  const signer = new SignatureV4({
    service: parts.service ?? "sts",
    region,
    credentials: {
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: "secret",
      ...parts.credentials,
      ...(parts.sessionToken === undefined ? {} : { sessionToken: parts.sessionToken }),
    },
    sha256: Sha256,
    applyChecksum: false,
  });
  const signed = await signer.sign(
    {
      method: "POST",
      protocol: "https:",
      hostname: host,
      path: "/",
      query: {},
      headers: {
        host,
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        [CHALLENGE_HEADER]: CHALLENGE,
        ...parts.headers,
      },
      body,
    },
    { signingDate: new Date(parts.at ?? SIGNED_AT) },
  );
  return { method: "POST", url: `https://${host}/`, headers: Object.entries(signed.headers), body };
}

/** STS's answer in its own form. */
export function identityAnswer(
  arn: string = "arn:aws:sts::123456789012:assumed-role/agents/i-0abc",
  account: string = "123456789012",
): string {
  return `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>${arn}</Arn>
    <UserId>AROAEXAMPLE:i-0abc</UserId>
    <Account>${account}</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata>
    <RequestId>0f9a0b3c-1d2e-4f56-8a9b-0c1d2e3f4a5b</RequestId>
  </ResponseMetadata>
</GetCallerIdentityResponse>
`;
}

/** The hash that the signer asks for. */
class Sha256 {
  readonly #hash;

  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret as Uint8Array);
  }

  update(data: unknown): void {
    this.#hash.update(data as Uint8Array);
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#hash.digest()));
  }

  reset(): void {
    throw new Error("not needed");
  }
}
