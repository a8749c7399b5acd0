/** GetCallerIdentity signed for somebody else to send, and sent for somebody else. */

import { Buffer } from "node:buffer";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { boundedText } from "../base/bounded-text.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { AwsCredentials } from "./aws-credentials.ts";
import { AwsError } from "./errors.ts";
import { partitionOf } from "./partitions.ts";
import { signWithSmithy } from "./reference-signer.ts";
import { configuredEndpoint } from "./sts.ts";

/** A request that STS answers with who signed it. */
export interface CallerIdentityRequest {
  readonly method: "POST";
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface CallerIdentityToSign {
  readonly credentials: AwsCredentials;
  readonly region: string;
  /** Signed with the rest: for whom the signature is made. */
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

/** Signs a request to STS of the region. Nothing is sent. @throws AwsError `region_invalid` */
export async function signCallerIdentity(what: CallerIdentityToSign): Promise<CallerIdentityRequest> {
  const { credentials, region, clock } = what;
  const host = `sts.${region}.${partitionOf(region).dnsSuffix}`;
  const headers = await signWithSmithy({
    method: "POST",
    path: "/",
    headers: { host, "content-type": "application/x-www-form-urlencoded; charset=utf-8", ...what.headers },
    body: Buffer.from(BODY),
    region,
    service: "sts",
    credentials,
    signingDate: new Date(clock.now()),
  });
  return { method: "POST", url: `https://${host}/`, headers: Object.entries(headers), body: BODY };
}

/** What somebody else signed: where it goes, and all of it that is sent. */
export interface SignedForSts {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Sends a request that was signed elsewhere, and gives the answer unread. With `AWS_ENDPOINT_URL_STS` it goes there, with
 * the host name that was signed.
 *
 * @throws AwsError `sts_unreachable`
 */
export async function sendToSts(
  { url, headers, body }: SignedForSts,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly status: number; readonly body: string }> {
  const target = new URL(configuredEndpoint(env) ?? url);
  const send = target.protocol === "http:" ? httpRequest : httpsRequest;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await new Promise((resolve, reject) => {
      const length = String(Buffer.byteLength(body));
      const sent = send(target, { method: "POST", headers: { ...headers, "content-length": length }, signal });
      sent.once("error", reject);
      sent.once("response", (answer) => {
        boundedText(answer, MAX_ANSWER_BYTES).then(
          (text) => resolve({ status: answer.statusCode ?? 0, body: text }),
          reject,
        );
      });
      sent.end(body);
    });
  } catch (cause) {
    throw new AwsError("sts_unreachable", `Cannot ask ${target.host} who signed a request: ${messageOf(cause)}`, {
      cause,
      retryable: true,
      hint: "the auth service must reach STS of the region that the agent signs for",
    });
  }
}

const BODY = "Action=GetCallerIdentity&Version=2011-06-15";
const TIMEOUT_MS = 10_000;
/** STS says all of it in some hundred. */
const MAX_ANSWER_BYTES = 16_384;
