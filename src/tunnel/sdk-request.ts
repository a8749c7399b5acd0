/** A request of an AWS SDK on its way through a tunnel: as it was received, for the agent to verify to the letter. */

import { Buffer } from "node:buffer";

/** The path at which an agent takes one. */
export const SDK_PATH = "/sdk";

/** What comes before a request's body. */
export interface SdkRequestHead {
  /** Names and values in turn, as they were sent. */
  readonly headers: readonly string[];
}

/** What comes before an answer's body. */
export interface SdkAnswerHead {
  readonly status: number;
  /** Names are lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body, where they are known. */
  readonly length?: number | undefined;
}

/** A head as one message. */
export function headMessage(head: SdkRequestHead | SdkAnswerHead): Uint8Array {
  return Buffer.from(JSON.stringify(head));
}

/** Undefined for what is none. */
export function readRequestHead(message: Uint8Array | undefined): SdkRequestHead | undefined {
  const headers = fieldsOf(message)["headers"];
  if (!Array.isArray(headers) || headers.length > MAX_HEADERS || headers.length % 2 !== 0) return undefined;
  return headers.every((header) => typeof header === "string") ? { headers } : undefined;
}

/** Undefined for what is none. */
export function readAnswerHead(message: Uint8Array | undefined): SdkAnswerHead | undefined {
  const { status, headers, length } = fieldsOf(message);
  if (!isCount(status) || status < 200 || status > 599 || BODILESS.has(status)) return undefined;
  if (typeof headers !== "object" || headers === null) return undefined;
  for (const [name, value] of Object.entries(headers))
    if (typeof value !== "string" || !NAME.test(name)) return undefined;
  if (length !== undefined && !isCount(length)) return undefined;
  return { status, headers: headers as Readonly<Record<string, string>>, length };
}

/** Statuses whose answers have no body: DynamoDB has none of them. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);
const MAX_HEADERS = 4000;
const NAME = /^[a-z0-9-]+$/;

/** Those of an object; none of what is no object. By hand: a schema takes as long as all else that is done with a request here. */
function fieldsOf(message: Uint8Array | undefined): Readonly<Record<string, unknown>> {
  try {
    const { buffer, byteOffset, byteLength } = message ?? new Uint8Array();
    const value: unknown = JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString());
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
