/** The yardstick: `node:http` in front, an undici pool behind, nothing between. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

const pool = new Pool(process.argv[2] ?? "", { connections: 256 });
const server = createServer((incoming, outgoing) => {
  const chunks: Buffer[] = [];
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
  incoming.on("end", () => {
    const { "x-amz-target": target = "", "content-type": type = "" } = incoming.headers;
    pool
      .request({
        method: "POST",
        path: "/",
        headers: { "x-amz-target": String(target), "content-type": type },
        body: Buffer.concat(chunks),
      })
      .then(async ({ statusCode, headers, body }) => {
        const answer = Buffer.from(await body.arrayBuffer());
        outgoing.writeHead(statusCode, headers as Record<string, string>);
        outgoing.end(answer);
      })
      .catch(() => outgoing.destroy());
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("disconnect", () => process.exit());
