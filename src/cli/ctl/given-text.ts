/** Files of resources as the command line hands them in, from a path or from standard input: read whole, and parsed elsewhere. */

import { readFileSync, statSync } from "node:fs";
import { messageOf } from "../../base/errors.ts";
import { type GivenText, MAX_TEXT_BYTES } from "../../control/administrator.ts";
import { CommandError } from "../command-error.ts";

/** The text of a file; `-` is stdin. @throws CommandError when it cannot be read */
export function textIn(file: string): GivenText {
  const name = file === "-" ? "stdin" : file;
  try {
    if (file !== "-" && statSync(file).size > MAX_TEXT_BYTES) throw new Error(TOO_LARGE);
    const bytes = readFileSync(file === "-" ? 0 : file);
    if (bytes.length > MAX_TEXT_BYTES) throw new Error(TOO_LARGE);
    return { file: name, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (cause) {
    const reason = cause instanceof TypeError ? "it is not UTF-8 text" : messageOf(cause);
    throw new CommandError(1, `Cannot read "${name}": ${reason}`, { cause });
  }
}

const TOO_LARGE = `it has more than ${MAX_TEXT_BYTES} bytes`;
