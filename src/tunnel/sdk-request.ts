/** A request of an AWS SDK on its way through a tunnel: as it was received, for the agent to verify to the letter. */

import { Buffer } from "node:buffer";
import * as z from "zod";

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
  return REQUEST.safeParse(valueOf(message)).data;
}

/** Undefined for what is none. */
export function readAnswerHead(message: Uint8Array | undefined): SdkAnswerHead | undefined {
  return ANSWER.safeParse(valueOf(message)).data;
}

function valueOf(message: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(message ?? []).toString()) as unknown;
  } catch {
    return undefined;
  }
}

const REQUEST: z.ZodType<SdkRequestHead> = z.object({
  headers: z
    .array(z.string())
    .max(4000)
    .refine((headers) => headers.length % 2 === 0),
});

const ANSWER: z.ZodType<SdkAnswerHead> = z.object({
  status: z.number().int().min(200).max(599),
  headers: z.record(z.string().regex(/^[a-z0-9-]+$/), z.string()),
  length: z.number().int().min(0).optional(),
});
