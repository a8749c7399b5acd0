import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttributeValue } from "../../../src/dynamodb/expressions/ast.ts";
import type { PartiqlStatement } from "../../../src/dynamodb/partiql/ast.ts";
import { equalities, readPaths, writtenPaths } from "../../../src/dynamodb/partiql/facts.ts";
import { parseStatement } from "../../../src/dynamodb/partiql/statement.ts";
import { PartiqlError, tokensOf } from "../../../src/dynamodb/partiql/tokens.ts";
import { accesses, brief, refused } from "./support.ts";

const value = (tag: string, content: unknown): AttributeValue => new Map([[tag, content]]) as AttributeValue;
const S = (text: string): AttributeValue => value("S", text);

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

  it("refuses comments, backquotes, open quotes and what is not ASCII outside quotes", () => {
    for (const text of [
      "SELECT -- x",
      "SELECT /* x */ 1",
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
    const cases: [string, object, (readonly AttributeValue[])?][] = [
      [`SELECT * FROM orders`, { kind: "select", exists: false, table: "orders", index: null, projection: "all" }],
      [`select a, b.c[0] from "orders" where pk = ? and size(a) > 3 order by sk desc`, { orderBy: [["sk"]] }, [S("x")]],
      [`SELECT * FROM "orders"."by-date" WHERE d IN ['x','y']`, { table: "orders", index: "by-date" }],
      [`SELECT * FROM orders."by-date"`, { table: "orders", index: "by-date" }],
      [`SELECT * FROM orders.By_date`, { table: "orders", index: "By_date" }],
      [`SELECT * FROM "a.b" . c WHERE d = 1`, { table: "a.b", index: "c" }],
      [`SELECT "from", a."b.c"['d']["e"] FROM orders;`, { projection: [["from"], ["a", "b.c", "d", "e"]] }],
      [
        `INSERT INTO "my.table" VALUE {'pk': ?, 'list': [1, {'a': <<-1>>}], 'n': null}`,
        {
          table: "my.table",
          item: new Map<string, unknown>([
            ["pk", S("x")],
            ["list", value("L", [value("N", "1"), value("M", new Map([["a", value("NS", ["-1"])]]))])],
            ["n", value("NULL", true)],
          ]),
        },
        [S("x")],
      ],
      [
        `Update orders Set a = a + 1 Remove b, c.d Set c = list_append(c, [?]) Where pk = 'x' Returning All New *`,
        { kind: "update", returning: "ALL_NEW", remove: [["b"], ["c", "d"]] },
        [S("x")],
      ],
      [`UPDATE orders SET a=1 WHERE pk='x' RETURNING MODIFIED OLD *`, { kind: "update", returning: "UPDATED_OLD" }],
      [`DELETE FROM orders WHERE pk = 'x' RETURNING ALL OLD *`, { kind: "delete", returning: "ALL_OLD" }],
      [`EXISTS(SELECT * FROM orders WHERE pk = (1))`, { kind: "select", exists: true, table: "orders" }],
      ["\n\tSELECT\r\n*FROM\"orders\"WHERE\tpk='a'", { kind: "select", table: "orders" }],
    ];
    for (const [text, expected, parameters] of cases) {
      const statement = parseStatement(text, parameters ?? []);
      for (const [member, found] of Object.entries(expected)) {
        assert.deepEqual(statement[member as keyof PartiqlStatement], found, `${text}: ${member}`);
      }
    }
  });

  it("names every path that is read, wherever it stands (pitfalls 38, 39)", () => {
    const paths = (text: string): [unknown, unknown] => {
      const statement = parseStatement(text, []);
      return [readPaths(statement).map(String).toSorted(), writtenPaths(statement).map(String)];
    };
    assert.deepEqual(
      paths(
        `SELECT a, b[0] FROM t WHERE NOT (c = d OR begins_with(e, 'x')) AND f BETWEEN 1 AND g AND h IN (1, i)
         AND j IS NOT MISSING AND size(k) > 1 AND l + 1 = 2 ORDER BY m`,
      ),
      [["a", "b,0", ..."cdefghijklm"], []],
    );
    assert.deepEqual(
      paths(`UPDATE t SET a = b, c.d = list_append(e, [1]) + 1 SET f = if_not_exists(g, h) REMOVE i WHERE j = 1`),
      [[..."beghj"], ["a", "c,d", "f", "i"]],
    );
    assert.deepEqual(paths(`DELETE FROM t WHERE a = 1 AND attribute_type(b, 'S')`), [["a", "b"], []]);
    assert.deepEqual(paths(`INSERT INTO t VALUE {'a': 1, 'b': {'c': 1}}`), [[], ["a", "b"]]);
  });

  it("proves keys from conjunctions of equalities and lists alone (pitfall 36)", () => {
    const proven = (where: string, ...parameters: AttributeValue[]): unknown => {
      const statement = parseStatement(`SELECT * FROM t WHERE ${where}`, parameters);
      assert.ok(statement.kind === "select" && statement.where !== null);
      return Object.fromEntries(equalities(statement.where));
    };
    assert.deepEqual(proven("a = 'x' AND 'y' = b AND c > 1"), { a: [S("x")], b: [S("y")] });
    assert.deepEqual(proven("(a) = ('x') AND (b = ?)", value("N", "1")), { a: [S("x")], b: [value("N", "1")] });
    assert.deepEqual(proven("a IN ['x', ?]", S("y")), { a: [S("x"), S("y")] });
    assert.deepEqual(proven("a IN ('x') AND a = 'z'"), { a: [S("x"), S("z")] });
    for (const where of [
      "a = 'x' OR b = 1",
      "NOT a = 'x'",
      "NOT (NOT a = 'x')",
      "a.b = 'x'",
      "a = b",
      "a IN ['x', b]",
      "a NOT IN ['x']",
      "a BETWEEN 'x' AND 'x'",
      "a >= 'x' AND a <= 'x'",
      "begins_with(a, 'x')",
      "a = 'x' AND b = 1 OR c = 1",
      "a = 1 + 1",
    ]) {
      assert.deepEqual(proven(where), {}, where);
    }
  });

  it("wants every parameter used once, in order, and in no other place than a value's", () => {
    const [a, b] = [S("a"), S("b")];
    for (const [text, parameters] of [
      ["SELECT * FROM t WHERE x = ?", []],
      ["SELECT * FROM t WHERE x = ?", [a, b]],
      ["SELECT * FROM t WHERE x = '?'", [a]],
      ["SELECT ? FROM t", [a]],
      ["SELECT * FROM ?", [a]],
      ["SELECT x[?] FROM t", [a]],
      ["INSERT INTO t VALUE {?: 1}", [a]],
      ["INSERT INTO t VALUE ?", [a]],
      ["UPDATE t SET ? = 1 WHERE x = 1", [a]],
    ] as const) {
      assert.throws(() => parseStatement(text, parameters), PartiqlError, text);
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
      "SELECT * FROM a.b.c",
      "SELECT * FROM a.b c",
      "SELECT * FROM a.b-c",
      "SELECT * FROM a.1b",
      "SELECT * FROM a.?",
      "SELECT * FROM a.SELECT",
      'SELECT * FROM "a"."b"."c"',
      "SELECT * FROM a[0]",
      "SELECT * FROM my-table",
      "SELECT * FROM ?",
      "SELECT * FROM 'orders'",
      "SELECT * FROM <<1>>",
      "SELECT * FROM WHERE",
      "SELECT * FROM a; DELETE FROM b",
      "SELECT * FROM a;;",
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
      assert.throws(() => parseStatement(text, []), PartiqlError, text);
    }
  });

  it("refuses brackets that do not close what they opened, however many, without overflowing the stack", () => {
    for (const text of ["(", ")", "(]", "[(])", "{", "}", "<<1", "1>>", "<<[1>>]", "(".repeat(8000)]) {
      assert.throws(() => parseStatement(`SELECT * FROM a WHERE x = ${text}`, []), PartiqlError, text.slice(0, 10));
    }
    assert.equal(parseStatement(`SELECT * FROM a WHERE x = ${"(".repeat(90)}1${")".repeat(90)}`, []).table, "a");
    for (const text of ["(".repeat(4000) + "1" + ")".repeat(4000), `${"NOT ".repeat(2000)}x = 1`, "[".repeat(8000)]) {
      assert.throws(() => parseStatement(`SELECT * FROM a WHERE x = ${text}`, []), PartiqlError);
    }
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
    // DynamoDB Local would read the table, and show attributes that the index does not hold.
    const search = [{ Statement: `SELECT * FROM "one"."by-date" WHERE pk='a'` }];
    const alone = /^Statement wasn't well formed.* an index is read by ExecuteStatement alone$/;
    refused("BatchExecuteStatement", { Statements: search }, "ValidationException", alone);
    refused("ExecuteTransaction", { TransactStatements: search }, "ValidationException", alone);
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
