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

describe("docs/reference/operations.md", () => {
  it("tells for each kind of write where a denial of it reaches", () => {
    const page = referencePages()["operations.md"] ?? "";
    const rowOf = (action: string): string =>
      page.split("\n").find((line) => line.startsWith(`| \`dynamodb:${action}\` | `)) ?? "";
    const forms = (action: string): string[] => rowOf(action).split(" | ")[1]?.replace(/ \|$/, "").split(", ") ?? [];
    const put = ["PutItem", "TransactWriteItems.Put", "BatchWriteItem.PutRequest", "INSERT", "ImportTable"];
    for (const action of ["PutItem", "PartiQLInsert"]) {
      for (const form of put) assert.ok(forms(action).includes(form), `${action}: ${form}`);
    }
    assert.ok(forms("DeleteItem").includes("BatchWriteItem.DeleteRequest"));
    assert.ok(!forms("DeleteItem").includes("BatchWriteItem.PutRequest"));
    assert.ok(!forms("PutItem").includes("UpdateItem"));
    for (const form of ["SELECT by key", "UpdateItem that returns anything", "ExportTableToPointInTime"])
      assert.ok(forms("GetItem").includes(form), form);
    assert.ok(!forms("GetItem").includes("UpdateItem"));
  });
});

describe("the front pages", () => {
  for (const page of [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/audit.md",
    "docs/how-to/administer-a-cluster.md",
    "docs/how-to/aws-roles.md",
    "docs/how-to/install.md",
    "docs/how-to/run-in-containers.md",
    "docs/how-to/run-under-systemd.md",
    "docs/how-to/upgrade-and-rollback.md",
    "docs/how-to/tenant-items.md",
    "docs/policy/custom.md",
    "docs/policy/roles.md",
  ]) {
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
