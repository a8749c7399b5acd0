/** Writes docs/reference/ from the schema and the tables of the sources: `npx tsx scripts/reference.ts`. */

import { mkdirSync, writeFileSync } from "node:fs";
import { configJsonSchema, configurationReference } from "../src/config/reference.ts";
import { referencePages } from "./lib/reference-pages.ts";

const folder = new URL("../docs/reference/", import.meta.url);
mkdirSync(folder, { recursive: true });
const pages = {
  "configuration.md": configurationReference(),
  "config.schema.json": configJsonSchema(),
  ...referencePages(),
};
for (const [name, text] of Object.entries(pages)) writeFileSync(new URL(name, folder), text);
