/** Documents as people hand them in: YAML or JSON, one or many, each with the places of what is in it. */

import { placeholdersIn } from "../config/placeholders.ts";
import { ConfigError, type PositionedProblem } from "../config/problem.ts";
import { parseYaml } from "../config/yaml.ts";
import type { GivenText } from "../control/administrator.ts";
import type { GivenDocument } from "../control/documents.ts";

/** The documents of a text. @throws ConfigError `resources_invalid` */
export function documentsOf({ text, file }: GivenText): GivenDocument[] {
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
    // More than any call takes: the rest would be read for nothing.
    if (documents.length > MOST_DOCUMENTS) break;
  }
  if (problems.length > 0) throw new ConfigError("resources_invalid", `Cannot read "${file}"`, problems);
  return documents;
}

const MOST_DOCUMENTS = 100;
