import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, it } from "node:test";
import {
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { startSandbox, type Sandbox } from "../../../src/sandbox/sandbox.ts";

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

describe("the sandbox's DynamoDB", () => {
  let sandbox: Sandbox;
  let keys: Keys;
  const clients: { destroy(): void }[] = [];

  before(async () => {
    sandbox = await startSandbox();
    await sandbox.seed([
      {
        definition: {
          TableName: "orders",
          AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
          KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
        },
        items: [{ id: { S: "o-1" }, total: { N: "42" } }],
      },
    ]);
    const sts = new STSClient({ endpoint: sandbox.sts.url, region: sandbox.region, credentials: agentKeys() });
    clients.push(sts);
    const answer = await sts.send(
      new AssumeRoleCommand({
        RoleArn: sandbox.roleArn("ExampleRole"),
        RoleSessionName: "alice",
        Tags: [{ Key: "user", Value: "alice" }],
      }),
    );
    keys = {
      accessKeyId: answer.Credentials?.AccessKeyId ?? "",
      secretAccessKey: answer.Credentials?.SecretAccessKey ?? "",
      sessionToken: answer.Credentials?.SessionToken ?? "",
    };
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await sandbox.close();
  });

  function agentKeys(): Keys {
    return {
      accessKeyId: sandbox.env["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: sandbox.env["AWS_SECRET_ACCESS_KEY"] ?? "",
    };
  }

  function client(credentials: Keys = keys, region = sandbox.region): DynamoDBClient {
    const made = new DynamoDBClient({ endpoint: sandbox.dynamodb.url, region, credentials, maxAttempts: 1 });
    clients.push(made);
    return made;
  }

  it("serves seeded items to credentials that its STS issued", async () => {
    const answer = await client().send(new GetItemCommand({ TableName: "orders", Key: { id: { S: "o-1" } } }));
    deepEqual(answer.Item, { id: { S: "o-1" }, total: { N: "42" } });
  });

  it("names tables after its own region and account", async () => {
    const answer = await client().send(new DescribeTableCommand({ TableName: "orders" }));
    equal(answer.Table?.TableArn, "arn:aws:dynamodb:us-east-1:123456789012:table/orders");
  });

  it("refuses unsigned and badly signed requests before they reach a table", async () => {
    const drop = new DeleteTableCommand({ TableName: "orders" });
    await rejects(client({ ...keys, secretAccessKey: "guess" }).send(drop), { name: "InvalidSignatureException" });
    await rejects(client({ ...keys, sessionToken: "forged" }).send(drop), { name: "UnrecognizedClientException" });
    await rejects(client({ accessKeyId: "AKIASTRANGER", secretAccessKey: "x" }).send(drop), {
      name: "UnrecognizedClientException",
    });
    await rejects(client(keys, "eu-west-1").send(drop), { name: "InvalidSignatureException" });
    const bare = await fetch(sandbox.dynamodb.url, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.DeleteTable" },
      body: '{"TableName":"orders"}',
    });
    equal(bare.status, 400);
    match(await bare.text(), /MissingAuthenticationTokenException/);
    deepEqual((await client().send(new ListTablesCommand({}))).TableNames, ["orders"]);
  });

  it("records what it saw: the caller, the session, the digest, but no secret", async () => {
    sandbox.forget();
    const { $metadata } = await client().send(new GetItemCommand({ TableName: "orders", Key: { id: { S: "o-1" } } }));
    const [seen] = sandbox.dynamodb.requests;
    ok(seen !== undefined);
    equal(seen.requestId, $metadata.requestId);
    equal(seen.operation, "GetItem");
    equal(seen.role, "ExampleRole");
    equal(seen.sessionName, "alice");
    deepEqual(seen.sessionTags, { user: "alice" });
    equal(seen.principal, "arn:aws:sts::123456789012:assumed-role/ExampleRole/alice");
    equal(
      seen.bodyDigest,
      createHash("sha256")
        .update(seen.body ?? "")
        .digest("hex"),
    );
    ok(seen.signedHeaders.includes("x-amz-target"));
    ok(!JSON.stringify(seen).includes(keys.sessionToken ?? "?"));
  });

  it("remembers a bounded number of requests", async () => {
    const small = await startSandbox({ remember: 2 });
    try {
      for (let round = 0; round < 4; round += 1)
        await (await fetch(small.dynamodb.url, { method: "POST", body: "{}" })).arrayBuffer();
      equal(small.dynamodb.requests.length, 2);
      equal(small.dynamodb.requests[0]?.refused, "MissingAuthenticationTokenException");
    } finally {
      await small.close();
    }
  });

  it("compresses large answers for clients that ask, with a checksum that fits", async () => {
    const signing = client();
    await signing.send(
      new PutItemCommand({ TableName: "orders", Item: { id: { S: "big" }, text: { S: "x".repeat(10_000) } } }),
    );
    signing.middlewareStack.add(
      (next) => async (args) => {
        Object.assign((args.request as { headers: object }).headers, { "accept-encoding": "gzip" });
        return next(args);
      },
      { step: "build" },
    );
    let encoding: string | undefined;
    signing.middlewareStack.add(
      (next) => async (args) => {
        const result = await next(args);
        encoding = (result.response as { headers: Record<string, string> }).headers["content-encoding"];
        return result;
      },
      { step: "deserialize", priority: "low" },
    );
    await rejects(signing.send(new ScanCommand({ TableName: "orders" })));
    equal(encoding, "gzip");
  });

  it("fails as told and heals", async () => {
    const list = new ListTablesCommand({});
    sandbox.fail("dynamodb_down", { times: 1 });
    await rejects(client().send(list), /socket hang up|ECONNRESET|closed/);
    sandbox.fail("dynamodb_unavailable", { times: 1 });
    await rejects(client().send(list), { name: "ServiceUnavailableException" });
    sandbox.fail("dynamodb_throttled", { times: 1 });
    await rejects(client().send(list), { name: "ThrottlingException" });
    await client().send(list);
  });

  it("closes while a slow request waits", async () => {
    const other = await startSandbox();
    other.fail("dynamodb_slow", { delayMs: 3_600_000 });
    const waiting = rejects(fetch(other.dynamodb.url, { method: "POST", body: "{}" }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await other.close();
    await waiting;
  });

  it("leaves the environment of its process as it was", async () => {
    const before = { ...process.env };
    await (await startSandbox({ accountId: "210987654321", region: "eu-west-1" })).close();
    deepEqual({ ...process.env }, before);
  });
});
