import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { referencePages } from "../../scripts/lib/reference-pages.ts";

const root = new URL("../../", import.meta.url);

describe("docs/reference", () => {
  for (const [name, text] of Object.entries(referencePages())) {
    it(`${name} is what the tables say (npx tsx scripts/reference.ts)`, () => {
      assert.equal(readFileSync(new URL(`docs/reference/${name}`, root), "utf8"), text);
    });
  }
});

describe("the front pages", () => {
  for (const page of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/policy/custom.md"]) {
    it(`${page} links to nothing that is not there`, () => {
      const links = [...readFileSync(new URL(page, root), "utf8").matchAll(/\]\((?!https?:)([^)#]+)/g)].map(
        (match) => match[1] ?? "",
      );
      assert.deepEqual(
        links.filter((link) => !existsSync(new URL(link, new URL(page, root)))),
        [],
      );
    });
  }
});
