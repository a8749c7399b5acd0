import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolveDatabase } from "../../../src/aws/database.ts";
import type { TableSchema } from "../../../src/dynamodb/key-schema.ts";
import { type Departure, STAYING } from "../../../src/gateway/ports.ts";
import {
  type Describe,
  type Description,
  FRESH_MS,
  PAUSE_MS,
  REFUSED_MS,
  TableSchemas,
  USABLE_MS,
} from "../../../src/gateway/table-schemas.ts";
import { eventually } from "../../support/eventually.ts";

const schema = (id: string): TableSchema => ({
  table: "orders",
  id,
  partition: [{ name: "pk", type: "S" }],
  sort: [],
  indexes: new Map(),
});

function setUp(key_schema?: object, patience?: number) {
  let now = 0;
  let asked = 0;
  const clock = { now: () => now, monotonic: () => now };
  const database = resolveDatabase({
    name: "db",
    protocol: "dynamodb",
    aws: { region: "us-east-1", account_id: "123456789012" },
    ...(key_schema === undefined ? {} : { key_schema: key_schema as never }),
  });
  const schemas = new TableSchemas({ clock, ...(patience === undefined ? {} : { patience }) }).of(database);
  const learnBy = (describe: Describe, role = "r", client: Departure = STAYING): Promise<void> =>
    schemas.learn(role, ["orders"], describe, client);
  return {
    schemas,
    pass: (ms: number) => (now += ms),
    asked: () => asked,
    learnBy,
    learn: (answer: Description, role?: string) =>
      learnBy(async () => {
        asked += 1;
        return answer;
      }, role),
    known: () => schemas.schemaOf("orders")?.id,
    why: (role = "r") => schemas.whyUnknown(role, "orders"),
  };
}

/** A question that is answered when told to. */
function answerable(): { describe: Describe; answer: (description: Description) => void } {
  let answer: (description: Description) => void = () => undefined;
  const answered = new Promise<Description>((resolve) => (answer = resolve));
  return { describe: () => answered, answer };
}

describe("DatabaseSchemas", () => {
  it("takes a schema as it is for a minute, and asks again then", async () => {
    const { learn, pass, known, asked } = setUp();
    await learn(schema("a"));
    assert.equal(known(), "a");
    pass(FRESH_MS - 1);
    await learn(schema("b"));
    assert.deepEqual([known(), asked()], ["a", 1]);
    pass(1);
    assert.equal(known(), undefined);
    await learn(schema("b"));
    assert.deepEqual([known(), asked()], ["b", 2]);
  });

  it("serves on for five minutes while DynamoDB cannot be asked, asking again every few seconds", async () => {
    const { learn, pass, known, asked } = setUp();
    await learn(schema("a"));
    pass(FRESH_MS);
    await learn("unavailable");
    assert.deepEqual([known(), asked()], ["a", 2]);
    pass(PAUSE_MS);
    assert.equal(known(), undefined);
    await learn("unavailable");
    assert.deepEqual([known(), asked()], ["a", 3]);
    pass(USABLE_MS);
    await learn("unavailable");
    assert.equal(known(), undefined);
  });

  it("does not ask a role again that may not describe the table, but does ask another", async () => {
    const { learn, pass, known, asked } = setUp();
    await learn("refused");
    await learn(schema("a"));
    assert.deepEqual([known(), asked()], [undefined, 1]);
    await learn(schema("a"), "other");
    assert.deepEqual([known(), asked()], ["a", 2]);
    pass(FRESH_MS + REFUSED_MS);
    await learn(schema("b"));
    assert.equal(known(), "b");
  });

  it("asks again at once for a table that is doubted, then not for a while, and does not serve what was doubted", async () => {
    const { schemas, learn, pass, known } = setUp();
    await learn(schema("a"));
    schemas.doubt("orders");
    assert.equal(known(), undefined);
    await learn("unavailable");
    assert.equal(known(), undefined);
    pass(PAUSE_MS);
    await learn(schema("b"));
    schemas.doubt("orders");
    assert.equal(known(), "b");
    pass(PAUSE_MS);
    schemas.doubt("orders");
    assert.equal(known(), undefined);
  });

  it("asks once for a hundred that want to know", async () => {
    const { learn, asked, known } = setUp();
    await Promise.all(Array.from({ length: 100 }, () => learn(schema("a"))));
    assert.deepEqual([known(), asked()], ["a", 1]);
  });

  it("takes no answer to a question that was asked before the table was changed", async () => {
    const { schemas, learn, learnBy, known, why } = setUp();
    const early = answerable();
    const waiting = learnBy(early.describe);
    schemas.forget("orders");
    assert.equal(known(), undefined);
    await learn(schema("new"));
    early.answer(schema("old"));
    await waiting;
    assert.equal(known(), "new");
    schemas.forget("orders");
    assert.deepEqual([known(), why()], [undefined, "unavailable"]);
  });

  it("takes the later of two questions' answers, whichever comes first", async () => {
    const { learn, learnBy, pass, known } = setUp();
    const early = answerable();
    const waiting = learnBy(early.describe);
    pass(1);
    await learn(schema("new"), "other");
    early.answer(schema("old"));
    await waiting;
    assert.equal(known(), "new");
  });

  it("waits no longer than its patience, also when the question does not heed it, and asks again after a while", async () => {
    const { learn, learnBy, pass, known, why } = setUp(undefined, 5);
    await learnBy(() => new Promise(() => undefined));
    assert.deepEqual([known(), why()], [undefined, "unavailable"]);
    await eventually(async () => {
      pass(PAUSE_MS);
      await learn(schema("a"));
      return known() === "a";
    });
  });

  it("takes an exception for no answer", async () => {
    const { learnBy, why } = setUp();
    await learnBy(() => Promise.reject(new Error("unexpected")));
    assert.equal(why(), "unavailable");
  });

  it("does not wait for a client that has gone, whose question goes on for the others", async () => {
    const { learnBy, known } = setUp();
    const { describe: ask, answer } = answerable();
    let leave = (): void => undefined;
    const others = learnBy(ask);
    const gone = learnBy(ask, "r", { gone: false, onGone: (listener) => (leave = () => listener.clientGone()) });
    leave();
    await gone;
    assert.equal(known(), undefined);
    answer(schema("a"));
    await others;
    assert.equal(known(), "a");
  });

  it("asks for few tables at once, and for no more than DynamoDB takes in a request", async () => {
    const { schemas } = setUp();
    let underWay = 0;
    let most = 0;
    const asked: string[] = [];
    const tables = Array.from({ length: 150 }, (_, at) => `table-${at}`);
    await schemas.learn(
      "r",
      tables,
      async (table) => {
        asked.push(table);
        most = Math.max(most, ++underWay);
        await Promise.resolve();
        underWay -= 1;
        return { ...schema("a"), table };
      },
      STAYING,
    );
    assert.deepEqual(asked, tables.slice(0, 100));
    assert.equal(most, 16);
  });

  it("lets only so many questions be under way, however many requests want to ask", async () => {
    const { schemas } = setUp(undefined, 5);
    const asked = new Set<string>();
    await Promise.all(
      Array.from({ length: 300 }, (_, at) =>
        schemas.learn(
          "r",
          [`table-${at}`],
          (table) => {
            asked.add(table);
            return new Promise(() => undefined);
          },
          STAYING,
        ),
      ),
    );
    assert.equal(asked.size, 128);
    assert.equal(schemas.whyUnknown("r", "table-299"), "unavailable");
  });

  it("says why a table is not known, to each role for itself", async () => {
    const { learn, why, pass } = setUp();
    await learn("refused");
    await learn("unreadable", "other");
    assert.deepEqual([why(), why("other"), why("third")], ["refused", "unreadable", "unavailable"]);
    await learn(schema("a"), "third");
    assert.equal(why(), undefined);
    pass(FRESH_MS);
    assert.equal(why(), "unavailable");
  });

  it("takes the configuration's word without asking, projections included", async () => {
    const { schemas, learn, asked } = setUp({
      orders: {
        partition_key: "tenant",
        sort_key: { name: "id", type: "N" },
        indexes: {
          whole: { partition_key: ["a", { name: "b", type: "B" }], projection: "all" },
          keys: { partition_key: "a", projection: "keys_only" },
          some: { partition_key: "a", projection: ["x"] },
          unknown: { partition_key: "a" },
        },
      },
    });
    await learn(schema("a"));
    assert.equal(asked(), 0);
    assert.equal(schemas.whyUnknown("r", "orders"), "configured");
    const known = schemas.schemaOf("orders");
    assert.deepEqual(
      [known?.id, known?.partition, known?.sort],
      [null, [{ name: "tenant", type: null }], [{ name: "id", type: "N" }]],
    );
    assert.deepEqual(known?.indexes.get("whole")?.partition, [
      { name: "a", type: null },
      { name: "b", type: "B" },
    ]);
    assert.deepEqual(
      ["whole", "keys", "some", "unknown"].map((index) => known?.indexes.get(index)?.projected),
      ["all", ["a", "id", "tenant"], ["a", "id", "tenant", "x"], null],
    );
  });
});
