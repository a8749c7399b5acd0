/** The parts of a request, each alone: medians, and their ratio to JSON.parse of the same body. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bench } from "tinybench";
import { AuditSession } from "../../src/audit/session.ts";
import { Recorder } from "../../src/audit/recorder.ts";
import { AwsCredentials } from "../../src/aws/aws-credentials.ts";
import { Signer } from "../../src/aws/signer.ts";
import { systemClock } from "../../src/base/clock.ts";
import { loadBuiltinBundle } from "../../src/cli/policy/builtin.ts";
import { accessesOf } from "../../src/dynamodb/accesses.ts";
import { ACTION_TABLE, operationOf } from "../../src/dynamodb/catalogue.ts";
import { redactedBody } from "../../src/dynamodb/redact.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";
import { compilePolicyData } from "../../src/policy/data.ts";
import type { PolicyInput } from "../../src/policy/input.ts";
import { PolicyDecisionPoint } from "../../src/policy/pdp.ts";
import type { RoleSpec } from "../../src/policy/roles.ts";
import { largeBatches } from "./large.ts";

const PLACE = { partition: "aws", region: "us-east-1", accountId: "123456789012" };
const getItem = Buffer.from(
  JSON.stringify({
    TableName: "orders",
    Key: { id: { S: "user#00000042" } },
    ProjectionExpression: "#a, #b, #c",
    ExpressionAttributeNames: { "#a": "id", "#b": "name", "#c": "total" },
    ReturnConsumedCapacity: "NONE",
  }),
);
const batch = Buffer.from(
  JSON.stringify({
    RequestItems: {
      orders: Array.from({ length: 25 }, (_, at) => ({
        PutRequest: {
          Item: { id: { S: `user#${at}` }, total: { N: `${at}.5` }, tags: { L: [{ S: "a" }, { S: "b" }] } },
        },
      })),
    },
  }),
);
const get = operationOf("DynamoDB_20120810.GetItem");
const write = operationOf("DynamoDB_20120810.BatchWriteItem");
if (get === undefined || write === undefined) throw new Error("The catalogue lacks an operation of the bench");

const bundle = await loadBuiltinBundle();
const pdps = new Map<number, PolicyDecisionPoint>();
for (const count of [10, 10_000]) {
  pdps.set(
    count,
    await PolicyDecisionPoint.load({
      bundle,
      data: compilePolicyData(roles(count), ACTION_TABLE),
    }),
  );
}
const input = question();
for (const pdp of pdps.values()) {
  const decision = pdp.decide(input);
  if (!decision.allow) throw new Error(`The bench's question is denied: ${JSON.stringify(decision.reasons)}`);
}
const signer = await Signer.create({ clock: systemClock });
const credentials = new AwsCredentials({
  accessKeyId: "ASIABENCH",
  secretAccessKey: "secret",
  sessionToken: "t".repeat(800),
  expiresAt: Date.now() + 3_600_000,
});
const directory = mkdtempSync(join(tmpdir(), "postern-bench-"));
const recorder = await Recorder.open({ directory, mode: "strict", fsync: "batch", clock: systemClock });
const session = new AuditSession({
  sid: "s",
  user: "alice",
  db_service: "example",
  db_protocol: "dynamodb",
  db_name: "",
  db_user: "arn:aws:iam::123456789012:role/R",
  db_uri: "u",
});
const parsed = parseRequest(get, getItem);

const bench = new Bench({ time: 600, warmupTime: 300 });
bench
  .add("JSON.parse, GetItem of 200 bytes", () => void JSON.parse(getItem.toString("utf8")))
  .add("parse + accesses, GetItem of 200 bytes", () => void accessesOf(parseRequest(get, getItem), PLACE))
  .add("JSON.parse, BatchWriteItem of 25", () => void JSON.parse(batch.toString("utf8")))
  .add("parse + accesses, BatchWriteItem of 25", () => void accessesOf(parseRequest(write, batch), PLACE))
  .add("decide, 10 roles loaded", () => void pdps.get(10)?.decide(input))
  .add("decide, 10,000 roles loaded", () => void pdps.get(10_000)?.decide(input))
  .add(
    "sign",
    () =>
      void signer.sign({
        method: "POST",
        host: "dynamodb.us-east-1.amazonaws.com",
        path: "/",
        region: "us-east-1",
        service: "dynamodb",
        headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": get.target },
        body: getItem,
        credentials,
      }),
  )
  .add("record, 16 at once: intent and event", async () => {
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        const facts = {
          session,
          target: get.target,
          method: "POST",
          path: "/",
          body: redactedBody(parsed, (text) => text),
          decision: null,
        };
        const uid = await recorder.begin(facts);
        await recorder.finish(uid, {
          outcome: "completed",
          status_code: 200,
          aws_request_id: "r",
          latency_us: 1,
          response: null,
        });
      }),
    );
  });
await bench.run();
await recorder.close();
rmSync(directory, { recursive: true, force: true });

const median = (name: string): number =>
  (bench.tasks.find((task) => task.name === name)?.result as { latency?: { p50: number } } | undefined)?.latency?.p50 ??
  Number.NaN;
const yardstick = median("JSON.parse, GetItem of 200 bytes");
for (const { name } of bench.tasks) {
  const share = name.startsWith("record") ? 16 : 1;
  const micros = (median(name) * 1000) / share;
  process.stdout.write(
    `${name.padEnd(42)}${micros.toFixed(2).padStart(10)} µs${(micros / (yardstick * 1000)).toFixed(1).padStart(8)} × JSON.parse\n`,
  );
}
process.stdout.write("\nBatchWriteItem of 25 large items: parse + accesses\n");
for (const row of largeBatches(write, PLACE)) process.stdout.write(`${row}\n`);

function roles(count: number): RoleSpec[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `role-${at}`,
    allow: {
      db_labels: { env: at % 5 < 2 ? ["dev", "staging"] : ["prod"] },
      db_users: ["ExampleRole", "Reader-*"],
      db_rules: [
        { actions: ["write"], tables: ["audit-*"] },
        { actions: ["dynamodb:GetItem", "dynamodb:Query"], tables: ["orders", "orders-*"] },
      ],
    },
    deny: { db_labels: {}, db_users: [], db_rules: [{ actions: ["dynamodb:DeleteTable"] }] },
  }));
}

function question(): PolicyInput {
  return {
    version: 1,
    time: "2026-11-22T14:00:00.000Z",
    user: {
      name: "alice",
      roles: [0, 1, 2, 3, 4].map((at) => `role-${at}`),
      traits: { team: ["payments"] },
      mfa_verified: false,
    },
    client: { ip: "127.0.0.1", user_agent: "bench" },
    database: {
      name: "example",
      labels: { env: "dev" },
      region: "us-east-1",
      account_id: "123456789012",
      partition: "aws",
    },
    db_user: "arn:aws:iam::123456789012:role/ExampleRole",
    request: {
      service: "dynamodb",
      operation: "GetItem",
      id: "bench",
      accesses: accessesOf(parseRequest(get ?? fail(), getItem), PLACE),
    },
  };
}

function fail(): never {
  throw new Error("The catalogue lacks an operation of the bench");
}
