// What ships: the program and the packages that every start needs in one file, the compiled default policies beside it, so that
// a user who writes no Rego never needs OPA. Usage: node scripts/build.mjs [DIR], for another place than dist/

import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { noticesOf } from "./lib/notices.mjs";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const dist = process.argv[2] === undefined ? at("dist") : resolve(process.argv[2]);

await rm(dist, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: { postern: at("src/main.ts"), mod: at("src/mod.ts") },
  outdir: dist,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  platform: "node",
  format: "esm",
  target: "node20",
  // Node takes a third of a start to find, read and link hundreds of small files (ADR 25). The SDK's clients come later.
  // libsql finds its native part beside itself.
  external: ["@aws-sdk/*", "libsql"],
  plugins: [{ name: "yaml", setup: withoutEnvironment }],
  // Packages that are CommonJS ask for what is Node's by this name.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
  absWorkingDir: at("."),
  metafile: true,
  logLevel: "warning",
});
await writeFile(join(dist, "THIRD-PARTY.txt"), await noticesOf(metafile, at(".")));
await mkdir(join(dist, "policy"), { recursive: true });
for (const name of ["bundle.tar.gz", "control.tar.gz"])
  await copyFile(at(`build/policy/${name}`), join(dist, "policy", name));
process.stdout.write(`Built ${dist}\n`);

/** Our YAML's parser in its other form: on Node it looks into the environment at each word of a file, a fifth of its time. */
function withoutEnvironment({ onResolve }) {
  onResolve({ filter: /^yaml$/ }, ({ importer }) =>
    importer.startsWith(at("src/")) ? { path: at("node_modules/yaml/browser/index.js") } : undefined,
  );
}
