// What ships: the program in one file, the compiled default policy beside it, so that a user who writes no Rego never needs OPA.

import { copyFile, mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

await rm(at("dist"), { recursive: true, force: true });
await build({
  entryPoints: { postern: at("src/main.ts"), mod: at("src/mod.ts") },
  outdir: at("dist"),
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  platform: "node",
  format: "esm",
  target: "node20",
  packages: "external",
  logLevel: "warning",
});
await mkdir(at("dist/policy"), { recursive: true });
await copyFile(at("build/policy/bundle.tar.gz"), at("dist/policy/bundle.tar.gz"));
process.stdout.write("Built dist/\n");
