/** A look at a path: what the system says about it and all below it, without reading a byte of any file. */

import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** What was seen. */
export interface Look {
  /** Equal prints mean that nothing changed. A path that is not there has one, too. */
  readonly print: string;
  /** Where notices of changes come from: identity → path. */
  readonly directories: ReadonlyMap<string, string>;
}

/** Most entries that are looked at below a path. */
export const MAX_ENTRIES = 50_000;

/** Looks at a path. Follows symbolic links; leaves out names that begin with a dot and files that do not count. */
export async function lookAt(path: string, counts: (name: string) => boolean = () => true): Promise<Look> {
  const lines: string[] = [];
  const directories = new Map<string, string>();
  const queue = [path];
  for (let at = 0; at < queue.length && at < MAX_ENTRIES; at++) {
    const here = queue[at] ?? path;
    const found = await stat(here, { bigint: true }).catch(codeOf);
    if (typeof found === "string") {
      lines.push(`${here}\n${found}`);
      continue;
    }
    const identity = `${found.dev}:${found.ino}`;
    if (!found.isDirectory()) {
      lines.push(`${here}\n${identity} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`);
      if (here === path) directories.set(identity, here);
      continue;
    }
    // Not the directory's own times: they change with every file that does not count. A loop of links ends here.
    lines.push(`${here}\n${identity} ${found.mode}`);
    if (directories.has(identity)) continue;
    directories.set(identity, here);
    const names = await readdir(here, { withFileTypes: true }).catch(codeOf);
    if (typeof names === "string") {
      lines.push(names);
      continue;
    }
    const counted = names.filter((entry) => !entry.name.startsWith(".") && (!entry.isFile() || counts(entry.name)));
    for (const name of counted.map((entry) => entry.name).sort()) queue.push(join(here, name));
  }
  return { print: lines.join("\n"), directories };
}

function codeOf(thrown: unknown): string {
  const code: unknown = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  return typeof code === "string" ? code : "EUNKNOWN";
}
