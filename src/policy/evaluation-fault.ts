/** What an evaluation throws when it gives no answer. */

import { PosternError } from "../base/errors.ts";
import type { ReasonCode } from "./decision.ts";

/** An evaluation that gave no answer. The instance it happened in must not be used again. */
export class EvaluationFault extends PosternError {
  declare readonly code: FaultCode;

  constructor(code: FaultCode, message: string, cause?: unknown) {
    super(code, message, cause === undefined ? {} : { cause });
  }
}

export type FaultCode = Extract<
  ReasonCode,
  `policy_${"failed" | "timeout" | "out_of_memory" | "undefined" | "unavailable"}`
>;
