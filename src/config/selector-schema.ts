/** The schema of `db_service.resources`: which of the cluster's databases an agent serves. */

import * as z from "zod";
import type { LabelSelector } from "../identity/label-selector.ts";
import { quoted } from "../identity/names.ts";
import { refuse, unavailable } from "../identity/shape.ts";

/** An entry of `db_service.resources`. */
export interface DatabaseSelector {
  readonly labels: LabelSelector;
}

/** The list. */
export function databaseSelectors(): z.ZodType<readonly DatabaseSelector[]> {
  return z.array(
    z
      .strictObject({
        labels: selector().describe(
          "Labels that a document must have, each with one text or a list of texts of which one is enough, `*` in them for any text; `'*': '*'` means every document.",
        ),
        aws: unavailable(
          "which role is assumed first is not chosen here",
          "write aws.assume_role_arn in the db document",
        ),
      })
      .transform(({ labels }) => ({ labels })),
  );
}

function selector(): z.ZodType<LabelSelector> {
  const texts = z
    .union([z.string(), z.array(z.string()).min(1, "expected at least one text")], {
      error: "expected a text or a list of texts",
    })
    .transform((value) => (typeof value === "string" ? [value] : value));
  return z.record(z.string().min(1, "is empty"), texts).superRefine((labels, context) => {
    const entries = Object.entries(labels);
    if (entries.length === 0)
      refuse(context, "there is no label, and that means no database", "name a label, or write '*': '*' for all");
    for (const [key, globs] of entries) {
      if (key === "*" ? globs.length !== 1 || globs[0] !== "*" : key.includes("*"))
        refuse(context, `the key ${quoted(key)} cannot hold * here`, "write '*': '*' for every database", [key]);
      const regex = globs.find((glob) => glob.startsWith("^") && glob.endsWith("$"));
      if (regex !== undefined)
        refuse(context, `regular expressions such as ${quoted(regex)} are not read here`, "list the texts", [key]);
    }
  });
}
