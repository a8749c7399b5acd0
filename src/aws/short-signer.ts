/** Signature Version 4 for the one request that Postern sends (POST /, no query), without promises, the day's key kept. */

import { createHmac, hash } from "node:crypto";
import type { AwsCredentials } from "./aws-credentials.ts";
import { isSigned, sendableHeaders, type ShortPath, type SignedHeaders, type SignRequest } from "./sign-request.ts";

/** Gives exactly what the SDK's signer gives; `Signer` proves it at start, the conformance tests at length. */
export class ShortSigner implements ShortPath {
  // A key serves one day, region and service of one set of credentials, and goes when they go.
  readonly #keys = new WeakMap<AwsCredentials, DayKey>();
  #second = -1;
  #date = "";

  sign(request: SignRequest, now: number): SignedHeaders {
    const { credentials } = request;
    const date = this.#dateOf(now);
    const headers = sendableHeaders(request.headers);
    headers["host"] = request.host;
    headers["x-amz-date"] = date;
    if (credentials.sessionToken !== undefined) headers["x-amz-security-token"] = credentials.sessionToken.reveal();

    const names = Object.keys(headers).filter(isSigned).sort();
    const list = names.join(";");
    let canonical = "POST\n/\n\n";
    for (const name of names) canonical += `${name}:${headers[name]}\n`;
    canonical += `\n${list}\n${hash("sha256", request.body, "hex")}`;

    const { scope, key } = this.#keyOf(credentials, date.slice(0, 8), request.region, request.service);
    const signature = createHmac("sha256", key)
      .update(`AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash("sha256", canonical, "hex")}`)
      .digest("hex");
    headers["authorization"] =
      `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${list}, Signature=${signature}`;
    return headers;
  }

  /** `20150830T123600Z`, made once a second. */
  #dateOf(now: number): string {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#date = new Date(second * 1000).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
      this.#second = second;
    }
    return this.#date;
  }

  #keyOf(credentials: AwsCredentials, day: string, region: string, service: string): DayKey {
    const kept = this.#keys.get(credentials);
    if (kept !== undefined && kept.day === day && kept.region === region && kept.service === service) return kept;
    const secret = `AWS4${credentials.secretAccessKey.reveal()}`;
    const key = [region, service, "aws4_request"].reduce(hmac, hmac(secret, day));
    const made = { day, region, service, scope: `${day}/${region}/${service}/aws4_request`, key };
    this.#keys.set(credentials, made);
    return made;
  }
}

interface DayKey {
  readonly day: string;
  readonly region: string;
  readonly service: string;
  readonly scope: string;
  readonly key: Uint8Array;
}

function hmac(key: string | Uint8Array, text: string): Uint8Array {
  return createHmac("sha256", key).update(text).digest();
}
