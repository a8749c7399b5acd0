/**
 * What one would glue together today: a small proxy that asks an OPA server about each request and forwards what it allows to
 * aws-sigv4-proxy. It tells the same policy what can be told without a parser for DynamoDB's expressions: action and tables.
 */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

const [, , opaOrigin = "", signerOrigin = "", callerJson = "{}"] = process.argv;
const opa = new Pool(opaOrigin, { connections: 256 });
const signer = new Pool(signerOrigin, { connections: 256 });
/** What does not change from request to request. */
const caller = JSON.parse(callerJson) as { readonly user: object; readonly database: object; readonly db_user: string };
const ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/";

interface Body {
  readonly TableName?: string;
  readonly RequestItems?: Readonly<Record<string, unknown>>;
  readonly TransactItems?: readonly Readonly<Record<string, { readonly TableName: string }>>[];
  readonly Statement?: string;
}

const WRITES = new Set(["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "DeleteTable"]);

/** Action and table of everything that a request is about. */
function accessesOf(operation: string, body: Body): object[] {
  const pairs: [string, string][] = [];
  if (body.RequestItems !== undefined) {
    for (const table of Object.keys(body.RequestItems)) pairs.push([operation, table]);
  } else if (body.TransactItems !== undefined) {
    for (const part of body.TransactItems)
      for (const [action, { TableName }] of Object.entries(part)) pairs.push([`${action}Item`, TableName]);
  } else if (body.Statement !== undefined) {
    pairs.push(["PartiQLSelect", /\bFROM\s+"([^"]+)"/i.exec(body.Statement)?.[1] ?? ""]);
  } else {
    pairs.push([operation, body.TableName ?? ""]);
  }
  return pairs.map(([action, table]) => ({
    action: `dynamodb:${action}`,
    level: WRITES.has(action) ? "write" : "read",
    via: operation,
    table,
    index: null,
    arn: ARN + table,
    keys_known: false,
    leading_keys: [],
    attributes_known: false,
    attributes: [],
    reads: [],
    writes: [],
    select: null,
    return_values: "NONE",
    whole_item: false,
    full_scan: false,
    consistent: false,
  }));
}

async function isAllowed(incoming: IncomingMessage, operation: string, body: Buffer): Promise<boolean> {
  const input = {
    version: 1,
    time: new Date().toISOString(),
    user: caller.user,
    client: { ip: incoming.socket.remoteAddress ?? "", user_agent: incoming.headers["user-agent"] ?? "" },
    database: caller.database,
    db_user: caller.db_user,
    request: {
      service: "dynamodb",
      operation,
      id: "glue",
      accesses: accessesOf(operation, JSON.parse(body.toString("utf8")) as Body),
    },
  };
  const answer = await opa.request({
    method: "POST",
    path: "/v1/data/postern/decision",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ input }),
  });
  const { result } = (await answer.body.json()) as { readonly result?: { readonly allow?: boolean } };
  return result?.allow === true;
}

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, body: Buffer): Promise<void> {
  const target = String(incoming.headers["x-amz-target"] ?? "");
  if (!(await isAllowed(incoming, target.split(".")[1] ?? "", body))) {
    const denial = JSON.stringify({ __type: "com.amazon.coral.service#AccessDeniedException", Message: "denied" });
    outgoing.writeHead(400, {
      "content-type": "application/x-amz-json-1.0",
      "content-length": Buffer.byteLength(denial),
    });
    outgoing.end(denial);
    return;
  }
  const answered = await signer.request({
    method: "POST",
    path: "/",
    headers: { "x-amz-target": target, "content-type": String(incoming.headers["content-type"] ?? "") },
    body,
  });
  const bytes = Buffer.from(await answered.body.arrayBuffer());
  outgoing.writeHead(answered.statusCode, answered.headers as Record<string, string>);
  outgoing.end(bytes);
}

const server = createServer((incoming, outgoing) => {
  const chunks: Buffer[] = [];
  incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
  incoming.on("end", () => {
    answer(incoming, outgoing, Buffer.concat(chunks)).catch(() => outgoing.destroy());
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("disconnect", () => process.exit());
