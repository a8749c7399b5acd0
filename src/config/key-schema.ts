/** The schema of `key_schema`: the keys of a database's tables, for AWS roles that may not describe them. */

import { z } from "zod";
import type { IndexKeysSpec, KeySpec, TableKeysSpec } from "../aws/key-schemas.ts";

/** Table name → its keys and those of its indexes. */
export function keySchemas(): z.ZodType<Readonly<Record<string, TableKeysSpec>>> {
  return z.record(
    z.string().regex(/^[a-zA-Z0-9_.-]{3,255}$/, "expected the name of a table"),
    z.strictObject({
      partition_key: keys("partition key"),
      sort_key: keys("sort key").optional(),
      indexes: z
        .record(z.string().regex(/^[a-zA-Z0-9_.-]{3,255}$/, "expected the name of an index"), index())
        .optional(),
    }),
  );
}

function index(): z.ZodType<IndexKeysSpec> {
  return z.strictObject({
    partition_key: keys("partition key"),
    sort_key: keys("sort key").optional(),
    projection: z
      .union([z.enum(["all", "keys_only"]), z.array(z.string().min(1))], {
        error: "expected all, keys_only, or a list of attributes",
      })
      .optional(),
  });
}

function keys(what: string): z.ZodType<KeySpec | KeySpec[]> {
  const key = z.union([
    z.string().min(1),
    z.strictObject({ name: z.string().min(1), type: z.enum(["S", "N", "B"], "expected S, N or B").optional() }),
  ]);
  return z.union([key, z.array(key).min(1).max(4)], {
    error: `expected a ${what}: an attribute's name, {name, type}, or up to four of them`,
  });
}
