/** Drives DynamoDB with the aws command through the steps of report.ts, each a process as a person would start it. */

import { execFile } from "node:child_process";
import process from "node:process";
import { promisify } from "node:util";
import type { ClientOptions, ClientReport, StepOutcome } from "./report.ts";

const execute = promisify(execFile);

/** Runs every step with the program at `aws` and reports. */
export async function runAwsCli(aws: string, options: ClientOptions): Promise<ClientReport> {
  const env: NodeJS.ProcessEnv = {
    PATH: process.env["PATH"],
    HOME: process.env["HOME"],
    AWS_ACCESS_KEY_ID: options.accessKeyId,
    AWS_SECRET_ACCESS_KEY: options.secretAccessKey,
    AWS_REGION: options.region,
    AWS_DEFAULT_REGION: options.region,
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_PAGER: "",
  };
  const call = async (operation: string, args: readonly string[], endpoint = options.endpoint): Promise<unknown> => {
    const all = ["dynamodb", operation, "--endpoint-url", endpoint, "--output", "json", ...args];
    const { stdout } = await execute(aws, all, { env, maxBuffer: 32 * 1024 * 1024 });
    return stdout.trim() === "" ? {} : JSON.parse(stdout);
  };
  const { stdout, stderr } = await execute(aws, ["--version"], { env });
  const steps: Record<string, StepOutcome> = {};
  for (const [name, act] of stepsOf(call, options)) steps[name] = await outcomeOf(act);
  return { client: "aws-cli", version: (stdout || stderr).trim(), steps, attempts: {} };
}

type Call = (operation: string, args: readonly string[], endpoint?: string) => Promise<unknown>;
type Item = Record<string, { S?: string; N?: string }>;

async function outcomeOf(act: () => Promise<unknown>): Promise<StepOutcome> {
  try {
    return { value: await act() };
  } catch (error) {
    const text = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
    const code = /An error occurred \((\w+)\)/.exec(text)?.[1] ?? "unknown";
    return { error: code, message: text, status: null };
  }
}

function stepsOf(call: Call, options: ClientOptions): readonly (readonly [string, () => Promise<unknown>])[] {
  const { table } = options;
  const at = ["--table-name", table];
  const key = (sk: number, pk = "ada"): Item => ({ pk: { S: pk }, sk: { N: String(sk) } });
  const json = (value: unknown): string => JSON.stringify(value);
  const done = async (sending: Promise<unknown>): Promise<true> => {
    await sending;
    return true;
  };
  const put = (sk: number, extra: object = {}): object => ({
    Put: { TableName: table, Item: key(sk, "tx"), ...extra },
  });
  const newOnly = { ConditionExpression: "attribute_not_exists(pk)" };
  const ada = [
    "--key-condition-expression",
    "pk = :pk",
    "--expression-attribute-values",
    json({ ":pk": { S: "ada" } }),
  ];
  const statement = (text: string, parameters?: unknown): readonly string[] =>
    parameters === undefined ? ["--statement", text] : ["--statement", text, "--parameters", json(parameters)];
  const read = async <Answer>(operation: string, args: readonly string[]): Promise<Answer> =>
    (await call(operation, args)) as Answer;
  return [
    [
      "create_table",
      async () => {
        const schema = ["AttributeName=pk,KeyType=HASH", "AttributeName=sk,KeyType=RANGE"];
        const types = ["pk,AttributeType=S", "sk,AttributeType=N", "status,AttributeType=S"];
        const index = {
          IndexName: "by-status",
          KeySchema: [{ AttributeName: "status", KeyType: "HASH" }],
          Projection: { ProjectionType: "ALL" },
        };
        const args = ["--billing-mode", "PAY_PER_REQUEST", "--key-schema", ...schema, "--attribute-definitions"];
        args.push(...types.map((type) => `AttributeName=${type}`), "--global-secondary-indexes", json([index]));
        const answer = await call("create-table", [...at, ...args], options.createEndpoint);
        return (answer as { TableDescription: { TableStatus: string } }).TableDescription.TableStatus;
      },
    ],
    [
      "wait_exists",
      async () => {
        await call("wait", ["table-exists", ...at]);
        return (await read<{ Table: { TableStatus: string } }>("describe-table", at)).Table.TableStatus;
      },
    ],
    [
      "describe_table",
      async () => {
        const { Table: described } = await read<{
          Table: { KeySchema: { AttributeName: string }[]; GlobalSecondaryIndexes: { IndexName: string }[] };
        }>("describe-table", at);
        return {
          keys: described.KeySchema.map((part) => part.AttributeName),
          indexes: described.GlobalSecondaryIndexes.map((index) => index.IndexName),
        };
      },
    ],
    [
      "put_item",
      async () =>
        done(call("put-item", [...at, "--item", json({ ...key(1), status: { S: "open" }, total: { N: "12.50" } })])),
    ],
    [
      "get_item",
      async () =>
        plain((await read<{ Item?: Item }>("get-item", [...at, "--key", json(key(1)), "--consistent-read"])).Item),
    ],
    [
      "get_absent",
      async () => plain((await read<{ Item?: Item }>("get-item", [...at, "--key", json(key(1, "nobody"))])).Item),
    ],
    [
      "update_item",
      async () => {
        const update = ["--update-expression", "SET #s = :s", "--expression-attribute-names", json({ "#s": "status" })];
        update.push("--expression-attribute-values", json({ ":s": { S: "paid" } }), "--return-values", "UPDATED_NEW");
        const answer = await read<{ Attributes: Item }>("update-item", [...at, "--key", json(key(1)), ...update]);
        return answer.Attributes["status"]?.S;
      },
    ],
    [
      "put_condition_fails",
      async () =>
        done(call("put-item", [...at, "--item", json(key(1)), "--condition-expression", newOnly.ConditionExpression])),
    ],
    [
      "batch_write",
      async () => {
        const puts = Array.from({ length: 25 }, (_, index) => ({
          PutRequest: { Item: { ...key(index + 2), text: { S: "x".repeat(400) } } },
        }));
        await call("batch-write-item", ["--request-items", json({ [table]: puts })]);
        return puts.length;
      },
    ],
    [
      "batch_get",
      async () => {
        const request = json({ [table]: { Keys: [key(1), key(3), key(999)] } });
        const answer = await read<{ Responses: Record<string, Item[]> }>("batch-get-item", [
          "--request-items",
          request,
        ]);
        return answer.Responses[table]?.map((item) => item["sk"]?.N).sort();
      },
    ],
    [
      "query",
      async () =>
        (await read<{ Items: Item[] }>("query", [...at, ...ada, "--max-items", "3"])).Items.map(
          (item) => item["sk"]?.N,
        ),
    ],
    [
      "query_index",
      async () => {
        const condition = ["--index-name", "by-status", "--key-condition-expression", "#s = :s"];
        condition.push("--expression-attribute-names", json({ "#s": "status" }));
        condition.push("--expression-attribute-values", json({ ":s": { S: "paid" } }));
        return (await read<{ Count: number }>("query", [...at, ...condition])).Count;
      },
    ],
    [
      "query_pages",
      async () => {
        const counts: number[] = [];
        let token: string | undefined;
        do {
          const from: string[] = token === undefined ? [] : ["--starting-token", token];
          const args = [...at, ...ada, "--page-size", "10", "--max-items", "10", ...from];
          const page = await read<{ Items: Item[]; NextToken?: string }>("query", args);
          if (page.Items.length > 0) counts.push(page.Items.length);
          token = page.NextToken;
        } while (token !== undefined);
        return counts;
      },
    ],
    ["scan_large", async () => (await read<{ Items: Item[] }>("scan", at)).Items.length],
    [
      "transact_write",
      async () => done(call("transact-write-items", ["--transact-items", json([put(100), put(101)])])),
    ],
    [
      "transact_get",
      async () => {
        const gets = [100, 101].map((sk) => ({ Get: { TableName: table, Key: key(sk, "tx") } }));
        const answer = await read<{ Responses: { Item: Item }[] }>("transact-get-items", [
          "--transact-items",
          json(gets),
        ]);
        return answer.Responses.map((response) => response.Item["sk"]?.N);
      },
    ],
    [
      "transact_cancelled",
      async () => done(call("transact-write-items", ["--transact-items", json([put(100, newOnly)])])),
    ],
    [
      "partiql_insert",
      async () => {
        const text = `INSERT INTO "${table}" VALUE {'pk': 'ql', 'sk': ?, 'text': 'partiql'}`;
        return done(call("execute-statement", statement(text, [{ N: "1" }])));
      },
    ],
    [
      "partiql_select",
      async () => {
        const args = statement(`SELECT text FROM "${table}" WHERE pk = ? AND sk = 1`, [{ S: "ql" }]);
        return (await read<{ Items: Item[] }>("execute-statement", args)).Items[0]?.["text"]?.S;
      },
    ],
    [
      "partiql_absent_table",
      async () => done(call("execute-statement", statement(`SELECT * FROM "${table}-absent" WHERE pk = 'a'`))),
    ],
    ["absent_table", async () => done(call("get-item", ["--table-name", `${table}-absent`, "--key", json(key(1))]))],
    ["invalid", async () => done(call("get-item", [...at, "--key", json({ wrong: { S: "x" } })]))],
    ["delete_item", async () => done(call("delete-item", [...at, "--key", json(key(1, "ql"))]))],
    ["list_tables", async () => (await read<{ TableNames: string[] }>("list-tables", [])).TableNames.includes(table)],
    ["delete_table", async () => done(call("delete-table", at))],
  ];
}

function plain(item: Item | undefined): Record<string, string> | null {
  if (item === undefined) return null;
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, value.S ?? value.N ?? ""]));
}
