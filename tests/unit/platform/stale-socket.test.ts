import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import process from "node:process";
import { after, describe, it } from "node:test";
import { removeStaleSocket } from "../../../src/platform/node-server.ts";

describe("removeStaleSocket()", () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-socket-"));
  after(() => rmSync(directory, { recursive: true }));

  it("removes the socket of a process that is no more", async () => {
    const path = join(directory, "stale");
    // Killed without a chance to clean up.
    const script = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
    try {
      execFileSync(process.execPath, ["-e", script, path], { stdio: "ignore" });
    } catch {
      // By the signal.
    }
    assert.ok(existsSync(path));
    await removeStaleSocket(path);
    assert.ok(!existsSync(path));
  });

  it("leaves a socket that somebody serves, and anything that is no socket", async () => {
    const [served, file, directoryInstead, nothing] = ["served", "file", "folder", "nothing"].map((name) =>
      join(directory, name),
    );
    const server = createServer().listen(served);
    await once(server, "listening");
    writeFileSync(String(file), "precious");
    for (const path of [served, file, directoryInstead, nothing]) await removeStaleSocket(String(path));
    assert.ok(existsSync(String(served)) && existsSync(String(file)));
    server.close();
  });
});
