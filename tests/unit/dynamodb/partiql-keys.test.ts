import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Access, understand } from "../../../src/dynamodb/accesses.ts";
import type { KeyAttribute, TableSchema } from "../../../src/dynamodb/key-schema.ts";
import { PLACE, request } from "./support.ts";

const S = (name: string): KeyAttribute => ({ name, type: "S" });
const N = (name: string): KeyAttribute => ({ name, type: "N" });
/** orders: tenant (S) and id (N); an index by state and created, one of the same partition, and one of several attributes. */
const ORDERS: TableSchema = {
  table: "orders",
  id: "one",
  partition: [S("tenant")],
  sort: [N("id")],
  indexes: new Map([
    ["by-state", { partition: [S("state")], sort: [S("created")], projected: "all" }],
    ["by-price", { partition: [S("tenant")], sort: [N("price")], projected: "all" }],
    ["by-place", { partition: [S("country"), S("city")], sort: [S("street"), N("house")], projected: "all" }],
  ]),
};

function select(where: string, from = "orders"): Access {
  const Statement = `SELECT note FROM ${from} WHERE ${where}`;
  const { accesses } = understand(request("ExecuteStatement", { Statement }), PLACE, {
    schemaOf: (table) => (table === "orders" ? ORDERS : undefined),
  });
  const [access] = accesses;
  assert.ok(access !== undefined);
  return access;
}

/** The partitions to which a SELECT is confined; null when it is a scan. */
function partitions(where: string, from?: string): readonly string[] | null {
  const access = select(where, from);
  assert.equal(access.full_scan, !access.keys_known, where);
  assert.equal(access.effects.includes("dynamodb:Scan"), access.full_scan, where);
  return access.keys_known ? access.leading_keys : null;
}

describe("partitions of a SELECT", () => {
  it("are known when each key attribute has one condition that a Query takes", () => {
    for (const where of [
      "tenant = 'ada'",
      "'ada' = tenant",
      "(tenant) = ('ada') AND (id = 1)",
      "tenant = 'ada' AND id > 1",
      "1 <= id AND tenant = 'ada'",
      "tenant = 'ada' AND (id BETWEEN 1 AND 2 AND note = 'x')",
      "tenant = 'ada' AND (note = 'x' OR NOT contains(note, 'y')) AND price IN [1, 2]",
    ]) {
      assert.deepEqual(partitions(where), ["ada"], where);
    }
    assert.deepEqual(partitions("tenant IN ['ada', 'bob'] AND id = 1"), ["ada", "bob"]);
    assert.deepEqual(partitions("state = 'open' AND begins_with(created, '2026')", `"orders"."by-state"`), ["open"]);
  });

  it("are anybody's when a key attribute stands in another condition, for which DynamoDB scans (pitfall 36)", () => {
    for (const more of [
      "id <> 1",
      "NOT id = 1",
      "id IN [1, 2]",
      "id NOT IN [1]",
      "id NOT BETWEEN 1 AND 2",
      "id > 1 AND id < 5",
      "id = 1 AND id = 1",
      "id = 1 AND (note = 'x' AND id > 0)",
      "contains(id, 1)",
      "attribute_exists(id)",
      "id IS NOT MISSING",
      "size(id) = 1",
      "id = price",
      "id BETWEEN price AND 5",
      "price = id",
      "price IN [id]",
      "price BETWEEN id AND 5",
      "id + 1 = 2",
      "id.x = 1",
      "id[0] = 1",
      "(id = 1 OR id = 2)",
      "(note = 'x' OR id <> 2)",
      "begins_with(note, id)",
      "begins_with(id, note)",
      "tenant = 'ada'",
      "tenant = 'bob'",
      "tenant IN ['ada']",
      "tenant <> 'bob'",
      "tenant > 'a'",
      "begins_with(tenant, 'ada')",
      "contains(tenant, 'ada')",
      "attribute_exists(tenant)",
      "attribute_exists(tenant.x)",
      "NOT tenant = 'bob'",
      "(note = 'x' OR tenant = 'bob')",
      "note = tenant",
    ]) {
      for (const where of [`tenant = 'ada' AND ${more}`, `${more} AND tenant IN ['ada', 'bob']`]) {
        assert.equal(partitions(where), null, where);
      }
    }
  });

  it("turn on the keys of the index that is read, not on the table's (pitfall 23)", () => {
    const [state, price] = [`"orders"."by-state"`, `"orders"."by-price"`];
    assert.deepEqual(partitions("state = 'open' AND tenant <> 'ada' AND id IN [1, 2]", state), ["open"]);
    assert.equal(partitions("state = 'open' AND created <> 'x'", state), null);
    assert.deepEqual(partitions("tenant = 'ada' AND id <> 1 AND price = 1", price), ["ada"]);
    assert.equal(partitions("tenant = 'ada' AND price <> 1", price), null);
  });

  it("of several key attributes are given from the left, without a gap", () => {
    const from = `"orders"."by-place"`;
    const place = "country = 'x' AND city = 'y'";
    for (const more of ["street = 'z'", "street > 'a'", "street = 'z' AND house > 1", "house = 1 AND street = 'z'"]) {
      assert.deepEqual(partitions(`${place} AND ${more}`, from), ["x"], more);
    }
    for (const more of ["house = 1", "street > 'a' AND house = 1", "street <> 'z'"]) {
      assert.equal(partitions(`${place} AND ${more}`, from), null, more);
    }
    assert.equal(partitions("country = 'x' AND city > 'a'", from), null);
    assert.equal(partitions("country = 'x'", from), null);
  });
});

describe("the partition of a change", () => {
  const change = (statement: string, schema?: TableSchema): unknown => {
    const { accesses, wantingKeys } = understand(request("ExecuteStatement", { Statement: statement }), PLACE, {
      schemaOf: () => schema,
    });
    return accesses[0]?.keys_known === true ? accesses[0].leading_keys : wantingKeys;
  };

  it("is the only equality's, without the schema, when no other attribute could be the key (pitfall 30)", () => {
    for (const where of ["tenant = 'ada'", "'ada' = tenant AND attribute_exists(tenant)"]) {
      assert.deepEqual(change(`DELETE FROM notes WHERE ${where}`), ["ada"], where);
    }
    for (const more of [
      "NOT tenant <> 'bob'",
      "tenant BETWEEN 'bob' AND 'bob'",
      "(tenant = 'bob' OR tenant = 'bob')",
      "tenant IN ['bob']",
      "tenant = owner",
      "attribute_exists(tenant)",
      "notes.tenant = 'bob'",
    ]) {
      for (const statement of ["UPDATE notes SET x = 1", "DELETE FROM notes"]) {
        assert.deepEqual(change(`${statement} WHERE owner = 'ada' AND ${more}`), ["notes"], more);
      }
    }
    assert.deepEqual(change("DELETE FROM orders WHERE tenant = 'ada' AND id = 1 AND NOT note = 'x'", ORDERS), ["ada"]);
    assert.deepEqual(change("DELETE FROM orders WHERE note = 'ada' AND NOT tenant <> 'bob'", ORDERS), []);
  });
});
