/** The errors of this room: a closed list of codes, and whether asking again can help. */

import { PosternError, type PosternErrorOptions } from "../base/errors.ts";

/** Every code that an `AwsError` can carry. */
export type AwsErrorCode =
  // What a person wrote cannot be used.
  | "arn_invalid"
  | "role_arn_invalid"
  | "role_account_mismatch"
  | "role_partition_mismatch"
  | "region_invalid"
  | "endpoint_invalid"
  | "database_invalid"
  | "session_name_invalid"
  // A request that cannot be signed.
  | "header_invalid"
  // Credentials cannot be had.
  | "credentials_missing"
  | "credentials_rejected"
  | "session_expired"
  | "sts_access_denied"
  | "sts_rejected"
  | "sts_response_invalid"
  | "sts_throttled"
  | "sts_unreachable"
  | "sts_busy";

/** What an `AwsError` carries besides its code and message. */
export interface AwsErrorOptions extends PosternErrorOptions {
  /** True when the same request can succeed later without anybody changing anything; false when absent. */
  readonly retryable?: boolean;
}

/**
 * A failure of this room. `message` is for our own log: it names roles and AWS error codes, never a key or a token, and
 * never reaches a client (a client gets a sentence of the gateway's own, so that STS texts do not leak).
 */
export class AwsError extends PosternError {
  declare readonly code: AwsErrorCode;
  readonly retryable: boolean;

  constructor(code: AwsErrorCode, message: string, options: AwsErrorOptions = {}) {
    super(code, message, options);
    this.retryable = options.retryable ?? false;
  }
}
