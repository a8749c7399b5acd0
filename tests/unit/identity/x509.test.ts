import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { loadX509 } from "../../../src/identity/x509.ts";

const SOURCE = fileURLToPath(new URL("../../../src/identity/x509.ts", import.meta.url));

describe("the library of certificates", () => {
  it("is there, and leaves nothing behind where other code could find it", async () => {
    const [one, two] = await Promise.all([loadX509(), loadX509()]);
    assert.equal(typeof one.x509.X509Certificate, "function");
    assert.equal(two.x509.X509Certificate, one.x509.X509Certificate);
    assert.equal("getMetadata" in Reflect || "getOwnMetadata" in Reflect, false);
  });

  it("is there as well when it is built in, as scripts/build.mjs does", async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-x509-"));
    try {
      const require = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
      await build({
        entryPoints: [SOURCE],
        outdir: directory,
        bundle: true,
        splitting: true,
        platform: "node",
        format: "esm",
        outExtension: { ".js": ".mjs" },
        banner: { js: require },
      });
      const built = (await import(pathToFileURL(join(directory, "x509.mjs")).href)) as { loadX509: typeof loadX509 };
      const { x509 } = await built.loadX509();
      assert.equal(typeof x509.X509CertificateGenerator.create, "function");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
