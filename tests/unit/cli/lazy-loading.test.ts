/** What a command loads before it knows what it is to do is most of its time: SDKs wait for `postern credentials` in every process. */

import { deepEqual, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

const src = fileURLToPath(new URL("../../../src/", import.meta.url));

/** Files below src/ and packages that are loaded with a file. */
function loadedWith(entry: string): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    const code = readFileSync(join(src, path), "utf8");
    for (const [, name = ""] of code.matchAll(/^(?:import|export) (?!type )(?:[^;"]* from )?"([^"]+)";$/gm)) {
      if (name.startsWith(".")) visit(relative(src, join(dirname(join(src, path)), name)));
      else found.add(name);
    }
  };
  visit(entry);
  return found;
}

const ADMINISTRATION =
  /^(?:compose|policy|store|aws|dynamodb|audit)\/|^control\/(?!administrator\.ts$)|^cli\/ctl\/(?:local|remote)\.ts$/;

for (const [entry, unwanted] of [
  ["cli/database/credentials.ts", /^yaml$|^local-proxy\/|^cli\/(?:ctl|start)\/|^(?:compose|control|store|gateway)\//],
  [
    "cli/login/index.ts",
    /^yaml$|^local-proxy\/|^(?:compose|control|store|gateway)\/|^cli\/login\/(?:log-in|ways)\.ts$/,
  ],
  ["cli/database/index.ts", /^yaml$|^local-proxy\/|^cli\/(?:ctl|start)\/|^(?:compose|control|store|gateway)\//],
  ["cli/ctl/index.ts", new RegExp(`^yaml$|${ADMINISTRATION.source}`)],
] as const) {
  it(`${entry} loads nothing that some other command needs`, () => {
    const loaded = loadedWith(entry);
    ok(loaded.size > 10 && loaded.has("commander"), "imports are found");
    deepEqual(
      [...loaded].filter((name) => unwanted.test(name)),
      [],
    );
  });
}
