/** A stand-in for DynamoDB that costs as little as a Node server can: one answer for every request, and a count of them. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { crc32 } from "node:zlib";

const BODY = Buffer.from(
  JSON.stringify({
    Item: {
      id: { S: "user#00000042" },
      name: { S: "Ada Lovelace" },
      total: { N: "1815.12" },
      note: { S: "x".repeat(110) },
    },
  }),
);
const HEADERS = {
  "content-type": "application/x-amz-json-1.0",
  "content-length": String(BODY.length),
  "x-amzn-requestid": "BENCHBENCHBENCHBENCHBENCHBENCHBENCHBENCHBENCHBENCH00",
  ...(typeof crc32 === "function" ? { "x-amz-crc32": String(crc32(BODY)) } : {}),
};

let served = 0;
const server = createServer((request, response) => {
  request.resume();
  request.once("end", () => {
    served++;
    response.writeHead(200, HEADERS);
    response.end(BODY);
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("message", () => process.send?.({ served, cpu: process.cpuUsage(), rss: process.memoryUsage().rss }));
