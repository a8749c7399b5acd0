/** Writes docs/reference/ from the schema: `npx tsx scripts/reference.ts`. */

import { mkdirSync, writeFileSync } from "node:fs";
import { configJsonSchema, configurationReference } from "../src/config/reference.ts";

const folder = new URL("../docs/reference/", import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL("configuration.md", folder), configurationReference());
writeFileSync(new URL("config.schema.json", folder), configJsonSchema());
