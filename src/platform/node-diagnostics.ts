/** The diagnostics port on Node. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostName, isLoopbackName } from "../gateway/listener.ts";
import { diagnose, type DiagnosticsSources } from "../telemetry/diagnostics.ts";

/** Serves health, readiness and metrics on `host:port` until closed. */
export async function serveDiagnostics(
  host: string,
  port: number,
  sources: DiagnosticsSources,
): Promise<{ address: string; close(): Promise<void> }> {
  const onLoopback = isLoopbackName(host.includes(":") ? `[${host}]` : host);
  const server = createServer((request, response) => {
    // A page in a browser may reach loopback under a name of its own, and must not read what runs here.
    if (onLoopback && !isLoopbackName(hostName(request.headers.host ?? "") ?? "")) {
      response
        .writeHead(403, { "content-type": "application/json" })
        .end('{"error":"this port does not answer to that host name"}\n');
      return;
    }
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    diagnose(sources, request.method ?? "", path).then(
      ({ status, contentType, body }) => response.writeHead(status, { "content-type": contentType }).end(body),
      () => response.writeHead(500, { "content-type": "application/json" }).end('{"error":"the reading failed"}\n'),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: `${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
