import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { resolveDatabase } from "../../src/aws/database.ts";
import { parseConfig } from "../../src/config/load.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { parseJoinToken } from "../../src/identity/join-tokens.ts";
import { parseLock } from "../../src/identity/lock.ts";
import { parseUser } from "../../src/identity/user.ts";

const READERS: Readonly<Record<string, (document: unknown) => { readonly warnings: readonly unknown[] }>> = {
  token: parseJoinToken,
  lock: parseLock,
  user: parseUser,
};

for (const page of ["join-an-agent", "give-a-pipeline-access"]) {
  describe(`docs/how-to/${page}.md`, () => {
    const text = readFileSync(new URL(`../../docs/how-to/${page}.md`, import.meta.url), "utf8");
    for (const [at, [, yaml = ""]] of [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].entries()) {
      it(`shows files and documents that are taken as they stand: ${at + 1}`, () => {
        if (yaml.startsWith("version:")) {
          const config = parseConfig(yaml, "agent.yaml", { env: {}, validateDatabase: resolveDatabase });
          assert.deepEqual(config.warnings, []);
          return;
        }
        for (const { value } of parseYaml(yaml, "page.yaml")) {
          const { kind } = value as { kind: string };
          assert.deepEqual((READERS[kind] ?? assert.fail(kind))(value).warnings, []);
        }
      });
    }

    it("is linked from where a cluster is made", () => {
      const other = readFileSync(new URL("../../docs/how-to/administer-a-cluster.md", import.meta.url), "utf8");
      assert.ok(other.includes(`(${page}.md)`));
    });
  });
}
