/** Why a request is refused before policy: it cannot be understood without doubt. */

import { PosternError } from "../base/errors.ts";

/** The two types under which DynamoDB itself refuses a malformed request. */
export type RequestErrorType = "SerializationException" | "ValidationException";

/** The request is malformed or ambiguous. The message is meant for the client. */
export class RequestError extends PosternError {
  readonly type: RequestErrorType;
  /** The offending parameter, for example `TransactItems[0].Put.TableName`; empty for the request as a whole. */
  readonly parameter: string;

  constructor(type: RequestErrorType, message: string, parameter: string, options?: { readonly cause?: unknown }) {
    super("request_rejected", message, options);
    this.type = type;
    this.parameter = parameter;
  }
}

/** Client text for a message: one line, visible, short. */
export function printable(text: string, longest: number = 100): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, "?");
}
