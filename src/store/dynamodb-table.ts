/** Makes the table that the DynamoDB store needs, when it is missing. */

import { setTimeout as sleep } from "node:timers/promises";
import { ask, type DynamoDbCall, DynamoDbError, refusedByDynamoDb } from "./dynamodb-call.ts";
import { corrupt, unavailable } from "./store-errors.ts";

const POLL_MS = 500;
/** Two minutes: AWS needs some ten seconds. */
const POLLS = 240;

const KEYS = [
  { AttributeName: "pk", KeyType: "HASH" },
  { AttributeName: "sk", KeyType: "RANGE" },
];

/**
 * Makes the table, paid by request, with expiry switched on; leaves one that is there as it is, but for expiry.
 *
 * @throws PosternError `store_corrupt` when a table of this name has other keys, `store_unavailable`
 */
export async function createStoreTable(options: {
  readonly call: DynamoDbCall;
  readonly table: string;
}): Promise<void> {
  const { call, table } = options;
  const perform = async (operation: string, body: object, fine: RegExp): Promise<Readonly<Record<string, unknown>>> => {
    try {
      return await ask(call, table, operation, { TableName: table, ...body });
    } catch (error) {
      if (error instanceof DynamoDbError && fine.test(`${error.type}: ${error.message}`)) return {};
      throw refusedByDynamoDb(table, operation, error);
    }
  };
  const describe = async (): Promise<Described> =>
    ((await perform("DescribeTable", {}, /^ResourceNotFound/))["Table"] ?? {}) as Described;

  let described = await describe();
  if (described.TableStatus === undefined) {
    const definitions = ["pk", "sk"].map((name) => ({ AttributeName: name, AttributeType: "S" }));
    const body = { KeySchema: KEYS, AttributeDefinitions: definitions, BillingMode: "PAY_PER_REQUEST" };
    // Another auth service may be faster.
    await perform("CreateTable", body, /^ResourceInUse/);
  }
  for (let poll = 0; described.TableStatus !== "ACTIVE"; poll += 1) {
    if (poll === POLLS) throw unavailable(`make table "${table}"`, "it does not become active", "look at it in AWS");
    if (poll > 0) await sleep(POLL_MS);
    described = await describe();
  }
  const keys = described.KeySchema?.map(({ AttributeName: name, KeyType: type }) => `${name} ${type}`).join();
  if (keys !== "pk HASH,sk RANGE")
    throw corrupt(`table "${table}"`, `a table with other keys has its name: ${keys ?? "none"}`);
  const { TimeToLiveDescription: expiry } = (await perform("DescribeTimeToLive", {}, /^$/)) as {
    readonly TimeToLiveDescription?: { readonly TimeToLiveStatus?: string };
  };
  if (expiry?.TimeToLiveStatus?.startsWith("ENABL") === true) return;
  const specification = { TimeToLiveSpecification: { AttributeName: "ttl", Enabled: true } };
  await perform("UpdateTimeToLive", specification, /already enabled/i);
}

interface Described {
  readonly TableStatus?: string;
  readonly KeySchema?: readonly { readonly AttributeName: string; readonly KeyType: string }[];
}
