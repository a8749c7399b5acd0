/** `node --import tsx bench/soak-tunnel.ts [--seconds=180]`: the whole path under load, while each part of it fails in turn. */

import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { ROLE, TunnelCluster } from "../tests/support/faulty-tunnel-cluster.ts";

const SECONDS = Number(/^--seconds=(\d+)$/.exec(process.argv.at(-1) ?? "")?.[1] ?? 180);
/** However fast it goes. */
const MOST_REQUESTS = 200_000;
const WORKERS = 6;
/** Errors by which SDKs know that they may try again, or whom to ask. */
const TYPED =
  /^(AccessDeniedException|ExpiredTokenException|ProvisionedThroughputExceededException|ThrottlingException|InternalServerError|ServiceUnavailable(Exception)?|UnrecognizedClientException|ConditionalCheckFailedException)$/;
const BROKEN = /ECONNRESET|EPIPE|ECONNREFUSED|socket hang up|aborted|ETIMEDOUT|TimeoutError/;

const AGENTS = ["a", "b"];
const cluster = await TunnelCluster.start({ proxies: ["one", "two"], agents: AGENTS });
const port = await cluster.openLocalPort();
const end = performance.now() + SECONDS * 1000;
let [tried, succeeded, retried, wrong, id] = [0, 0, 0, 0, 0];
const failed = new Map<string, number>();
/** By what was disturbed last. */
const failedAfter = new Map<string, Map<string, number>>();
let disturbance = "nothing";
/** DynamoDB's own identifiers of the requests whose answers came back. */
const answered: string[] = [];
/** What each write that was tried once by its client came to. */
const added = new Map<string, boolean>();
const puts = new Map<string, boolean>();
const unknownErrors: string[] = [];

function clientOf(maxAttempts: number): DynamoDBClient {
  return new DynamoDBClient({
    endpoint: `http://localhost:${port}`,
    region: "local",
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
    maxAttempts,
  });
}

/** Undefined when it failed. */
async function counted<T extends { $metadata: { attempts?: number; requestId?: string } }>(
  send: () => Promise<T>,
): Promise<T | undefined> {
  tried++;
  try {
    const answer = await send();
    succeeded++;
    retried += (answer.$metadata.attempts ?? 1) - 1;
    answered.push(answer.$metadata.requestId ?? "");
    return answer;
  } catch (thrown) {
    const error = thrown as Error & { code?: string };
    const text = `${error.name} ${error.code ?? ""} ${error.message}`;
    const kind = TYPED.test(error.name) ? error.name : BROKEN.test(text) ? "connection ended" : "other";
    if (kind === "other" && unknownErrors.length < 10) unknownErrors.push(text);
    count(failed, kind);
    const after = failedAfter.get(disturbance) ?? new Map<string, number>();
    failedAfter.set(disturbance, after);
    count(after, kind);
    return undefined;
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

async function work(): Promise<void> {
  const [patient, once] = [clientOf(4), clientOf(1)];
  while (performance.now() < end && tried < MOST_REQUESTS) {
    const key = `soak#${id++}`;
    const text = `${key} ${"x".repeat((id * 37) % 3000)}`;
    const Item = { id: { S: key }, text: { S: text } };
    const put = await counted(() =>
      patient.send(new PutItemCommand({ TableName: "orders", Item, ConditionExpression: "attribute_not_exists(id)" })),
    );
    puts.set(key, put !== undefined);
    const read = await counted(() =>
      patient.send(new GetItemCommand({ TableName: "orders", Key: { id: { S: key } }, ConsistentRead: true })),
    );
    // Whoever was told that it was written must find it, and nothing else.
    if (read !== undefined && (read.Item?.["text"]?.S ?? (put === undefined ? text : "")) !== text) wrong++;
    const add = await counted(() =>
      once.send(
        new UpdateItemCommand({
          TableName: "orders",
          Key: { id: { S: `${key}#n` } },
          UpdateExpression: "ADD n :one",
          ExpressionAttributeValues: { ":one": { N: "1" } },
        }),
      ),
    );
    added.set(`${key}#n`, add !== undefined);
  }
  patient.destroy();
  once.destroy();
}

const calm = { latency: 0, bandwidth: 0, loss: 0, resets: 0, silent: false };
const nets = [cluster.agentsNet, cluster.clientsNet];
const PHASES = ["init", "update_clients", "update_servers", "standby"];
let phase = 0;
const FAULTS: readonly (readonly [string, () => Promise<unknown> | void])[] = [
  ["kill -9 of an agent", () => cluster.kill("a").then(() => cluster.startAgent("a"))],
  ["SIGTERM of an agent", () => cluster.kill("b", "SIGTERM").then(() => cluster.startAgent("b"))],
  ["kill -9 of a proxy with its auth service", () => cluster.kill("one").then(() => cluster.startProxy("one"))],
  ["every connection of the agents cut", () => cluster.agentsNet.cut()],
  ["every connection of the clients cut", () => cluster.clientsNet.cut()],
  ["a slow link (20 ms, 500 kB/s)", () => weather({ latency: 20, bandwidth: 500_000 }, 4000)],
  ["2 % of the packets lost", () => weather({ loss: 0.02 }, 4000)],
  ["0.2 % of the packets answered by a reset", () => weather({ resets: 0.002 }, 4000)],
  ["the agents' network silent for 12 s", () => silence()],
  ["a step of a rotation of both authorities", () => rotate()],
  [
    "roles changed",
    () => cluster.ctl(["create", "-f"], ROLE('"read", "write"')).then(() => cluster.ctl(["create", "-f"], ROLE())),
  ],
  ["20 answers 503 of DynamoDB", () => cluster.sandbox.fail("dynamodb_unavailable", { times: 20 })],
  ["20 throttlings of DynamoDB", () => cluster.sandbox.fail("dynamodb_throttled", { times: 20 })],
  [
    "sessions gone and 5 answers 503 of STS",
    () => {
      cluster.sandbox.revokeSessions();
      cluster.sandbox.fail("sts_unavailable", { times: 5 });
    },
  ],
];

async function weather(bad: Partial<typeof calm>, ms: number): Promise<void> {
  for (const net of nets) Object.assign(net.weather, bad);
  await sleep(ms);
  for (const net of nets) Object.assign(net.weather, calm);
}

async function silence(): Promise<void> {
  cluster.agentsNet.weather.silent = true;
  await sleep(12_000);
  cluster.agentsNet.weather.silent = false;
}

async function rotate(): Promise<void> {
  const words = ["auth", "rotate", "--type=all", "--manual", `--phase=${PHASES[phase++ % PHASES.length]}`];
  await cluster.ctl(words);
  // Logins by the old authority end with it.
  await cluster.logIn();
}

const injected = new Map<string, number>();
async function disturb(): Promise<void> {
  for (let at = 0; performance.now() < end - 10_000; at++) {
    const [name, fault] = FAULTS[at % FAULTS.length] ?? ["", () => undefined];
    disturbance = name;
    try {
      await fault();
      count(injected, name);
    } catch (error) {
      console.error(`${name}: ${String(error)}`);
    }
    await sleep(1500);
  }
}

await Promise.all([...Array.from({ length: WORKERS }, work), disturb()]);

// What the table says, past the whole path.
let [duplicates, lost] = [0, 0];
const timesOf = async (key: string): Promise<{ n?: { N: string } } | undefined> =>
  ((await cluster.sandbox.inspect("GetItem", { TableName: "orders", Key: { id: { S: key } } })) as { Item?: object })
    .Item;
for (const [key, done] of added) {
  const times = Number((await timesOf(key))?.n?.N ?? 0);
  if (times > 1) duplicates++;
  if (done && times === 0) lost++;
}
for (const [key, done] of puts) if (done && (await timesOf(key)) === undefined) lost++;
// Agents that end in order write the outcome of everything they can.
for (const name of AGENTS) await cluster.kill(name, "SIGTERM");
const audit = cluster.audit(AGENTS);
const intents = new Set(audit.filter(({ event }) => event === "db.session.dynamodb.intent").map(({ uid }) => uid));
const outcomes = audit.filter(({ event }) => event === "db.session.dynamodb.request");
const completed = outcomes.filter(({ outcome }) => outcome === "completed");
// Each answer that came back is on record by DynamoDB's own identifier, with the intent before it.
const onRecord = new Set(completed.filter(({ uid }) => intents.has(uid)).map(({ aws_request_id }) => aws_request_id));
const unaudited = answered.filter((requestId) => !onRecord.has(requestId)).length;
// Descriptions of tables are the gateway's own questions.
const reached = cluster.sandbox.dynamodb.requests.filter(({ operation }) => operation.endsWith("Item"));
// What a kill -9 cut has an intent, and an outcome that the next process wrote without knowing it: so many may have reached DynamoDB
// and be on record as no more than that.
const told = new Map(outcomes.map(({ uid, aws_request_id }) => [uid, aws_request_id]));
const known = new Set(told.values());
const cut = [...intents].filter((uid) => typeof told.get(uid) !== "string").length;
const unexplained = Math.max(0, reached.filter(({ requestId }) => !known.has(requestId)).length - cut);
await cluster.stop();

const untyped = failed.get("other") ?? 0;
const rows: readonly (readonly [string, number])[] = [
  ["requests tried", tried],
  ["succeeded", succeeded],
  ["tries again by the SDK, of those that succeeded", retried],
  ...[...failed]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([kind, count]) => [`failed: ${kind}`, count] as const),
  ["wrong answers", wrong],
  ["acknowledged writes that are not there", lost],
  ["writes done twice though tried once", duplicates],
  ["requests that reached DynamoDB", reached.length],
  ["intents on record", intents.size],
  ["requests on record as completed", completed.length],
  ["intents whose outcome nobody knows, such as those that a kill -9 cut", cut],
  ["answers that are not on record by DynamoDB's identifier, with their intent", unaudited],
  ["requests that reached DynamoDB, and are neither on record nor among those cut", unexplained],
];
const failuresAfter = (name: string): string =>
  [...(failedAfter.get(name) ?? [])].map(([kind, times]) => `${times} ${kind}`).join(", ");
const table = (lines: readonly (readonly [string, number])[]): string =>
  lines.map(([name, count]) => `| ${name} | ${count} |\n`).join("");
const page = `# Reliability

What the way from a program to DynamoDB does while its parts fail. Two proxies, each with an auth service, over one store behind a
balancer; two agents that dial the balancer; a local port that dials it too; ${WORKERS} programs with AWS's SDK for JavaScript (four
attempts; counters are added to with one attempt, to see whether anything on the way tries again by itself). All are processes of
their own; DynamoDB and STS are the sandbox's. Between agents and balancer, and between clients and balancer, is a network that can be
made bad.

\`\`\`sh
node --import tsx bench/soak-tunnel.ts --seconds=${SECONDS}
\`\`\`

This page is what that command wrote.

| in ${SECONDS} s | |
|---|---|
${table(rows)}
"Connection ended" is what an SDK is told when its last attempt was cut; it says nothing of whether the write was done, and no part of
Postern tries it again. A conditional write that fails with \`ConditionalCheckFailedException\` was done by an earlier attempt of the
same SDK. \`AccessDeniedException\` is what the changed roles denied;
\`UnrecognizedClientException\` is DynamoDB's own word for a session of STS that was taken away.

| disturbance | times | failed until the next one |
|---|---|---|
${[...injected].map(([name, times]) => `| ${name} | ${times} | ${failuresAfter(name)} |\n`).join("")}`;
writeFileSync(fileURLToPath(new URL("../docs/reference/reliability.md", import.meta.url)), page);
process.stdout.write(page);
for (const text of unknownErrors) console.error(text);
process.exit(wrong + lost + duplicates + unaudited + unexplained + untyped === 0 ? 0 : 1);
