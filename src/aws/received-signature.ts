/**
 * Signature Version 4 from the other side: whether whoever sent a request knows the secret key. For the one request that
 * DynamoDB's clients send, POST / without a query, signed in its headers.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */

import { Buffer } from "node:buffer";
import { createHmac, hash, timingSafeEqual } from "node:crypto";
import type { Secret } from "../base/secret.ts";

/** A request as it came. */
export interface ReceivedRequest {
  /** Names and values in turn, as they were sent. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** What an Authorization header says, before anything of it is believed. */
export interface ClaimedSignature {
  readonly accessKeyId: string;
  /** `20261126` */
  readonly day: string;
  readonly region: string;
  readonly service: string;
  /** Lower case, in order. */
  readonly signedHeaders: readonly string[];
  /** 64 hex digits. */
  readonly signature: string;
}

/** Why a signature does not count: an error type of AWS's, and words for the client. */
export interface SignatureFault {
  readonly type: "IncompleteSignatureException" | "InvalidSignatureException" | "MissingAuthenticationTokenException";
  readonly message: string;
}

/** How far the clocks of client and server may be apart, in milliseconds, as at AWS: also how long a request can be replayed. */
export const SIGNATURE_SKEW_MS = 300_000;

/** What must be signed where it is there: its change in flight would change what is asked. */
const REQUIRED = ["host", "x-amz-date", "x-amz-target"];
const MEANINGFUL = /^(?:x-amz-.*|content-type|content-encoding)$/;

/** Derives the keys of one secret, each day's once. */
export class DerivedKey {
  readonly #secret: Secret;
  #scope = "";
  #key: Uint8Array = new Uint8Array();

  constructor(secret: Secret) {
    this.#secret = secret;
  }

  /** That of a day and a region, for DynamoDB. */
  of(day: string, region: string): Uint8Array {
    const scope = `${day}/${region}`;
    if (scope !== this.#scope) {
      this.#key = [day, region, "dynamodb", "aws4_request"].reduce(
        (last: string | Uint8Array, text) => createHmac("sha256", last).update(text).digest(),
        `AWS4${this.#secret.reveal()}`,
      ) as Uint8Array;
      this.#scope = scope;
    }
    return this.#key;
  }
}

/** Reads the Authorization header of a request. */
export function claimedSignature(headers: readonly string[]): ClaimedSignature | SignatureFault {
  const given = valuesOf(headers, "authorization");
  const [authorization] = given;
  if (authorization === undefined || authorization.trim() === "")
    return { type: "MissingAuthenticationTokenException", message: "Request is missing Authentication Token" };
  if (given.length > 1) return incomplete("the header Authorization is given more than once");
  const match = /^AWS4-HMAC-SHA256 +(.*)$/.exec(authorization.trim());
  if (match === null) return incomplete("the algorithm must be AWS4-HMAC-SHA256");
  const fields = new Map<string, string>();
  for (const part of (match[1] ?? "").split(",")) {
    const [name = "", ...value] = part.trim().split("=");
    if (fields.has(name)) return incomplete(`${name} is given more than once in Authorization`);
    fields.set(name, value.join("="));
  }
  const scope = /^([A-Za-z0-9_-]{1,128})\/([0-9]{8})\/([a-z0-9-]{1,64})\/([a-z0-9-]{1,64})\/aws4_request$/.exec(
    fields.get("Credential") ?? "",
  );
  if (scope === null) return incomplete("Credential must be KEY/DATE/REGION/SERVICE/aws4_request");
  const [, accessKeyId = "", day = "", region = "", service = ""] = scope;
  const signature = fields.get("Signature") ?? "";
  if (!/^[0-9a-f]{64}$/.test(signature)) return incomplete("Signature must be 64 hex digits");
  const list = fields.get("SignedHeaders") ?? "";
  const signedHeaders = list.split(";");
  const isOrdered = signedHeaders.every((name, at) => at === 0 || (signedHeaders[at - 1] ?? "") < name);
  if (list !== list.toLowerCase() || !isOrdered) return incomplete("SignedHeaders must be in lower case and in order");
  return { accessKeyId, day, region, service, signedHeaders, signature };
}

/**
 * Checks a signature that was claimed. Undefined: the request was signed with this secret, in this region, now, and nothing
 * that changes its meaning was left out.
 */
export function signatureFault(
  { headers, body }: ReceivedRequest,
  claimed: ClaimedSignature,
  { key, region, now }: { readonly key: DerivedKey; readonly region: string; readonly now: number },
): SignatureFault | undefined {
  const { day, signedHeaders } = claimed;
  if (claimed.service !== "dynamodb") return invalid("the service in Credential must be dynamodb");
  if (claimed.region !== region) return invalid(`the region in Credential must be ${region}`);
  const given = byName(headers);
  const unsigned = unsignedOf(given.keys(), new Set(signedHeaders));
  if (unsigned !== undefined) return incomplete(`the header ${unsigned} is not among SignedHeaders`);
  const dates = given.get("x-amz-date") ?? [];
  const date = dates[0]?.trim() ?? "";
  const time = timeOf(date);
  if (dates.length !== 1 || time === undefined) return incomplete("X-Amz-Date must be there once, as 20261126T120000Z");
  if (!date.startsWith(day)) return invalid("the date in Credential is not that of X-Amz-Date");
  const ahead = time - now;
  if (Math.abs(ahead) > SIGNATURE_SKEW_MS) {
    const here = new Date(now).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
    return ahead < 0
      ? { type: "InvalidSignatureException", message: `Signature expired: ${date}, and here it is ${here}` }
      : { type: "InvalidSignatureException", message: `Signature not yet current: ${date}, and here it is ${here}` };
  }
  const payload = hash("sha256", body, "hex");
  const stated = given.get("x-amz-content-sha256")?.[0]?.trim();
  // Another one, such as UNSIGNED-PAYLOAD, would vouch for no body.
  if (stated !== undefined && stated !== payload) return invalid("X-Amz-Content-Sha256 is not that of the body");
  let canonical = "POST\n/\n\n";
  for (const name of signedHeaders) canonical += `${name}:${(given.get(name) ?? []).map(tidy).join(",")}\n`;
  canonical += `\n${signedHeaders.join(";")}\n${payload}`;
  const scope = `${day}/${region}/dynamodb/aws4_request`;
  const toSign = `AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash("sha256", canonical, "hex")}`;
  const expected = createHmac("sha256", key.of(day, region)).update(toSign).digest();
  if (timingSafeEqual(expected, Buffer.from(claimed.signature, "hex"))) return undefined;
  return {
    type: "InvalidSignatureException",
    message:
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.",
  };
}

/** The first header that changes what a request means and is not signed; names are in lower case. */
function unsignedOf(names: Iterable<string>, signed: ReadonlySet<string>): string | undefined {
  const missing = REQUIRED.find((name) => !signed.has(name));
  if (missing !== undefined) return missing;
  for (const name of names) if (!signed.has(name) && MEANINGFUL.test(name)) return name;
  return undefined;
}

/** Values in the order in which they came, by names in lower case. */
function byName(headers: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at]?.toLowerCase() ?? "";
    const values = found.get(name);
    if (values === undefined) found.set(name, [headers[at + 1] ?? ""]);
    else values.push(headers[at + 1] ?? "");
  }
  return found;
}

function valuesOf(headers: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2)
    if (headers[at]?.toLowerCase() === name) values.push(headers[at + 1] ?? "");
  return values;
}

function tidy(value: string): string {
  return /[ \t]/.test(value) ? value.replaceAll(/[ \t]+/g, " ").trim() : value.trim();
}

/** Milliseconds since the epoch; undefined for what is no such date. */
function timeOf(date: string): number | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})Z$/.exec(date);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}

function incomplete(reason: string): SignatureFault {
  return { type: "IncompleteSignatureException", message: `The signature is not complete: ${reason}` };
}

function invalid(reason: string): SignatureFault {
  return { type: "InvalidSignatureException", message: `The signature does not count: ${reason}` };
}
