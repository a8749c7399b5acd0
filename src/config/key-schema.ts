/** The schema of `key_schema`: the keys of a database's tables, for AWS roles that may not describe them. */

import * as z from "zod";
import type { IndexKeysSpec, KeySpec, KeysSpec, TableKeysSpec } from "../aws/key-schemas.ts";
import { refuse } from "../identity/shape.ts";

const NAME = /^[a-zA-Z0-9_.-]{3,255}$/;
const NAME_FORM = "3 to 255 letters, digits, _ - and ., without the rest of an ARN";

/** Table name → its keys and those of its indexes. */
export function keySchemas(): z.ZodType<Readonly<Record<string, TableKeysSpec>>> {
  return z.record(
    z.string().regex(NAME, `expected the name of a table: ${NAME_FORM}`),
    z
      .strictObject({
        partition_key: key("a partition key"),
        sort_key: key("a sort key").optional(),
        indexes: z.record(z.string().regex(NAME, `expected the name of an index: ${NAME_FORM}`), index()).optional(),
      })
      .superRefine(refuseTwice),
  );
}

function index(): z.ZodType<IndexKeysSpec> {
  return z
    .strictObject({
      partition_key: keys("partition key"),
      sort_key: keys("sort key").optional(),
      projection: z
        .union([z.enum(["all", "keys_only"]), z.array(z.string().min(1)).max(100)], {
          error: "expected all, keys_only, or a list of attributes",
        })
        .optional(),
    })
    .superRefine(refuseTwice);
}

function key(what: string): z.ZodType<KeySpec> {
  return z.union([attributeName(), typedKey()], { error: `expected ${what}: an attribute's name, or {name, type}` });
}

function keys(what: string): z.ZodType<KeySpec | KeySpec[]> {
  const one = z.union([attributeName(), typedKey()]);
  return z.union([one, z.array(one).min(1).max(4)], {
    error: `expected a ${what}: an attribute's name, {name, type}, or up to four of them`,
  });
}

function attributeName(): z.ZodType<string> {
  return z.string().min(1, "expected an attribute's name").max(255, "expected a name of up to 255 characters");
}

function typedKey(): z.ZodType<Exclude<KeySpec, string>> {
  return z.strictObject({
    name: attributeName(),
    type: z.enum(["S", "N", "B"], "expected S, N or B").optional(),
  });
}

/** An attribute is at most once among the keys: whoever writes it twice means another. */
function refuseTwice({ partition_key, sort_key }: KeysSpec, context: z.RefinementCtx): void {
  const seen = new Set<string>();
  for (const [member, given] of Object.entries({ partition_key, sort_key })) {
    for (const each of given === undefined ? [] : Array.isArray(given) ? (given as KeySpec[]) : [given as KeySpec]) {
      const name = typeof each === "string" ? each : each.name;
      if (seen.has(name)) {
        refuse(context, `the attribute ${JSON.stringify(name)} is a key already`, "name another attribute", [member]);
      }
      seen.add(name);
    }
  }
}
