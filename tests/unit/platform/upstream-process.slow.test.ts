import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { describe, it } from "node:test";
import { answerText, rawUpstream } from "../../support/raw-upstream.ts";

describe("an idle connection to the upstream", () => {
  it("does not keep the process alive", async () => {
    const server = await rawUpstream((socket) => socket.write(answerText("{}")));
    const module = new URL("../../../src/platform/node-upstream.ts", import.meta.url).href;
    const script = `
      const { NodeUpstream } = await import(${JSON.stringify(module)});
      const upstream = new NodeUpstream({ keepAliveTimeout: 3_600_000 });
      for (let at = 0; at < 3; at++) {
        await upstream.send({
          origin: ${JSON.stringify(server.url)},
          headers: { host: "h" },
          body: Buffer.from("{}"),
          departure: { gone: false, onGone: () => undefined },
        });
        // Longer than it takes to let the process go, which must wait for the next request all the same.
        await new Promise((resolve) => setTimeout(resolve, 1200));
      }
      console.log("answered");
    `;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 30_000,
    });
    let said = "";
    child.stdout.on("data", (chunk) => (said += chunk));
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    assert.deepEqual([said, code, signal], ["answered\n", 0, null]);
    assert.equal(server.opened(), 1);
    await server.close();
  });
});
