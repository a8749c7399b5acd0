import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolveDatabase } from "../../../src/aws/database.ts";
import type { Config } from "../../../src/config/config.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

describe("key_schema", () => {
  it("gives keys as names, with their types, or several for an index, and what the index holds", () => {
    const config = parse(`
        orders:
          partition_key: tenant
          sort_key: {name: id, type: N}
          indexes:
            by-status: {partition_key: [status, {name: day, type: S}], sort_key: created, projection: keys_only}
            by-city: {partition_key: city, projection: [a, b]}
            whole: {partition_key: [x], projection: all}`);
    const [spec] = config.db_service.databases;
    assert.ok(spec !== undefined);
    const orders = resolveDatabase(spec).keySchemas.get("orders");
    assert.ok(orders !== undefined);
    assert.deepEqual(
      { ...orders, indexes: Object.fromEntries(orders.indexes) },
      {
        partition: [{ name: "tenant", type: null }],
        sort: [{ name: "id", type: "N" }],
        indexes: {
          "by-status": {
            partition: [
              { name: "status", type: null },
              { name: "day", type: "S" },
            ],
            sort: [{ name: "created", type: null }],
            projection: "keys_only",
          },
          "by-city": { partition: [{ name: "city", type: null }], sort: [], projection: ["a", "b"] },
          whole: { partition: [{ name: "x", type: null }], sort: [], projection: "all" },
        },
      },
    );
  });

  it("is refused at the place of the fault, with what was meant", () => {
    const faults: [string, RegExp][] = [
      ["{orders: {partition_kye: a}}", /8:29 .*orders: unknown key "partition_kye" \(did you mean "partition_key"\?\)/],
      ["{orders: {}}", /8:28 .*orders\.partition_key: is missing/],
      ["{orders: {partition_key: [a, b]}}", /8:44 .*: expected a partition key: an attribute's name, or {name, type}/],
      ['{orders: {partition_key: ""}}', /8:44 .*: expected an attribute's name/],
      ["{orders: {partition_key: {name: a, typ: S}}}", /8:54 .*: unknown key "typ" \(did you mean "type"\?\)/],
      ["{orders: {partition_key: {name: a, type: X}}}", /8:60 .*\.type: expected S, N or B, not "X"/],
      ["{orders: {partition_key: a, sort_key: a}}", /8:57 .*sort_key: the attribute "a" is a key already/],
      [
        "{orders: {partition_key: a, indexes: {i: {partition_key: a}}}}",
        /8:57 .*key "i": expected the name of an index/,
      ],
      [
        "{orders: {partition_key: a, indexes: {idx: {partition_key: [a, b, c, d, e]}}}}",
        /8:78 .*: expected a partition key: .* up to four of them, not a list/,
      ],
      [
        "{orders: {partition_key: a, indexes: {idx: {partition_key: [a, b], sort_key: [c, b]}}}}",
        /8:96 .*sort_key: the attribute "b" is a key already/,
      ],
      [
        "{orders: {partition_key: a, indexes: {idx: {partition_key: b, projection: al}}}}",
        /8:93 .*projection: expected all, keys_only, or a list of attributes, not "al"/,
      ],
      ["{o: {partition_key: a}}", /8:20 .*key "o": expected the name of a table/],
      ["{orders: tenant}", /8:28 .*orders: expected a mapping, not "tenant"/],
    ];
    for (const [text, expected] of faults) {
      assert.throws(
        () => parse(text),
        (error) => {
          assert.ok(error instanceof ConfigError, text);
          const words = error.problems.map(
            ({ line, column, message, hint }) => `${line}:${column} ${message} (${hint})`,
          );
          assert.match(words.join("\n"), expected, text);
          return true;
        },
      );
    }
  });
});

function parse(schema: string): Config {
  return parseConfig(
    `version: v3
postern: {resources: r}
db_service:
  enabled: yes
  databases:
    - name: d
      protocol: dynamodb
      key_schema: ${schema}
      aws: {region: us-east-1, account_id: "123456789012"}
`,
    "/etc/postern.yaml",
    { env: {} },
  );
}
