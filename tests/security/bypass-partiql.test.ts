import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, describe, it } from "node:test";

import { accessesOf, type Access, type Place } from "../../src/dynamodb/accesses.ts";
import { operationOf } from "../../src/dynamodb/catalogue.ts";
import { RequestError } from "../../src/dynamodb/request-error.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";
import { missing, type Peer, startDynamoDbLocal } from "../support/peers.ts";

const PLACE: Place = { partition: "aws", region: "us-east-1", accountId: "123456789012" };
const SEED = 20_261_122;
const STATEMENTS = 3000;
/** The last is named as an index without quotes is. */
const TABLES = ["public", "secrets", "secrets.all_of_it"];

const BASES = [
  `SELECT * FROM "public" WHERE pk = 'a'`,
  `SELECT v FROM "public"."keys-only" WHERE g = 'g'`,
  `SELECT v FROM secrets.all_of_it WHERE g = 'g'`,
  `SELECT v , pk FROM "public" WHERE pk = 'a' ORDER BY pk`,
  `SELECT * FROM "secrets"."by-group" WHERE g = 'g'`,
  `UPDATE "public" SET n = 1 WHERE pk = 'a' RETURNING ALL OLD *`,
  `DELETE FROM "public" WHERE pk = 'none' RETURNING ALL OLD *`,
  `INSERT INTO "public" VALUE {'pk' : 'n' , 'v' : 'new'}`,
];
const PIECES =
  `"public" "secrets" secrets "by-group" "keys-only" all_of_it . , * v pk g = 'a' WHERE AND OR NOT IN ( ) [ ] { } << >> ORDER BY
  RETURNING ALL OLD NEW MODIFIED BETWEEN IS MISSING NULL AS AT size(v) || 'x''y' "x""y" '\\x' "\\u0022" - + 1 1e0 .5 TRUE SET
  "secrets.all_of_it" REMOVE CASE WHEN END LIKE VALUED @v ; -- /* FROM SELECT EXISTS UNION LET JOIN LIMIT`.split(/\s+/);
const SPACES = [" ", " ", "\t", "\n", "\r\n", ""];

describe("PartiQL that the gateway understands, and DynamoDB Local", async () => {
  const skip = await missing("dynamodbLocal", "java");
  let peer: Peer | undefined;

  before(async () => {
    if (skip !== false) return;
    peer = await startDynamoDbLocal();
    for (const table of TABLES) await createTable(table);
  });
  after(() => peer?.close());

  it("touches no table and no index but those that policy is told of", { skip }, async () => {
    const random = generator(SEED);
    const untouched = await send("Scan", { TableName: "secrets" });
    let accepted = 0;
    let served = 0;
    for (let count = 0; count < STATEMENTS; count += 1) {
      const statement = mutant(random);
      const access = told(statement);
      if (access === undefined) continue;
      accepted += 1;
      const [status, text] = await send("ExecuteStatement", { Statement: statement });
      if (status !== 200) continue;
      served += 1;
      const message = `${JSON.stringify(statement)}: told ${access.table}/${access.index}, got ${text}`;
      for (const table of TABLES) {
        if (text.includes(`value of ${table}"`)) assert.equal(access.table, table, message);
      }
      // What this index does not hold can only come from somewhere else.
      if (access.index === "keys-only") assert.doesNotMatch(text, /value of/, message);
      if (/value of/.test(text)) assert.ok(access.effects.includes("dynamodb:GetItem"), message);
    }
    assert.deepEqual(await send("Scan", { TableName: "secrets" }), untouched, "a statement wrote elsewhere");
    assert.ok(accepted > STATEMENTS / 10 && served > STATEMENTS / 20, `too few tried: ${accepted}, ${served}`);
  });

  async function createTable(table: string): Promise<void> {
    const index = (name: string, projection: string): object => ({
      IndexName: name,
      KeySchema: [{ AttributeName: "g", KeyType: "HASH" }],
      Projection: { ProjectionType: projection },
    });
    const created = await send("CreateTable", {
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: ["pk", "g"].map((name) => ({ AttributeName: name, AttributeType: "S" })),
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
      GlobalSecondaryIndexes: [index("by-group", "ALL"), index("keys-only", "KEYS_ONLY"), index("all_of_it", "ALL")],
    });
    assert.equal(created[0], 200, created[1]);
    const item = { pk: { S: "a" }, g: { S: "g" }, v: { S: `value of ${table}` } };
    assert.equal((await send("PutItem", { TableName: table, Item: item }))[0], 200);
  }

  async function send(operation: string, body: object): Promise<[status: number, text: string]> {
    const credential = "Credential=key/20261122/us-east-1/dynamodb/aws4_request";
    const response = await fetch(peer?.url ?? "", {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `DynamoDB_20120810.${operation}`,
        authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=host, Signature=00`,
      },
      body: JSON.stringify(body),
    });
    return [response.status, await response.text()];
  }
});

/** The one access of a statement; undefined when it is refused. */
function told(statement: string): Access | undefined {
  const operation = operationOf("DynamoDB_20120810.ExecuteStatement");
  assert.ok(operation);
  try {
    const request = parseRequest(operation, Buffer.from(JSON.stringify({ Statement: statement })));
    const [access, ...others] = accessesOf(request, PLACE);
    assert.deepEqual(others, []);
    return access;
  } catch (error) {
    if (error instanceof RequestError) return undefined;
    throw error;
  }
}

/** One of the statements above with up to two of its tokens removed, replaced or joined by others, oddly spaced. */
function mutant(random: (below: number) => number): string {
  const pick = (from: readonly string[]): string => from[random(from.length)] ?? "";
  const tokens = pick(BASES).match(/'[^']*'|"[^"]*"|[^\s"']+/g) ?? [];
  for (let changes = random(3); changes > 0; changes -= 1) {
    const removed = random(2);
    tokens.splice(random(tokens.length + 1), removed, ...(random(4) === 0 ? [] : [pick(PIECES)]));
  }
  return tokens.map((token) => (random(20) === 0 ? token.toUpperCase() : token) + pick(SPACES)).join("");
}

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
