/** The demo's tour: operations of two users with the official AWS SDK, each with what came of it. */

import {
  BatchGetItemCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  GetItemCommand,
  ListTablesCommand,
  PutItemCommand,
  ScanCommand,
} from "@aws-sdk/client-dynamodb";

type Person = "alice" | "bob";

interface Step {
  readonly who: Person;
  readonly what: string;
  readonly run: (client: DynamoDBClient) => Promise<unknown>;
  readonly expected: "allowed" | "denied";
}

const id = (value: string): { id: { S: string } } => ({ id: { S: value } });

const STEPS: readonly Step[] = [
  { who: "alice", what: "ListTables", run: (client) => client.send(new ListTablesCommand({})), expected: "allowed" },
  {
    who: "alice",
    what: "GetItem orders ada#1",
    run: (client) => client.send(new GetItemCommand({ TableName: "orders", Key: id("ada#1") })),
    expected: "allowed",
  },
  {
    who: "alice",
    what: "PutItem orders ada#3",
    run: (client) =>
      client.send(new PutItemCommand({ TableName: "orders", Item: { ...id("ada#3"), total: { N: "9.99" } } })),
    expected: "allowed",
  },
  {
    who: "alice",
    what: "Scan orders",
    run: (client) => client.send(new ScanCommand({ TableName: "orders" })),
    expected: "allowed",
  },
  {
    who: "alice",
    what: "DeleteTable orders",
    run: (client) => client.send(new DeleteTableCommand({ TableName: "orders" })),
    expected: "denied",
  },
  {
    who: "bob",
    what: "BatchGetItem orders",
    run: (client) =>
      client.send(new BatchGetItemCommand({ RequestItems: { orders: { Keys: [id("ada#1"), id("ada#2")] } } })),
    expected: "allowed",
  },
  {
    who: "bob",
    what: "DescribeTable orders",
    run: (client) => client.send(new DescribeTableCommand({ TableName: "orders" })),
    expected: "allowed",
  },
  {
    who: "bob",
    what: "PutItem orders eve#1",
    run: (client) => client.send(new PutItemCommand({ TableName: "orders", Item: id("eve#1") })),
    expected: "denied",
  },
  {
    who: "bob",
    what: "DeleteItem orders ada#1",
    run: (client) => client.send(new DeleteItemCommand({ TableName: "orders", Key: id("ada#1") })),
    expected: "denied",
  },
  {
    who: "bob",
    what: "DeleteTable orders",
    run: (client) => client.send(new DeleteTableCommand({ TableName: "orders" })),
    expected: "denied",
  },
];

/** Takes the tour. @returns how many steps did not end as they should */
export async function runTour(
  endpoints: Readonly<Record<Person, string>>,
  { say, color }: { say: (text: string) => void; color: boolean },
): Promise<number> {
  const client = (who: Person): DynamoDBClient =>
    new DynamoDBClient({
      endpoint: endpoints[who],
      region: "us-east-1",
      credentials: { accessKeyId: "any", secretAccessKey: "any" },
    });
  const clients = { alice: client("alice"), bob: client("bob") };
  let wrong = 0;
  for (const { who, what, run, expected } of STEPS) {
    const { outcome, reason } = await attempt(() => run(clients[who]));
    if (outcome !== expected) wrong++;
    const painted = color ? `\x1b[${outcome === "allowed" ? 32 : 31}m${outcome.padEnd(7)}\x1b[0m` : outcome.padEnd(7);
    say(`  ${painted}  ${who.padEnd(5)}  ${what.padEnd(24)}${reason}`);
  }
  clients.alice.destroy();
  clients.bob.destroy();
  return wrong;
}

async function attempt(
  run: () => Promise<unknown>,
): Promise<{ outcome: "allowed" | "denied" | "failed"; reason: string }> {
  try {
    await run();
    return { outcome: "allowed", reason: "" };
  } catch (error) {
    if (!(error instanceof Error)) return { outcome: "failed", reason: String(error) };
    // What stands in the brackets of the message is the reason; the rest names user, action and resource again.
    const reason = /\((.*)\) \(decision/.exec(error.message)?.[1] ?? error.message;
    return { outcome: error.name === "AccessDeniedException" ? "denied" : "failed", reason };
  }
}
