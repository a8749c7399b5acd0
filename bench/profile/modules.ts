/** Which source a line of the built program comes from: esbuild writes each module's path above its code. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A source of Postern's own, or of a package that is built in. */
const HEADING = /^\/\/ (?:(src\/\S+\.ts)|\S*(node_modules\/\S+))$/;

/** Where the modules of one built file begin, in its order. */
export type ModuleStarts = readonly { readonly line: number; readonly source: string }[];

/** Built files by their paths below dist. */
export type Modules = ReadonlyMap<string, ModuleStarts>;

export function moduleStarts(text: string): ModuleStarts {
  return text.split("\n").flatMap((content, line) => {
    const [, own, built] = HEADING.exec(content) ?? [];
    const source = own ?? built;
    return source === undefined ? [] : [{ line, source }];
  });
}

/** The source of a line, counted from zero; undefined above the first module, where esbuild has code of its own. */
export function sourceAt(starts: ModuleStarts, line: number): string | undefined {
  return starts.findLast((start) => start.line <= line)?.source;
}

/** Reads the built files of a package. */
export function readModules(place: string): Modules {
  const dist = join(place, "dist");
  const names = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".mjs"));
  return new Map(
    names.map((name) => [name.replaceAll("\\", "/"), moduleStarts(readFileSync(join(dist, name), "utf8"))]),
  );
}
