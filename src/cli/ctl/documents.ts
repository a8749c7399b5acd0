/** Files of resources as the command line hands them in: YAML or JSON, one or many documents, from a file or from stdin. */

import { readFileSync, statSync } from "node:fs";
import { messageOf } from "../../base/errors.ts";
import { placeholdersIn } from "../../config/placeholders.ts";
import { ConfigError, type PositionedProblem } from "../../config/problem.ts";
import { MAX_FILE_BYTES, parseYaml } from "../../config/yaml.ts";
import type { GivenDocument } from "../../control/documents.ts";
import { CommandError } from "../command-error.ts";

/** The documents of a file; `-` is stdin. @throws CommandError when it cannot be read, ConfigError when it is no YAML */
export function documentsIn(file: string): GivenDocument[] {
  return documentsOf(textOf(file), file === "-" ? "stdin" : file);
}

/** The documents of a text. @throws ConfigError `resources_invalid` */
export function documentsOf(text: string, file: string): GivenDocument[] {
  const problems: PositionedProblem[] = [];
  const documents: GivenDocument[] = [];
  for (const document of parseYaml(text, file)) {
    problems.push(...document.problems);
    if (document.problems.length > 0) break;
    const { value } = document;
    // Comments only, or nothing between two lines of ---.
    if (value === null) continue;
    const positionOf: GivenDocument["positionOf"] = (path, at) => document.positionOf(path, at);
    documents.push({ value, positionOf, problems: placeholdersIn(value) });
  }
  if (problems.length > 0) throw new ConfigError("resources_invalid", `Cannot read "${file}"`, problems);
  return documents;
}

function textOf(file: string): string {
  try {
    if (file !== "-" && statSync(file).size > MAX_FILE_BYTES) throw new Error(TOO_LARGE);
    const bytes = readFileSync(file === "-" ? 0 : file);
    if (bytes.length > MAX_FILE_BYTES) throw new Error(TOO_LARGE);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const reason = cause instanceof TypeError ? "it is not UTF-8 text" : messageOf(cause);
    throw new CommandError(1, `Cannot read "${file === "-" ? "stdin" : file}": ${reason}`, { cause });
  }
}

const TOO_LARGE = `it has more than ${MAX_FILE_BYTES} bytes`;
