import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";

import { parseBundle } from "../../../src/policy/bundle.ts";

describe("parseBundle(), of what is large", () => {
  it("refuses an archive that unpacks to more than its bound", async () => {
    // gzip's format lets members follow one another.
    const bomb = Buffer.concat(Array<Buffer>(257).fill(gzipSync(Buffer.alloc(1024 * 1024))));
    await assert.rejects(parseBundle(bomb, "b"), (error: unknown) => {
      assert.equal((error as { code?: string }).code, "bundle_invalid");
      assert.match((error as Error).message, /larger than/);
      return true;
    });
  });
});
