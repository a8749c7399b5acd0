import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createHasher, createRedaction } from "../../../src/audit/redaction.ts";
import { temporaryDirectory } from "./support.ts";

describe("createHasher()", () => {
  it("is HMAC-SHA-256 under the key in the data directory, for text of any length and script", (t) => {
    const directory = temporaryDirectory(t);
    const redact = createHasher(directory);
    const key = Buffer.from(readFileSync(join(directory, "audit.key"), "utf8").trim(), "hex");
    for (const text of ["", "ada#1", "漢".repeat(512), "x".repeat(513), "\ud800", "🚪"]) {
      assert.equal(redact(text), `h:${createHmac("sha256", key).update(text).digest("hex").slice(0, 16)}`);
    }
  });

  it("gives one value one hash in one installation, and another elsewhere", (t) => {
    const [here, elsewhere] = [temporaryDirectory(t), temporaryDirectory(t)];
    const redact = createHasher(here);
    assert.equal(redact("ada"), createHasher(here)("ada"));
    assert.notEqual(redact("ada"), redact("bob"));
    assert.notEqual(redact("ada"), createHasher(elsewhere)("ada"));
  });

  it("keeps its key to this user and leaves no draft of it", (t) => {
    const directory = join(temporaryDirectory(t), "data");
    createHasher(directory);
    assert.deepEqual(readdirSync(directory), ["audit.key"]);
    assert.equal(statSync(join(directory, "audit.key")).mode & 0o777, 0o600);
  });

  it("refuses a damaged key rather than hashing under a weak one", (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, "audit.key"), "short");
    assert.throws(() => createHasher(directory), { code: "audit_key_invalid" });
  });

  it("says where the key cannot be made", (t) => {
    const directory = join(temporaryDirectory(t), "file");
    writeFileSync(directory, "");
    assert.throws(() => createHasher(directory), { code: "audit_key_unavailable" });
  });
});

describe("createRedaction()", () => {
  it("shows values as they are only when told to", (t) => {
    const directory = temporaryDirectory(t);
    assert.equal(createRedaction(directory, "none")("ada"), "ada");
    assert.match(createRedaction(directory, "hash")("ada"), /^h:[0-9a-f]{16}$/);
  });
});
