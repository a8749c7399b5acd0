import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, describe, it } from "node:test";
import { serveDiagnostics } from "../../../src/platform/node-diagnostics.ts";

describe("the diagnostics port", () => {
  let port: number;
  let close: () => Promise<void>;
  let why: string | null = null;
  before(async () => {
    const serving = await serveDiagnostics("127.0.0.1", 0, {
      readiness: () => ({ policy: why, audit: null }),
      metrics: () => Promise.resolve("m 1\n"),
    });
    port = Number(serving.address.split(":").at(-1));
    close = () => serving.close();
  });
  after(() => close());

  const get = (
    path: string,
    headers: Record<string, string> = {},
    method = "GET",
  ): Promise<{ status: number; body: string }> =>
    new Promise((resolve, reject) => {
      request({ host: "127.0.0.1", port, path, headers, method, agent: false }, (response) => {
        let body = "";
        response
          .setEncoding("utf8")
          .on("data", (chunk: string) => (body += chunk))
          .on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      })
        .on("error", reject)
        .end();
    });

  it("says that the process lives, and whether it is ready and why not", async () => {
    assert.equal((await get("/healthz")).status, 200);
    assert.deepEqual(JSON.parse((await get("/readyz")).body), {
      status: "ready",
      parts: { policy: null, audit: null },
    });
    why = "no policy is loaded";
    const unready = await get("/readyz");
    assert.equal(unready.status, 503);
    assert.match(unready.body, /no policy is loaded/);
    why = null;
  });

  it("gives metrics, and 404 and 405 for the rest", async () => {
    assert.equal((await get("/metrics?x=1")).body, "m 1\n");
    assert.equal((await get("/other")).status, 404);
    assert.equal((await get("/metrics", {}, "POST")).status, 405);
  });

  it("does not answer a page that came under a name of its own", async () => {
    assert.equal((await get("/metrics", { host: "evil.example" })).status, 403);
    assert.equal((await get("/metrics", { host: "localhost:3000" })).status, 200);
  });
});
