/** A command that ends with an exit code of its own. */

import { PosternError, type PosternErrorOptions } from "../base/errors.ts";

/** 1 failed, 2 misused, 3 denied by policy. */
export class CommandError extends PosternError {
  readonly exitCode: 1 | 2 | 3;

  constructor(exitCode: 1 | 2 | 3, message: string, options: PosternErrorOptions = {}) {
    super(exitCode === 2 ? "misused" : exitCode === 3 ? "denied" : "failed", message, options);
    this.exitCode = exitCode;
  }
}
