/** How the store in DynamoDB is reached: with this process's own credentials, signed as all that we send there. */

import { Buffer } from "node:buffer";
import type { AwsCredentials } from "../aws/aws-credentials.ts";
import { awsEndpoint, parseEndpoint, upstreamsOf } from "../aws/endpoints.ts";
import { Signer } from "../aws/signer.ts";
import { SdkSts } from "../aws/sts.ts";
import type { Clock } from "../base/clock.ts";
import type { DynamoDbCall } from "../store/dynamodb-call.ts";

export interface StoreCallOptions {
  readonly region: string;
  /** For an emulator on this machine, or a host of one's own; absent: AWS's. */
  readonly endpoint?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** @throws AwsError `endpoint_invalid` */
export async function storeCall({ region, endpoint, env, clock }: StoreCallOptions): Promise<DynamoDbCall> {
  const { dynamodb } = upstreamsOf(
    endpoint === undefined ? awsEndpoint(region) : parseEndpoint(endpoint, false),
    region,
  );
  const signer = await Signer.create({ clock });
  const sts = new SdkSts({ env });
  let held: AwsCredentials | undefined;
  const credentials = async (): Promise<AwsCredentials> => {
    if (held === undefined || held.expiresAt - clock.now() < RENEW_MS) held = await sts.ownCredentials();
    return held;
  };
  return async (operation, body) => {
    const bytes = Buffer.from(JSON.stringify(body));
    const { host: _, ...headers } = await signer.sign({
      method: "POST",
      host: dynamodb.host,
      path: "/",
      region: dynamodb.region,
      service: dynamodb.signingName,
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `DynamoDB_20120810.${operation}` },
      body: bytes,
      credentials: await credentials(),
    });
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await fetch(dynamodb.origin, { method: "POST", headers, body: bytes, redirect: "error", signal });
    return { status: answer.status, body: await answer.json() };
  };
}

const RENEW_MS = 5 * 60_000;
const TIMEOUT_MS = 5_000;
