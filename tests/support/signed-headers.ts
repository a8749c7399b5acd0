/** Headers of DynamoDB requests as an AWS SDK signs them, raw: a name, then its value. */

import { AwsCredentials } from "../../src/aws/aws-credentials.ts";
import { ShortSigner } from "../../src/aws/short-signer.ts";

/** Keys in the open. */
export interface KeyHolder {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** Those of a GetItem with this body. */
export function signedHeaders(
  holder: KeyHolder,
  { body, region, time }: { readonly body: string; readonly region: string; readonly time: number },
): string[] {
  const headers = new ShortSigner().sign(
    {
      method: "POST",
      path: "/",
      host: "postern.example.com",
      region,
      service: "dynamodb",
      headers: { "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem" },
      body: Buffer.from(body),
      credentials: new AwsCredentials(holder),
    },
    time,
  );
  return Object.entries(headers).flat();
}

/** The same with other values under one name. */
export function changed(headers: readonly string[], name: string, change: (value: string) => string): string[] {
  return headers.map((value, at) => (at % 2 === 1 && headers[at - 1]?.toLowerCase() === name ? change(value) : value));
}
