/** Builds what runs in the bench: Postern as it ships, and the bench's own processes without the development loader. */

import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { run } from "../../scripts/lib/compile-policy.mjs";

export const PROJECT: string = fileURLToPath(new URL("../../", import.meta.url));
const TOOLS = join(PROJECT, "build", "bench", "tools");

/** The bench's own processes. */
export type Tool = "upstream-process" | "bare-proxy" | "glue-process" | "parts-process" | "pacer" | "heap-probe";

/** The built file of a tool. */
export function toolPath(tool: Tool): string {
  return join(TOOLS, `${tool}.mjs`);
}

export async function buildTools(): Promise<void> {
  const tools: readonly Tool[] = [
    "upstream-process",
    "bare-proxy",
    "glue-process",
    "parts-process",
    "pacer",
    "heap-probe",
  ];
  await build({
    entryPoints: Object.fromEntries(
      tools.map((tool) => [tool, fileURLToPath(new URL(`./${tool}.ts`, import.meta.url))]),
    ),
    outdir: TOOLS,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    logLevel: "error",
  });
}

/**
 * Builds the Postern of a checkout as its package has it: the bundled program, the launcher, the compiled policy, and no
 * sources beside them.
 *
 * @returns the package's directory
 */
export async function buildPackage(checkout: string): Promise<string> {
  await succeed(["scripts/build-policy.mjs"], checkout);
  await succeed(["scripts/build.mjs"], checkout);
  const place = join(checkout, "build", "bench", "package");
  rmSync(place, { recursive: true, force: true });
  mkdirSync(dirname(place), { recursive: true });
  for (const part of ["bin", "dist", "policies", "package.json"]) {
    const from = join(checkout, part);
    if (!existsSync(from)) throw new Error(`The checkout has no ${part}: ${checkout}`);
    cpSync(from, join(place, part), { recursive: true });
  }
  return place;
}

async function succeed(args: readonly string[], cwd: string): Promise<void> {
  const { code, stdout, stderr } = await run(process.execPath, args, { cwd });
  if (code !== 0) throw new Error(`node ${args.join(" ")} ended with ${code}:\n${(stderr || stdout).trim()}`);
}
