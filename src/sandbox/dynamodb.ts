/** The sandbox's DynamoDB door: checks the signature of each request as AWS would, notes what it saw, then lets it in. */

import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import { crc32, gzipSync } from "node:zlib";
import type { Clock } from "../base/clock.ts";
import type { Identities } from "./identities.ts";
import type { Answer } from "./loopback-server.ts";
import { type ReceivedRequest, type SignatureFault, type Verification, verifySignature } from "./sigv4.ts";
import type { SandboxKey } from "./identities.ts";
import type { Tables } from "./tables.ts";

/** One request as the upstream saw it. Signature and session token are replaced by a word. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  /** Name and value pairs in wire order, names as sent. */
  readonly headers: readonly (readonly [string, string])[];
  /** Lower case, from the Authorization header; empty when it did not parse. */
  readonly signedHeaders: readonly string[];
  /** The operation after the dot of X-Amz-Target. */
  readonly operation: string;
  readonly bodyBytes: number;
  /** SHA-256 of the body, in hexadecimal. */
  readonly bodyDigest: string;
  /** The body as text, when it has at most 65,536 bytes. */
  readonly body: string | null;
  /** Who signed, when the signature was good. */
  readonly principal: string | null;
  /** The name of the role behind the signature. */
  readonly role: string | null;
  readonly sessionName: string | null;
  readonly sessionTags: Readonly<Record<string, string>>;
  readonly status: number;
  /** The `x-amzn-requestid` of the answer. */
  readonly requestId: string;
  /** The error type of a refusal by the door itself. */
  readonly refused: string | null;
}

/** What the door needs. */
export interface DynamodbOptions {
  readonly identities: Identities;
  readonly tables: Tables;
  readonly region: string;
  readonly clock: Clock;
  readonly record: (request: SeenRequest) => void;
}

const keptBodyBytes = 65_536;
// DynamoDB compresses answers above this size for clients that accept it.
const compressAboveBytes = 4096;

/** Answers one DynamoDB request. */
export async function answerDynamodb(request: ReceivedRequest, options: DynamodbOptions): Promise<Answer> {
  const verified = verifySignature(request, {
    service: "dynamodb",
    regions: [options.region],
    now: options.clock.now(),
    find: (id) => options.identities.findKey(id),
  });
  if (!verified.ok) {
    const answer = dynamodbError(400, types[verified.fault], verified.message);
    options.record(seen(request, verified, answer, types[verified.fault]));
    return answer;
  }
  const headers = joinHeaders(request.rawHeaders);
  const answer = await options.tables.answer(request.method, request.url, headers, request.body);
  options.record(seen(request, verified, answer, null));
  return compress(answer, headers["accept-encoding"] ?? "");
}

/** An error in the form in which DynamoDB sends it. */
export function dynamodbError(status: number, type: string, message: string): Answer {
  const body = Buffer.from(JSON.stringify({ __type: `com.amazon.coral.service#${type}`, message }), "utf8");
  return {
    status,
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amz-crc32": String(crc32(body)),
      "x-amzn-requestid": randomBytes(26).toString("hex").toUpperCase(),
    },
    body,
  };
}

const types: Readonly<Record<SignatureFault, string>> = {
  MissingAuthenticationToken: "MissingAuthenticationTokenException",
  IncompleteSignature: "IncompleteSignatureException",
  InvalidSignature: "InvalidSignatureException",
  RequestExpired: "InvalidSignatureException",
  UnrecognizedClient: "UnrecognizedClientException",
  ExpiredToken: "ExpiredTokenException",
};

function seen(
  request: ReceivedRequest,
  verified: Verification<SandboxKey>,
  { status, headers: answered }: Answer,
  refused: string | null,
): SeenRequest {
  const headers: (readonly [string, string])[] = [];
  for (let index = 0; index + 1 < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index] ?? "";
    headers.push([name, redact(name.toLowerCase(), request.rawHeaders[index + 1] ?? "")]);
  }
  const target = headers.find(([name]) => name.toLowerCase() === "x-amz-target")?.[1] ?? "";
  const principal = verified.ok ? verified.key.principal : null;
  return {
    method: request.method,
    url: request.url,
    headers,
    signedHeaders: verified.ok ? verified.signedHeaders : [],
    operation: target.slice(target.indexOf(".") + 1),
    bodyBytes: request.body.byteLength,
    bodyDigest: createHash("sha256").update(request.body).digest("hex"),
    body: request.body.byteLength <= keptBodyBytes ? Buffer.from(request.body).toString("utf8") : null,
    principal: principal?.arn ?? null,
    role: principal?.role ?? null,
    sessionName: principal?.sessionName ?? null,
    sessionTags: principal?.tags ?? {},
    status,
    requestId: answered["x-amzn-requestid"] ?? "",
    refused,
  };
}

function redact(name: string, value: string): string {
  if (name === "x-amz-security-token") return "[token]";
  return name === "authorization" ? value.replace(/Signature=[^,\s]*/, "Signature=[signature]") : value;
}

function joinHeaders(rawHeaders: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? "").toLowerCase();
    const before = headers[name];
    const value = rawHeaders[index + 1] ?? "";
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return headers;
}

function compress(answer: Answer, accepts: string): Answer {
  if (answer.body.byteLength <= compressAboveBytes || !/\bgzip\b/i.test(accepts)) return answer;
  const body = gzipSync(answer.body);
  // The checksum covers the bytes on the wire, so it is made anew.
  return {
    status: answer.status,
    headers: { ...answer.headers, "content-encoding": "gzip", "x-amz-crc32": String(crc32(body)) },
    body,
  };
}
