import { deepEqual } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { it } from "node:test";
import { scriptCommand } from "../audit/support.ts";

it("a file that the system takes only a part of takes nobody's place", { skip: process.platform === "win32" }, () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-short-"));
  const keys = Array.from({ length: 15 }, () => `${randomBytes(32).toString("hex")}\n`).join("");
  writeFileSync(join(directory, "private"), "what there was", { mode: 0o600 });
  writeFileSync(join(directory, "full.key"), keys, { mode: 0o600 });
  const [command, args] = scriptCommand("../base/short-writer.ts", directory);
  try {
    // A limit on file size stops a write half-way, as a full disk does, and needs no rights; it counts blocks of 512 or 1024 bytes.
    const limited = ["-c", 'trap "" XFSZ && ulimit -f 1 && exec "$0" "$@"', command, ...args];
    const env = { ...process.env, TSX_DISABLE_CACHE: "1" };
    deepEqual(JSON.parse(execFileSync("sh", limited, { env, encoding: "utf8" })), {
      private: "profile_unwritable",
      added: "full_key_unavailable",
      written: "fresh_key_unavailable",
    });
    deepEqual(readdirSync(directory).sort(), ["full.key", "private"]);
    deepEqual(readFileSync(join(directory, "private"), "utf8"), "what there was");
    deepEqual(readFileSync(join(directory, "full.key"), "utf8"), keys);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
