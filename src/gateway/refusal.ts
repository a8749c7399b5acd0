/** Why a request ends at the gateway: the one thing that the pipeline throws to answer without DynamoDB. */

import { PosternError } from "../base/errors.ts";
import type { Reason, ReasonCode } from "../policy/decision.ts";

/** AWS error types that a refusal may be answered with. */
export type RefusalType =
  | "AccessDeniedException"
  | "ExpiredTokenException"
  | "IncompleteSignatureException"
  | "InternalServerError"
  | "InvalidSignatureException"
  | "MissingAuthenticationTokenException"
  | "RequestEntityTooLarge"
  | "SerializationException"
  | "ServiceUnavailable"
  | "UnknownOperationException"
  | "UnrecognizedClientException"
  | "ValidationException";

/** A request that is not forwarded, or whose answer cannot be given. Its message goes to the client. */
export class Refusal extends PosternError {
  readonly type: RefusalType;
  readonly reasons: readonly Reason[];
  /** True when the request's body was not read to its end. */
  readonly unread: boolean;

  constructor(
    code: ReasonCode | FailureCode,
    message: string,
    type: RefusalType,
    options: { cause?: unknown; reasons?: readonly Reason[]; unread?: boolean } = {},
  ) {
    super(code, message, { cause: options.cause });
    this.type = type;
    this.reasons = options.reasons ?? [];
    this.unread = options.unread ?? false;
  }
}

/** What can fail on our side or beyond, once policy has allowed the request. */
export type FailureCode =
  | "body_too_large"
  | "client_gone"
  | "credentials_unavailable"
  | "internal_error"
  | "overloaded"
  | "upstream_broken"
  | "upstream_unreachable";
