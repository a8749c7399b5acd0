import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import type { DynamoDbAnswer, DynamoDbCall } from "../../src/store/dynamodb-call.ts";
import { DynamoDbStore } from "../../src/store/dynamodb-store.ts";
import { createStoreTable } from "../../src/store/dynamodb-table.ts";
import { GuardedStore } from "../../src/store/guarded-store.ts";
import type { Store } from "../../src/store/store.ts";
import { eventually } from "../support/eventually.ts";
import { missing, type Peer, startDynamoDbLocal } from "../support/peers.ts";
import { dynamoDbCaller } from "./dynamodb-caller.ts";
import { describeStore, type StorePlace } from "./store-suite.ts";

const skip = await missing("java", "dynamodbLocal");

describeStore("A store in DynamoDB", dynamoDbPlace, skip);
describeStore(
  "A guarded store in DynamoDB",
  async () => {
    const key = randomBytes(32);
    const place = await dynamoDbPlace();
    const inner = new Map<Store, Store>();
    return {
      ...place,
      open: async (clock) => {
        const bare = await place.open(clock);
        const guarded = new GuardedStore(bare, key);
        inner.set(guarded, bare);
        return guarded;
      },
      behindTheBackOf: (watching, write) => place.behindTheBackOf(inner.get(watching) ?? watching, write),
    };
  },
  skip,
);

async function dynamoDbPlace(): Promise<StorePlace> {
  const peer = await startDynamoDbLocal();
  const call = await dynamoDbCaller(peer.url);
  await createStoreTable({ call, table: "cluster" });
  const gates = new Map<Store, { wait: Promise<void> }>();
  return {
    open: async (clock = systemClock) => {
      const gate = { wait: Promise.resolve() };
      const gated: DynamoDbCall = async (operation, body) => {
        await gate.wait;
        return call(operation, body);
      };
      const store = await DynamoDbStore.open({ call: gated, table: "cluster", clock });
      gates.set(store, gate);
      return store;
    },
    // The one that watches hears nothing until the feed is gone, as when its process slept for long.
    behindTheBackOf: async (watching, write) => {
      const gate = gates.get(watching);
      assert.ok(gate !== undefined);
      let open: () => void = () => undefined;
      gate.wait = new Promise((resolve) => {
        open = resolve;
      });
      await write();
      await loseFeed(call);
      open();
    },
    close: () => peer.close(),
  };
}

async function loseFeed(call: DynamoDbCall): Promise<void> {
  for (;;) {
    // A page of answers ends at 1 MB of items.
    const found = await call("Query", {
      TableName: "cluster",
      KeyConditionExpression: "pk = :feed",
      ExpressionAttributeValues: { ":feed": { S: "#changes" } },
      ProjectionExpression: "pk, sk",
      ConsistentRead: true,
    });
    const keys = (found.body as { Items: object[] }).Items;
    if (keys.length === 0) return;
    for (const key of keys) await call("DeleteItem", { TableName: "cluster", Key: key });
  }
}

describe("The DynamoDB store", { skip }, () => {
  let peer: Peer;
  let call: DynamoDbCall;
  let tables = 0;

  before(async () => {
    peer = await startDynamoDbLocal();
    call = await dynamoDbCaller(peer.url);
  });
  after(() => peer.close());

  const newTable = async (): Promise<string> => {
    const table = `table-${(tables += 1)}`;
    await createStoreTable({ call, table });
    return table;
  };
  const open = (table: string, by: DynamoDbCall = call): Promise<DynamoDbStore> =>
    DynamoDbStore.open({ call: by, table, clock: systemClock });

  it("makes its table once, paid by request, with expiry, and refuses one of others", async () => {
    await Promise.all([createStoreTable({ call, table: "made" }), createStoreTable({ call, table: "made" })]);
    const { body } = await call("DescribeTable", { TableName: "made" });
    const { Table: described } = body as { Table: { BillingModeSummary: { BillingMode: string } } };
    assert.equal(described.BillingModeSummary.BillingMode, "PAY_PER_REQUEST");
    const expiry = await call("DescribeTimeToLive", { TableName: "made" });
    assert.deepEqual(expiry.body, {
      TimeToLiveDescription: { AttributeName: "ttl", TimeToLiveStatus: "ENABLED" },
    });
    await call("CreateTable", {
      TableName: "foreign",
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }],
      BillingMode: "PAY_PER_REQUEST",
    });
    await assert.rejects(createStoreTable({ call, table: "foreign" }), { code: "store_corrupt", message: /id HASH/ });
    await assert.rejects(open("absent"), { code: "store_unavailable", message: /"absent".*ResourceNotFound/ });
  });

  it("refuses a table of a newer schema, also one that became newer while it ran", async () => {
    const table = await newTable();
    const store = await open(table);
    await store.write([{ op: "put", kind: "role", name: "a", value: 1 }]);
    await call("UpdateItem", {
      TableName: table,
      Key: { pk: { S: "#meta" }, sk: { S: "counter" } },
      UpdateExpression: "SET schema_version = :next",
      ExpressionAttributeValues: { ":next": { N: "2" } },
    });
    const newer = { code: "store_newer", message: /schema 2.*up to 1/, hint: /newer Postern/ };
    await assert.rejects(store.write([{ op: "put", kind: "role", name: "a", value: 2 }]), newer);
    assert.equal((await store.get("role", "a"))?.value, 1);
    await assert.rejects(open(table), newer);
  });

  it("writes once when answers get lost, and tells of nothing twice", async () => {
    const table = await newTable();
    let lose = 0;
    const store = await open(table, async (operation, body) => {
      const answer = await call(operation, body);
      if (operation === "TransactWriteItems" && (lose += 1) % 2 === 1) throw new Error("The connection was reset");
      return answer;
    });
    for (let n = 0; n < 5; n += 1) await store.write([{ op: "create", kind: "role", name: `n${n}`, value: n }]);
    assert.equal((await store.list("role")).length, 5);
    assert.ok(lose > 5);
    const { body } = await call("GetItem", { TableName: table, Key: { pk: { S: "#meta" }, sk: { S: "counter" } } });
    assert.deepEqual((body as { Item: { seq: object } }).Item.seq, { N: "5" });
  });

  it("waits out what throttles, and says so when it does not end", async () => {
    const table = await newTable();
    const answers: DynamoDbAnswer[] = [];
    const store = await open(table, (operation, body) => {
      const next = answers.shift();
      return next === undefined ? call(operation, body) : Promise.resolve(next);
    });
    const throttled = { status: 400, body: { __type: "com.amazonaws#ThrottlingException", message: "Rate exceeded" } };
    const cancelled = {
      status: 400,
      body: {
        __type: "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        CancellationReasons: [{ Code: "None" }, { Code: "TransactionConflict" }, { Code: "None" }],
      },
    };
    answers.push(throttled, { status: 500, body: {} }, cancelled, cancelled, throttled);
    await store.write([{ op: "create", kind: "role", name: "a", value: 1 }]);
    assert.equal((await store.get("role", "a"))?.value, 1);
    answers.push(...Array.from({ length: 8 }, () => throttled));
    await assert.rejects(store.get("role", "a"), { code: "store_unavailable", message: /Rate exceeded/ });
    answers.push({ status: 400, body: { __type: "x#AccessDeniedException", Message: "not authorized" } });
    await assert.rejects(store.get("role", "a"), {
      code: "store_unavailable",
      message: /AccessDenied.*not authorized/,
    });
  });

  it("calls what is not of its form damage, and quotes none of it", async () => {
    const table = await newTable();
    const store = await open(table);
    await call("PutItem", {
      TableName: table,
      Item: { pk: { S: "role" }, sk: { S: "bad" }, revision: { S: "r" }, json: { S: "hunter2" } },
    });
    for (const attempt of [() => store.get("role", "bad"), () => store.list("role"), () => store.snapshot().next()]) {
      await assert.rejects(attempt, (error: Error & { code: string }) => {
        assert.equal(error.code, "store_corrupt");
        assert.match(error.message, /"bad"/);
        assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /hunter2/);
        return true;
      });
    }
  });

  it("tells of a gap where somebody wrote into the feed, and goes on after it", async () => {
    const table = await newTable();
    const [store, watching] = [await open(table), await open(table)];
    const seen: string[] = [];
    let gaps = 0;
    await watching.watch(
      (changes) => seen.push(...changes.map(({ name }) => name)),
      () => (gaps += 1),
    );
    for (const changes of ["no JSON", "[null]"]) {
      const [before, behind] = [gaps, seen.length];
      const { body } = await call("UpdateItem", {
        TableName: table,
        Key: { pk: { S: "#meta" }, sk: { S: "counter" } },
        UpdateExpression: "ADD seq :one",
        ExpressionAttributeValues: { ":one": { N: "1" } },
        ReturnValues: "ALL_NEW",
      });
      const seq = (body as { Attributes: { seq: { N: string } } }).Attributes.seq.N.padStart(16, "0");
      await call("PutItem", {
        TableName: table,
        Item: { pk: { S: "#changes" }, sk: { S: seq }, changes: { S: changes } },
      });
      await eventually(() => gaps > before);
      await store.write([{ op: "put", kind: "lock", name: "a", value: changes }]);
      await eventually(() => seen.length > behind);
    }
    await Promise.all([store.close(), watching.close()]);
  });

  it("is told by several services in one order", async () => {
    const table = await newTable();
    const stores = await Promise.all([open(table), open(table), open(table)]);
    const seen: string[][] = stores.map(() => []);
    await Promise.all(
      stores.map((store, index) =>
        store.watch(
          (changes) => seen[index]?.push(...changes.map(({ name }) => name)),
          () => assert.fail("a gap"),
        ),
      ),
    );
    await Promise.all(
      stores.flatMap((store, index) =>
        Array.from({ length: 10 }, (_, n) =>
          store.write([{ op: "create", kind: "k", name: `${index}.${n}`, value: n }]),
        ),
      ),
    );
    await eventually(() => seen.every((names) => names.length >= 30));
    assert.deepEqual(seen[1], seen[0]);
    assert.deepEqual(seen[2], seen[0]);
    assert.equal(new Set(seen[0]).size, 30);
    await Promise.all(stores.map((store) => store.close()));
  });

  it("gives a snapshot of one moment though its pages are of several", async () => {
    const table = await newTable();
    const other = await open(table);
    let pages = 0;
    const store = await open(table, async (operation, body) => {
      const answer = await call(operation, body);
      if (operation !== "Scan" || (pages += 1) > 1) return answer;
      await other.write([
        { op: "put", kind: "k", name: "a", value: "new" },
        { op: "put", kind: "k", name: "z", value: "new" },
        { op: "delete", kind: "k", name: "b" },
        { op: "create", kind: "k", name: "c", value: "new" },
        { op: "create", kind: "a", name: "c", value: "new" },
      ]);
      return answer;
    });
    const value = "x".repeat(250_000);
    for (const name of ["a", "b", "z"]) await other.write([{ op: "create", kind: "k", name, value: "old" }]);
    for (let n = 0; n < 8; n += 1) await other.write([{ op: "create", kind: "k", name: `n${n}`, value }]);
    const seen: string[] = [];
    for await (const { kind, name, value: held } of store.snapshot()) {
      seen.push(`${kind} ${name} ${held === value ? "" : JSON.stringify(held)}`);
    }
    assert.ok(pages > 1);
    const filling = Array.from({ length: 8 }, (_, n) => `k n${n} `);
    assert.deepEqual(seen, ['a c "new"', 'k a "new"', 'k c "new"', ...filling, 'k z "new"']);
  });

  it("reads and lists more than one answer of DynamoDB holds", async () => {
    const store = await open(await newTable());
    const value = "x".repeat(250_000);
    for (let n = 0; n < 10; n += 1) await store.write([{ op: "create", kind: "k", name: `n${n}`, value }]);
    assert.equal((await store.list("k")).length, 10);
    assert.equal((await store.list("k", { limit: 7 })).length, 7);
    let count = 0;
    for await (const _ of store.snapshot()) count += 1;
    assert.equal(count, 10);
  });
});
