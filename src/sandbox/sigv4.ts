/**
 * Checks AWS Signature Version 4 on a request as it arrived, independently of any signing library: what a real AWS
 * endpoint would refuse, this refuses, with AWS's own error codes.
 */

import { Buffer } from "node:buffer";
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

const algorithm = "AWS4-HMAC-SHA256";
const maximumSkewMs = 5 * 60 * 1000;

/** A request exactly as it came off the wire. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query as sent, undecoded. */
  readonly url: string;
  /** Names and values alternating, in wire order, as `IncomingMessage.rawHeaders` gives them. */
  readonly rawHeaders: readonly string[];
  readonly body: Uint8Array;
}

/** What the verifier must know of an access key. */
export interface KnownKey {
  readonly secretAccessKey: string;
  /** Present on temporary credentials: the token that must come with the key. */
  readonly sessionToken?: string;
  /** Milliseconds since the epoch after which the key is refused. */
  readonly expiresAt?: number;
}

/** Where and when a signature must be valid. */
export interface VerifyOptions<Key extends KnownKey> {
  readonly service: string;
  readonly regions: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly find: (accessKeyId: string) => Key | undefined;
}

/** Why a signature was refused; the words are those of the AWS common errors, without a suffix. */
export type SignatureFault =
  | "MissingAuthenticationToken"
  | "IncompleteSignature"
  | "InvalidSignature"
  | "RequestExpired"
  | "UnrecognizedClient"
  | "ExpiredToken";

/** The answer of {@link verifySignature}: who signed, or why the request is refused. */
export type Verification<Key extends KnownKey> =
  | { readonly ok: true; readonly accessKeyId: string; readonly key: Key; readonly signedHeaders: readonly string[] }
  | { readonly ok: false; readonly fault: SignatureFault; readonly message: string };

/** Rebuilds the canonical request from what was received and compares signatures in constant time. */
export function verifySignature<Key extends KnownKey>(
  request: ReceivedRequest,
  options: VerifyOptions<Key>,
): Verification<Key> {
  const headers = groupHeaders(request.rawHeaders);
  if (/[?&]X-Amz-Algorithm=/i.test(request.url)) {
    return refuse("InvalidSignature", "Signatures in the query string are not accepted here.");
  }
  const authorization = headers.get("authorization");
  if (authorization === undefined) {
    return refuse("MissingAuthenticationToken", "Request is missing Authentication Token");
  }
  if (authorization.length > 1) return refuse("IncompleteSignature", "Authorization header must be present once.");
  const parsed = parseAuthorization(authorization[0] ?? "");
  if (typeof parsed === "string") return refuse("IncompleteSignature", parsed);

  const date = headers.get("x-amz-date");
  if (date?.length !== 1) return refuse("IncompleteSignature", "X-Amz-Date header must be present once.");
  const stamp = date[0] ?? "";
  const signedAt = parseStamp(stamp);
  if (signedAt === undefined)
    return refuse("IncompleteSignature", `Date must be in ISO-8601 'basic format'. Got '${stamp}'.`);

  const scopeFault = faultOfScope(parsed, stamp, options);
  if (scopeFault !== undefined) return refuse("InvalidSignature", scopeFault);
  const unsigned = unsignedHeader(headers, parsed.signedHeaders);
  if (unsigned !== undefined) return refuse("InvalidSignature", unsigned);
  if (Math.abs(options.now - signedAt) > maximumSkewMs) {
    return refuse(
      "RequestExpired",
      `Signature expired: ${stamp} is more than 5 min. away from the time of this service.`,
    );
  }

  const key = options.find(parsed.accessKeyId);
  if (key === undefined) return refuse("UnrecognizedClient", "The security token included in the request is invalid.");
  const expected = signatureOf(request, headers, parsed, stamp, key.secretAccessKey);
  if (!equalHex(expected, parsed.signature)) {
    return refuse(
      "InvalidSignature",
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.",
    );
  }
  // After the signature, as AWS does: a stranger must not learn which tokens live.
  const tokens = headers.get("x-amz-security-token") ?? [];
  const tokenFits =
    key.sessionToken === undefined ? tokens.length === 0 : tokens.length === 1 && tokens[0] === key.sessionToken;
  if (!tokenFits) return refuse("UnrecognizedClient", "The security token included in the request is invalid.");
  if (key.expiresAt !== undefined && options.now >= key.expiresAt) {
    return refuse("ExpiredToken", "The security token included in the request is expired");
  }
  return { ok: true, accessKeyId: parsed.accessKeyId, key, signedHeaders: parsed.signedHeaders };
}

interface Authorization {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly terminator: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

type Headers = ReadonlyMap<string, readonly string[]>;

function refuse(fault: SignatureFault, message: string): { ok: false; fault: SignatureFault; message: string } {
  return { ok: false, fault, message };
}

function groupHeaders(rawHeaders: readonly string[]): Headers {
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const values = headers.get(name) ?? [];
    values.push((rawHeaders[index + 1] ?? "").trim().replaceAll(/ +/g, " "));
    headers.set(name, values);
  }
  return headers;
}

function parseAuthorization(value: string): Authorization | string {
  const space = value.indexOf(" ");
  if (space < 0 || value.slice(0, space) !== algorithm)
    return `Unsupported AWS 'algorithm' (only ${algorithm} for now).`;
  const parts = new Map<string, string>();
  for (const part of value.slice(space + 1).split(/[, ]+/)) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    if (equals < 0) return "Authorization header has a part that is not a key=value pair.";
    const name = part.slice(0, equals);
    if (parts.has(name)) return `Authorization header has '${name}' twice.`;
    parts.set(name, part.slice(equals + 1));
  }
  const credential = parts.get("Credential")?.split("/");
  const signature = parts.get("Signature");
  const signedHeaders = parts.get("SignedHeaders")?.split(";");
  if (credential === undefined) return "Authorization header requires 'Credential' parameter.";
  if (signature === undefined) return "Authorization header requires 'Signature' parameter.";
  if (signedHeaders === undefined) return "Authorization header requires 'SignedHeaders' parameter.";
  const [accessKeyId = "", date = "", region = "", service = "", terminator = ""] = credential;
  if (credential.length !== 5 || credential.includes("")) {
    return "Credential must have exactly 5 slash-delimited elements.";
  }
  return { accessKeyId, date, region, service, terminator, signedHeaders, signature };
}

function parseStamp(stamp: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(time) ? undefined : time;
}

function faultOfScope(
  parsed: Authorization,
  stamp: string,
  options: { readonly service: string; readonly regions: readonly string[] },
): string | undefined {
  if (!options.regions.includes(parsed.region))
    return `Credential should be scoped to a valid region, not '${parsed.region}'.`;
  if (parsed.service !== options.service)
    return `Credential should be scoped to correct service: '${options.service}'.`;
  if (parsed.terminator !== "aws4_request")
    return "Credential should be scoped with a valid terminator: 'aws4_request'.";
  if (parsed.date !== stamp.slice(0, 8)) return "Date in Credential scope does not match YYYYMMDD of X-Amz-Date.";
  return undefined;
}

function unsignedHeader(headers: Headers, signedHeaders: readonly string[]): string | undefined {
  if (!signedHeaders.includes("host")) return "'Host' must be a 'SignedHeader' in the AWS Authorization.";
  for (const name of headers.keys()) {
    // An unsigned x-amz-target would let anybody on the way swap the operation.
    if (name.startsWith("x-amz-") && !signedHeaders.includes(name))
      return `'${name}' must be a 'SignedHeader' in the AWS Authorization.`;
  }
  const sorted = [...signedHeaders].sort();
  if (sorted.some((name, index) => name !== signedHeaders[index])) return "SignedHeaders must be sorted.";
  const absent = signedHeaders.find((name) => !headers.has(name));
  return absent === undefined ? undefined : `SignedHeaders names '${absent}', which the request lacks.`;
}

function signatureOf(
  request: ReceivedRequest,
  headers: Headers,
  parsed: Authorization,
  stamp: string,
  secretAccessKey: string,
): string {
  const [path = "/", query = ""] = request.url.split(/\?(.*)/s);
  const payloadHash = sha256(request.body);
  const canonicalRequest = [
    request.method,
    canonicalPath(path),
    canonicalQuery(query),
    ...parsed.signedHeaders.map((name) => `${name}:${(headers.get(name) ?? []).join(",")}`),
    "",
    parsed.signedHeaders.join(";"),
    payloadHash,
  ].join("\n");
  const scope = `${parsed.date}/${parsed.region}/${parsed.service}/aws4_request`;
  const stringToSign = [algorithm, stamp, scope, sha256(canonicalRequest)].join("\n");
  const day = hmac(`AWS4${secretAccessKey}`, parsed.date);
  const signingKey = hmac(hmac(hmac(day, parsed.region), parsed.service), "aws4_request");
  return hmac(signingKey, stringToSign).toString("hex");
}

function canonicalPath(path: string): string {
  // Every service but S3 encodes the path as sent once more.
  return path
    .split("/")
    .map((segment) => encodeStrictly(segment))
    .join("/");
}

function canonicalQuery(query: string): string {
  if (query === "") return "";
  return query
    .split("&")
    .map((pair) => {
      const [name = "", value = ""] = pair.split(/=(.*)/s);
      return [encodeStrictly(decodeLeniently(name)), encodeStrictly(decodeLeniently(value))] as const;
    })
    .sort(([a, x], [b, y]) => (a === b ? (x < y ? -1 : Number(x > y)) : a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function decodeLeniently(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function encodeStrictly(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Uint8Array, data: string): Buffer {
  return createHmac("sha256", key).update(data, "utf8").digest();
}

function equalHex(expected: string, given: string): boolean {
  const left = Buffer.from(expected, "utf8");
  const right = Buffer.from(given, "utf8");
  return left.length === right.length && timingSafeEqual(left, right);
}
