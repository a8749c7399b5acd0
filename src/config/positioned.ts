/** Gives an error about a role, made where no files are known, the place where that role stands. */

import { PosternError } from "../base/errors.ts";
import type { Resources } from "./resources.ts";

/** The same error with the role's file, line and column, when its message names a role that a file defines. */
export function positioned(error: unknown, resources: Resources): unknown {
  if (!(error instanceof PosternError) || error.position !== undefined) return error;
  const name = /^Cannot load role "([^"]+)"/.exec(error.message)?.[1];
  const position = name === undefined ? undefined : resources.positionOf("role", name);
  if (position === undefined) return error;
  const { code, message, hint, cause } = error;
  return new PosternError(code, message, { cause, position, ...(hint === undefined ? {} : { hint }) });
}
