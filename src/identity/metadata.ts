/** The head that all resources share: kind, version, metadata. */

import * as z from "zod";
import { parseInstant } from "./duration.ts";
import { nameFault, quoted } from "./names.ts";
import { refuse } from "./shape.ts";

/** `metadata` of every resource. */
export interface Metadata {
  readonly name: string;
  readonly description?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly expires?: number;
}

/** A name, by the rules of names.ts. */
export function name(): z.ZodType<string> {
  return z.string().superRefine((text, context) => {
    const fault = nameFault(text);
    if (fault !== undefined) refuse(context, `cannot name anything ${quoted(text)}: ${fault}`);
  });
}

/** Labels of a resource itself: one text each. */
export function labels(): z.ZodType<Readonly<Record<string, string>>> {
  return z.record(z.string().min(1, "is empty"), z.string());
}

/** An RFC 3339 instant as milliseconds; Teleport's zero time means never. */
export function instant(): z.ZodType<number | undefined> {
  return z.string().transform((text, context): number | undefined => {
    if (text.startsWith("0001-01-01T00:00:00")) return undefined;
    const time = parseInstant(text);
    if (time !== undefined) return time;
    refuse(context, `expected a time, not ${quoted(text)}`, "write it as 2026-12-31T23:59:59Z");
    return z.NEVER;
  });
}

/** What is said of the parts of `metadata` that kinds see differently. */
export interface MetadataForm {
  readonly name: z.ZodType<string>;
  readonly labels: string;
  readonly expires: string;
}

const USUAL: MetadataForm = {
  name: name().describe("Unique among the resources of its kind."),
  labels: "Labels of the resource itself.",
  expires: "When it stops counting, RFC 3339; for users and locks.",
};

/** `metadata`. `id`, `revision` and `namespace: default` are Teleport's own bookkeeping and say nothing here. */
export function metadata(form: MetadataForm = USUAL): z.ZodType<Metadata> {
  return z
    .strictObject({
      name: form.name,
      description: z.string().optional().describe("For people."),
      labels: labels().optional().describe(form.labels),
      expires: instant().optional().describe(form.expires),
      id: z.unknown().optional().describe("Teleport's bookkeeping; not used."),
      revision: z.unknown().optional().describe("Teleport's bookkeeping; not used."),
      namespace: z.literal("default", "expected default").optional().describe("Only `default`."),
    })
    .transform(({ name, description, labels, expires }) => ({
      name,
      ...(description === undefined ? {} : { description }),
      ...(labels === undefined ? {} : { labels }),
      ...(expires === undefined ? {} : { expires }),
    }));
}
