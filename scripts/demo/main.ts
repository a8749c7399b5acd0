/** `npm run demo`: the standalone example in front of a sandbox AWS, a tour of allowed and denied operations, then yours. */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runGateway } from "../../src/cli/start/run-gateway.ts";
import { loadConfig } from "../../src/config/load.ts";
import { startSandbox } from "../../src/sandbox/sandbox.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { runTour } from "./tour.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/standalone", import.meta.url));
const once = process.argv.includes("--once");
const color = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
const bold = (text: string): string => (color ? `\x1b[1m${text}\x1b[0m` : text);
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const stopping = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => resolve());
});

const directory = mkdtempSync(join(tmpdir(), "postern-demo-"));
const awsRoles = ["DynamoDBDeveloper", "DynamoDBReader"];
const sandbox = await startSandbox();
for (const name of awsRoles) sandbox.putRole({ name, trust: { principals: [sandbox.agentArn] } });
await sandbox.seed([
  {
    definition: {
      TableName: "orders",
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
    },
    items: [
      { id: { S: "ada#1" }, total: { N: "18.15" }, city: { S: "London" } },
      { id: { S: "ada#2" }, total: { N: "12.43" }, city: { S: "Turin" } },
    ],
  },
]);

// The SDK that Postern asks STS with reads the process's environment, as it would in production.
Object.assign(process.env, sandbox.env, { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" });
cpSync(EXAMPLE, directory, { recursive: true });
const file = join(directory, "postern.yaml");
writeFileSync(file, await adapted(readFileSync(file, "utf8")));
const config = loadConfig(file, { env: process.env });
const running = await runGateway(config, { log: createLog({ severity: "warn", format: "text" }), env: process.env });
const [alice = "", bob = ""] = running.addresses;

say(
  bold("Postern stands in front of a sandbox DynamoDB. Both check every signature; clients need no AWS credentials.\n"),
);
for (const [at, { user, db_user }] of config.db_service.listeners.entries()) {
  say(`  http://${running.addresses[at]}   ${user}, as AWS role ${db_user}`);
}
say("");
const faults = await runTour({ alice: `http://${alice}`, bob: `http://${bob}` }, { say, color });
say(`\nWhat the audit log says of it (${join(config.postern.data_dir, "audit")}):\n`);
const { auditCommand } = await import("../../src/cli/audit/index.ts");
await auditCommand({ dataDirOf: () => config.postern.data_dir }).parseAsync(
  ["ls", "--data-dir", config.postern.data_dir, "--event", "db.session.dynamodb.request"],
  { from: "user" },
);

if (once) {
  await end(faults === 0 ? 0 : 1);
} else {
  say(bold("\nNow yours. The gateway stays up until Ctrl-C; any credentials will do:\n"));
  say(`  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1`);
  say(`  aws dynamodb scan --table-name orders --endpoint-url http://${alice}`);
  say(`  aws dynamodb delete-table --table-name orders --endpoint-url http://${alice}`);
  say(`  python3 -c 'import boto3; print(boto3.client("dynamodb", endpoint_url="http://${alice}").list_tables())'`);
  say(
    `  node --input-type=module -e 'import { DynamoDB } from "@aws-sdk/client-dynamodb"; console.log(await new DynamoDB({ endpoint: "http://${alice}" }).listTables({}))'`,
  );
  say(`\n  Change ${join(directory, "resources", "roles.yaml")} and try again: it is read at once.`);
  say(`  ./bin/postern audit tail --data-dir ${config.postern.data_dir}`);
  await stopping;
  await end(0);
}

async function end(code: number): Promise<void> {
  await running.stop("the demo ended");
  await sandbox.close();
  rmSync(directory, { recursive: true, force: true });
  process.exitCode = code;
}

/** The example as it stands, but for the sandbox's address, and free ports where 8000 and 8001 are taken. */
async function adapted(text: string): Promise<string> {
  let result = text.replace("protocol: dynamodb\n", `protocol: dynamodb\n      uri: "${sandbox.dynamodb.url}"\n`);
  for (const port of [8000, 8001]) {
    if (!(await isFree(port))) result = result.replace(`127.0.0.1:${port}`, "127.0.0.1:0");
  }
  return result;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
