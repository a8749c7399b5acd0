/** `postern version`: which version this is, and what it runs on. */

import { readFileSync } from "node:fs";
import { Command } from "commander";

/** The version of this package, from its package.json: found beside `src/` in a checkout and beside `dist/` in a package. */
export function packageVersion(): string {
  for (const path of ["../../package.json", "../package.json"]) {
    try {
      const parsed = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as {
        name?: string;
        version?: string;
      };
      if (parsed.name === "postern" && parsed.version !== undefined) return parsed.version;
    } catch {
      continue;
    }
  }
  return "0.0.0";
}

export function versionCommand(): Command {
  return new Command("version")
    .description("print the version")
    .option("-f, --format <format>", "text or json", "text")
    .action(({ format }: { format: string }) => {
      const runtime = `${process.release.name} ${process.version}`;
      const version = packageVersion();
      process.stdout.write(
        format === "json" ? `${JSON.stringify({ version, runtime })}\n` : `Postern ${version} (${runtime})\n`,
      );
    })
    .addHelpText("after", "\nExamples:\n  postern version\n  postern version -f json\n");
}
