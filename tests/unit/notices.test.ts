import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { noticesOf } from "../../scripts/lib/notices.mjs";

describe("noticesOf()", () => {
  const root = mkdtempSync(join(tmpdir(), "postern-notices-"));
  after(() => rmSync(root, { recursive: true, force: true }));

  const packageAt = (folder: string, manifest: object, files: Readonly<Record<string, string>>): void => {
    mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, folder, "package.json"), JSON.stringify(manifest));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, folder, name), text);
  };
  const builtFrom = (...paths: string[]): { inputs: Record<string, unknown> } => ({
    inputs: Object.fromEntries(paths.map((path) => [path, {}])),
  });

  it("gives the licence and notice of each package that is built in, also of one inside another, and of no other", async () => {
    packageAt("node_modules/b", { name: "b", version: "2.0.0", license: "MIT" }, { LICENSE: "Text of b" });
    packageAt(
      "node_modules/@s/a",
      { name: "@s/a", version: "1.0.0", license: "Apache-2.0" },
      { "LICENSE.md": "Text of a" },
    );
    writeFileSync(join(root, "node_modules/@s/a/NOTICE"), "Notice of a");
    packageAt(
      "node_modules/@s/a/node_modules/b",
      { name: "b", version: "1.0.0", license: "ISC" },
      { licence: "Old b" },
    );
    packageAt("node_modules/c", { name: "c", version: "1.0.0", license: "MIT" }, { LICENSE: "Text of c" });
    const text = await noticesOf(
      builtFrom(
        "src/main.ts",
        "node_modules/b/index.js",
        "node_modules/b/lib/more.js",
        "node_modules/@s/a/dist/a.js",
        "node_modules/@s/a/node_modules/b/index.js",
      ),
      root,
    );
    assert.deepEqual(text.split(/\n-{80}\n\n/), [
      "@s/a 1.0.0 (Apache-2.0)\n\nText of a\n\nNotice of a\n",
      "b 1.0.0 (ISC)\n\nOld b\n",
      "b 2.0.0 (MIT)\n\nText of b\n",
    ]);
  });

  it("refuses a package that has no licence text", async () => {
    packageAt("node_modules/d", { name: "d", version: "3.0.0", license: "MIT" }, { "README.md": "MIT" });
    await assert.rejects(noticesOf(builtFrom("node_modules/d/index.js"), root), /^Error: d 3\.0\.0 is built in/);
  });
});
