/** Holds the sandbox against the parts it stands for: moto's STS, which checks signatures too, and DynamoDB Local. */

import { deepEqual, equal } from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  CreateTableCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { startSandbox, type Sandbox } from "../../src/sandbox/sandbox.ts";
import { missing, type Moto, type Peer, startDynamoDbLocal, startMoto } from "../support/peers.ts";

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

interface Sts {
  readonly url: string;
  readonly keys: Keys;
  readonly userArn: string;
  readonly roleArn: string;
  readonly foreignRoleArn: string;
}

const skipMoto = await missing("motoServer");
const skipLocal = await missing("dynamodbLocal", "java");

describe("the sandbox's STS beside moto's", { skip: skipMoto }, () => {
  let moto: Moto;
  let sandbox: Sandbox;

  before(async () => {
    [moto, sandbox] = await Promise.all([startMoto({ verify: true }), startSandbox()]);
    sandbox.putRole({ name: "ForeignRole", trust: { principals: ["arn:aws:iam::999999999999:user/other"] } });
  });
  after(async () => {
    await Promise.all([moto.close(), sandbox.close()]);
  });

  function both(): Sts[] {
    return [
      {
        url: moto.url,
        keys: moto.key,
        userArn: moto.userArn,
        roleArn: moto.roleArn,
        foreignRoleArn: moto.foreignRoleArn,
      },
      {
        url: sandbox.sts.url,
        keys: {
          accessKeyId: sandbox.env["AWS_ACCESS_KEY_ID"] ?? "",
          secretAccessKey: sandbox.env["AWS_SECRET_ACCESS_KEY"] ?? "",
        },
        userArn: sandbox.agentArn,
        roleArn: sandbox.roleArn("ExampleRole"),
        foreignRoleArn: sandbox.roleArn("ForeignRole"),
      },
    ];
  }

  async function withSts<Value>(sts: Sts, keys: Keys, act: (client: STSClient) => Promise<Value>): Promise<Value> {
    const client = new STSClient({ endpoint: sts.url, region: "us-east-1", credentials: keys, maxAttempts: 1 });
    try {
      return await act(client);
    } finally {
      client.destroy();
    }
  }

  async function errorOf(sts: Sts, keys: Keys, roleArn = sts.roleArn): Promise<string> {
    const command = new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: "alice" });
    return withSts(sts, keys, async (client) =>
      client.send(command).then(
        () => "none",
        (error: unknown) => (error as Error).name,
      ),
    );
  }

  it("tells the user who it is", async () => {
    for (const sts of both()) {
      const answer = await withSts(sts, sts.keys, async (client) => client.send(new GetCallerIdentityCommand({})));
      equal(answer.Arn, sts.userArn);
    }
  });

  it("issues a session with the same shape, which then speaks as the role", async () => {
    const shapes = [];
    for (const sts of both()) {
      const command = new AssumeRoleCommand({ RoleArn: sts.roleArn, RoleSessionName: "alice", DurationSeconds: 900 });
      const answer = await withSts(sts, sts.keys, async (client) => client.send(command));
      const keys = {
        accessKeyId: answer.Credentials?.AccessKeyId ?? "",
        secretAccessKey: answer.Credentials?.SecretAccessKey ?? "",
        sessionToken: answer.Credentials?.SessionToken ?? "",
      };
      const identity = await withSts(sts, keys, async (client) => client.send(new GetCallerIdentityCommand({})));
      shapes.push({
        key: keys.accessKeyId.slice(0, 4),
        keyLength: keys.accessKeyId.length,
        secretLength: keys.secretAccessKey.length,
        expires: answer.Credentials?.Expiration instanceof Date,
        user: answer.AssumedRoleUser?.Arn?.split(":").at(-1),
        id: answer.AssumedRoleUser?.AssumedRoleId?.replace(/^AROA[A-Z0-9]{16,17}/, "AROA…"),
        identity: identity.Arn?.split(":").at(-1),
      });
    }
    deepEqual(shapes[1], shapes[0]);
  });

  it("refuses the same callers with the same codes", async () => {
    for (const [what, keysOf, roleOf] of [
      ["SignatureDoesNotMatch", (sts: Sts) => ({ ...sts.keys, secretAccessKey: "guess" }), (sts: Sts) => sts.roleArn],
      [
        "InvalidClientTokenId",
        () => ({ accessKeyId: "AKIASTRANGER", secretAccessKey: "x" }),
        (sts: Sts) => sts.roleArn,
      ],
      ["AccessDenied", (sts: Sts) => sts.keys, (sts: Sts) => sts.foreignRoleArn],
    ] as const) {
      for (const sts of both()) equal(await errorOf(sts, keysOf(sts), roleOf(sts)), what, `${sts.url} ${what}`);
    }
  });
});

describe("the sandbox's DynamoDB beside DynamoDB Local", { skip: skipLocal }, () => {
  let local: Peer;
  let sandbox: Sandbox;
  const clients: DynamoDBClient[] = [];

  before(async () => {
    [local, sandbox] = await Promise.all([startDynamoDbLocal(), startSandbox()]);
    const keys = {
      accessKeyId: sandbox.env["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: sandbox.env["AWS_SECRET_ACCESS_KEY"] ?? "",
    };
    for (const endpoint of [local.url, sandbox.dynamodb.url]) {
      clients.push(new DynamoDBClient({ endpoint, region: "us-east-1", credentials: keys, maxAttempts: 1 }));
    }
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await Promise.all([local.close(), sandbox.close()]);
  });

  it("answers a table's whole life alike, errors included", async () => {
    const answers = [];
    for (const client of clients) answers.push(await lifeOf(client));
    deepEqual(answers[1], answers[0]);
  });

  it("says plainly what it lacks", async () => {
    for (const operation of ["ExecuteStatement", "TransactWriteItems", "UpdateTimeToLive"]) {
      await sandbox.inspect(operation, {}).then(
        () => {
          throw new Error(`${operation} has come to the sandbox: say so in its documentation`);
        },
        (error: unknown) => {
          equal(String(error).includes("UnknownOperationException"), true);
        },
      );
    }
  });
});

async function lifeOf(client: DynamoDBClient): Promise<unknown[]> {
  const seen: unknown[] = [];
  const note = async (sending: Promise<object>, pick: (answer: Record<string, unknown>) => unknown): Promise<void> => {
    seen.push(
      await sending.then(
        (answer) => pick(answer as Record<string, unknown>),
        (error: unknown) => (error as Error).name,
      ),
    );
  };
  const table = { TableName: "things" };
  const key = { id: { S: "a" }, at: { N: "1" } };
  await client.send(
    new CreateTableCommand({
      ...table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [
        { AttributeName: "id", AttributeType: "S" },
        { AttributeName: "at", AttributeType: "N" },
      ],
      KeySchema: [
        { AttributeName: "id", KeyType: "HASH" },
        { AttributeName: "at", KeyType: "RANGE" },
      ],
    }),
  );
  let status: string | undefined;
  while (status !== "ACTIVE") status = (await client.send(new DescribeTableCommand(table))).Table?.TableStatus;
  await note(
    client.send(new PutItemCommand({ ...table, Item: { ...key, v: { N: "1.50" } } })),
    (answer) => answer["Attributes"],
  );
  await note(client.send(new GetItemCommand({ ...table, Key: key })), (answer) => answer["Item"]);
  await note(client.send(new GetItemCommand({ ...table, Key: { id: { S: "a" } } })), () => "unexpected");
  await note(
    client.send(
      new UpdateItemCommand({
        ...table,
        Key: key,
        UpdateExpression: "ADD v :one SET w = if_not_exists(w, :one)",
        ExpressionAttributeValues: { ":one": { N: "1" } },
        ReturnValues: "ALL_NEW",
      }),
    ),
    (answer) => answer["Attributes"],
  );
  await note(
    client.send(new PutItemCommand({ ...table, Item: key, ConditionExpression: "attribute_not_exists(id)" })),
    () => "unexpected",
  );
  await note(
    client.send(
      new QueryCommand({
        ...table,
        KeyConditionExpression: "id = :id",
        ProjectionExpression: "v",
        ExpressionAttributeValues: { ":id": { S: "a" } },
        ReturnConsumedCapacity: "TOTAL",
      }),
    ),
    (answer) => [answer["Items"], answer["Count"], answer["ConsumedCapacity"]],
  );
  await note(client.send(new ScanCommand({ ...table, FilterExpression: "bad ==" })), () => "unexpected");
  await note(client.send(new GetItemCommand({ TableName: "absent", Key: key })), () => "unexpected");
  await note(client.send(new DeleteTableCommand(table)), () => "deleted");
  return seen;
}
