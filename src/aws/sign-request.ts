/** The request that gets signed, and which of its headers are sent and signed. */

import type { AwsCredentials } from "./aws-credentials.ts";
import { AwsError } from "./errors.ts";

/** The one shape of request that Postern signs. */
export interface SignRequest {
  readonly method: "POST";
  /** The `host` header, with the port where it is not the scheme's own. */
  readonly host: string;
  readonly path: "/";
  readonly region: string;
  readonly service: "dynamodb";
  /** Names in any case. What the signer makes itself (host, x-amz-date, authorization and so on) is replaced. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly credentials: AwsCredentials;
}

/** The headers to send, names in lower case: those given and the signature's. Send them as they are. */
export type SignedHeaders = Record<string, string>;

/** The synchronous path; an argument so that a test can break it. */
export interface ShortPath {
  sign(request: SignRequest, now: number): SignedHeaders;
}

/**
 * The headers of a request as they are signed and sent: lower-case names, values trimmed and free of runs of spaces,
 * without those that the signer makes itself.
 *
 * @throws AwsError `header_invalid`.
 */
export function sendableHeaders(headers: Readonly<Record<string, string>>): SignedHeaders {
  const sendable: SignedHeaders = {};
  for (const name in headers) {
    const lower = name.toLowerCase();
    const value = headers[name] ?? "";
    // Anything but visible ASCII may be encoded in one way for the signature and in another on the wire.
    if (!HEADER_NAME.test(lower) || !HEADER_VALUE.test(value))
      throw badHeader(lower, "has a character that cannot be signed");
    if (OWN_HEADERS.has(lower)) continue;
    if (lower in sendable) throw badHeader(lower, "is there twice");
    sendable[lower] = UNTIDY.test(value) ? value.replaceAll(/[ \t]+/g, " ").trim() : value;
  }
  return sendable;
}

/** True for a header whose change in flight must break the signature. */
export function isSigned(name: string): boolean {
  return name.startsWith("x-amz-") || name === "host" || name === "content-type" || name === "content-encoding";
}

const HEADER_NAME = /^(?!__proto__$)[!#$%&'*+.^_`|~0-9a-z-]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e]*$/;
const UNTIDY = /^ | $|\t| {2}/;
// The signer's own, and those that would make one signer see another payload or date than the other.
const OWN_HEADERS: ReadonlySet<string> = new Set([
  "host",
  "authorization",
  "date",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-content-sha256",
]);

function badHeader(name: string, reason: string): AwsError {
  return new AwsError("header_invalid", `Cannot sign header ${JSON.stringify(name.slice(0, 100))}: it ${reason}`);
}
