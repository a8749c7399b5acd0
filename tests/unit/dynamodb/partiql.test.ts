import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseStatement, type Statement } from "../../../src/dynamodb/partiql/statement.ts";
import { PartiqlError, tokensOf } from "../../../src/dynamodb/partiql/tokens.ts";
import { accesses, brief, refused } from "./support.ts";

describe("tokensOf()", () => {
  it("splits a statement without losing a character", () => {
    const text = `SELECT a."b ""c""", 'it''s ?', 1.5e-3, .5 FROM "T" WHERE x<>? AND y<=<<1,2>> AND z=[{'k':?}]`;
    const tokens = tokensOf(text);
    assert.deepEqual(
      tokens.slice(0, 8).map((token) => [token.kind, token.text]),
      [
        ["word", "SELECT"],
        ["word", "a"],
        ["symbol", "."],
        ["quoted", 'b "c"'],
        ["symbol", ","],
        ["string", "it's ?"],
        ["symbol", ","],
        ["number", "1.5e-3"],
      ],
    );
    let at = 0;
    for (const token of tokens) {
      assert.match(text.slice(at, token.start), /^\s*$/);
      at = token.end;
    }
    assert.equal(at, text.length);
    assert.equal(tokens.filter((token) => token.kind === "parameter").length, 2);
  });

  it("refuses comments, semicolons, backquotes, open quotes and what is not ASCII outside quotes", () => {
    for (const text of [
      "SELECT -- x",
      "SELECT /* x */ 1",
      "a;",
      "`a`",
      "'open",
      '"open',
      "'a''",
      "é",
      "SELECT\u00a0x",
      "a\u000bb",
      "a\u0000",
      "@x",
      "#x",
      "$x",
      "a\\b",
      "'a\\'",
      "'a\\' FROM orders WHERE x = ' FROM secret'",
      '"a\\""',
      "1x",
      "1.2.3",
      "1e",
      "&",
      "~",
      "!",
    ]) {
      assert.throws(() => tokensOf(text), PartiqlError, text);
    }
  });
});

describe("parseStatement() (pitfall 47)", () => {
  it("understands the five kinds of statement", () => {
    const cases: [string, Partial<Statement>][] = [
      [`SELECT * FROM orders`, { kind: "select", table: "orders", index: null }],
      [
        `select a, b.c[0] from "orders" where pk = ? and size(a) > 3 order by sk desc`,
        { kind: "select", parameters: 1 },
      ],
      [`SELECT * FROM "orders"."by-date" WHERE d IN ['x','y']`, { kind: "select", table: "orders", index: "by-date" }],
      [`SELECT "from", 'FROM secret' FROM orders`, { kind: "select", table: "orders" }],
      [`INSERT INTO "my.table" VALUE {'pk': ?, 'list': [1, {'a': <<1>>}]}`, { kind: "insert", table: "my.table" }],
      [`INSERT INTO orders VALUE ?`, { kind: "insert", parameters: 1 }],
      [
        `Update orders Set a = a + 1 Remove b Set c = list_append(c, [?]) Where pk = 'x' Returning All New *`,
        { kind: "update", returning: "ALL_NEW" },
      ],
      [`UPDATE orders SET a=1 WHERE pk='x' RETURNING MODIFIED OLD *`, { kind: "update", returning: "UPDATED_OLD" }],
      [`DELETE FROM orders WHERE pk = 'x' RETURNING ALL OLD *`, { kind: "delete", returning: "ALL_OLD" }],
      [`EXISTS(SELECT * FROM orders WHERE pk = (1))`, { kind: "exists", table: "orders" }],
      ["\n\tSELECT\r\n*FROM\"orders\"WHERE\tpk='a'", { kind: "select", table: "orders" }],
    ];
    for (const [text, expected] of cases) {
      const statement = parseStatement(text);
      for (const [member, value] of Object.entries(expected)) {
        assert.equal(statement[member as keyof Statement], value, `${text}: ${member}`);
      }
    }
  });

  it("refuses whatever would name a second table or hide one", () => {
    for (const text of [
      "SELECT * FROM a, b",
      "SELECT * FROM a JOIN b ON a.x = b.x",
      "SELECT * FROM a CROSS JOIN b",
      "SELECT * FROM a UNION SELECT * FROM b",
      "SELECT * FROM a WHERE x IN (SELECT y FROM b)",
      "SELECT (SELECT x FROM b) FROM a",
      "SELECT * FROM (SELECT * FROM b)",
      "SELECT * FROM a WHERE EXISTS(SELECT * FROM b)",
      "SELECT * FROM a AS b",
      "SELECT * FROM a b",
      'SELECT * FROM "a" "b"',
      "SELECT * FROM a.b",
      'SELECT * FROM "abc".def',
      'SELECT * FROM abc."def"',
      'SELECT * FROM "a"."b"."c"',
      "SELECT * FROM a[0]",
      "SELECT * FROM my-table",
      "SELECT * FROM ?",
      "SELECT * FROM 'orders'",
      "SELECT * FROM <<1>>",
      "SELECT * FROM WHERE",
      "SELECT * FROM a; DELETE FROM b",
      "SELECT * FROM a;",
      "SELECT * FROM a -- FROM b",
      "INSERT INTO a VALUE {'x': (SELECT * FROM b)}",
      "INSERT INTO a SELECT * FROM b",
      "INSERT INTO a << {'x':1}, {'x':2} >>",
      "INSERT INTO a VALUE {'x':1} ON CONFLICT DO REPLACE EXCLUDED",
      "INSERT INTO a VALUE {'x':1}, {'x':2}",
      `INSERT INTO "abc"."idx" VALUE {'x':1}`,
      "INSERT INTO a VALUE ? WHERE x = 1",
      "UPDATE a SET x = 1 FROM b WHERE y = 2",
      "UPDATE a WHERE x = 1",
      "UPDATE a, b SET x = 1",
      "UPDATE a SET WHERE x = 1",
      "UPDATE a SET x = 1 WHERE y = 2 RETURNING SOME OLD *",
      "UPDATE a SET x = 1 WHERE y = 2 RETURNING ALL OLD * FROM b",
      "DELETE FROM a WHERE x = 1 DELETE FROM b",
      "DELETE a WHERE x = 1",
      "EXISTS(SELECT * FROM a WHERE x = 1) EXISTS(SELECT * FROM b)",
      "EXISTS(SELECT * FROM a WHERE x = 1",
      "EXISTS SELECT * FROM a",
      "EXISTS(DELETE FROM a)",
      "UPSERT INTO a VALUE {'x':1}",
      "REPLACE INTO a VALUE {'x':1}",
      "EXPLAIN SELECT * FROM a",
      "WITH x AS (SELECT * FROM b) SELECT * FROM a",
      "DROP TABLE a",
      "(SELECT * FROM a)",
      "",
      "   ",
      "?",
      "'SELECT'",
      "SELECT FROM a",
      "SELECT *",
      "SELECT * FROM a WHERE",
      "SELECT * FROM a ORDER BY",
      "SELECT * FROM a ORDER x",
      "SELECT * FROM a LIMIT 1",
    ]) {
      assert.throws(() => parseStatement(text), PartiqlError, text);
    }
  });

  it("refuses brackets that do not close what they opened, however many, without overflowing the stack", () => {
    for (const text of ["(", ")", "(]", "[(])", "{", "}", "<<1", "1>>", "<<[1>>]", "(".repeat(8000)]) {
      assert.throws(() => parseStatement(`SELECT * FROM a WHERE x = ${text}`), PartiqlError, text.slice(0, 10));
    }
    assert.equal(parseStatement(`SELECT * FROM a WHERE x = ${"(".repeat(4000)}1${")".repeat(4000)}`).table, "a");
  });
});

describe("accesses of PartiQL", () => {
  it("carry PartiQL's own actions, with the index and what the statement amounts to (pitfall 51)", () => {
    assert.deepEqual(brief("ExecuteStatement", { Statement: `SELECT * FROM "orders"."by-date" WHERE d='x'` }), [
      "PartiQLSelect table/orders/index/by-date GetItem+Query+Scan",
    ]);
    const [select] = accesses("ExecuteStatement", {
      Statement: "SELECT * FROM orders WHERE pk='x'",
      ConsistentRead: true,
    });
    assert.deepEqual(
      [select?.full_scan, select?.consistent, select?.level, select?.via],
      [true, true, "read", "ExecuteStatement"],
    );
    const returning = `DELETE FROM orders WHERE pk='x' RETURNING ALL OLD *`;
    const [removed] = accesses("ExecuteStatement", { Statement: returning });
    assert.deepEqual(
      [removed?.action, removed?.return_values, removed?.effects],
      ["dynamodb:PartiQLDelete", "ALL_OLD", ["dynamodb:DeleteItem", "dynamodb:GetItem"]],
    );
    const failing = { Statement: "UPDATE orders SET a=1 WHERE pk='x'", ReturnValuesOnConditionCheckFailure: "ALL_OLD" };
    assert.equal(accesses("ExecuteStatement", failing)[0]?.return_values, "ALL_OLD");
  });

  it("are listed for every statement of a batch or transaction, with EXISTS as a read of its table", () => {
    const statements = [
      { Statement: "INSERT INTO one VALUE {'pk':'a'}" },
      { Statement: "EXISTS(SELECT * FROM two WHERE pk='a')" },
      { Statement: 'UPDATE "three" SET a=? WHERE pk=?', Parameters: [{ N: "1" }, { S: "a" }] },
      { Statement: "INSERT INTO \"one\" VALUE {'pk':'b'}" },
    ];
    assert.deepEqual(brief("ExecuteTransaction", { TransactStatements: statements }), [
      "PartiQLInsert table/one PutItem",
      "PartiQLSelect table/two ConditionCheckItem+GetItem+Query+Scan",
      "PartiQLUpdate table/three UpdateItem",
    ]);
    assert.deepEqual(
      brief("BatchExecuteStatement", { Statements: [{ Statement: "SELECT * FROM one WHERE pk='a'" }] }),
      ["PartiQLSelect table/one BatchGetItem+GetItem+Query+Scan"],
    );
    refused(
      "ExecuteStatement",
      { Statement: "EXISTS(SELECT * FROM two)" },
      "ValidationException",
      /only in transactions/,
    );
  });

  it("refuse an ARN, a malformed name or a wrong number of parameters (pitfall 48)", () => {
    const at = "Statement";
    for (const name of [
      "arn:aws:dynamodb:us-east-1:123456789012:table/orders",
      "or",
      "ord ers",
      "orders/index/x",
      "оrders",
      "",
    ]) {
      refused("ExecuteStatement", { Statement: `SELECT * FROM "${name}"` }, "ValidationException", /./, at);
    }
    refused("ExecuteStatement", { Statement: `SELECT * FROM "orders"."a/b"` }, "ValidationException", /index name/, at);
    refused(
      "ExecuteStatement",
      { Statement: "SELECT * FROM orders WHERE pk=?" },
      "ValidationException",
      /Number of parameters/,
    );
    refused(
      "ExecuteStatement",
      { Statement: "SELECT * FROM orders WHERE pk='?'", Parameters: [{ S: "a" }] },
      "ValidationException",
      /Number/,
    );
    refused(
      "BatchExecuteStatement",
      { Statements: [{ Statement: "SELECT * FROM orders" }, { Statement: "SELECT * FROM" }] },
      "ValidationException",
      /Statements\[1\]\.Statement/,
      "Statements[1].Statement",
    );
  });
});
