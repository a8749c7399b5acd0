import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import type { Upstream } from "../../src/gateway/ports.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";

const people = (spec: string): string => `
kind: role
version: v7
metadata: {name: dev}
spec: ${spec}
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [dev]}
---
kind: user
version: v2
metadata: {name: bob}
spec: {roles: [dev]}
`;
const ALL = people(`{allow: {db_labels: {"*": "*"}, db_users: ["*"]}}`);
const SOME = people(
  `{allow: {db_labels: {"*": "*"}, db_users: ["*"], db_rules: [{actions: [read], tables: ["seen*"]}, {actions: [list, "dynamodb:ListStreams"]}]}}`,
);

/** An upstream that lists these tables, page by page, as DynamoDB does. */
function listingTables(tables: readonly string[], calls: { count: number }): (real: Upstream) => Upstream {
  return (real) => ({
    send: (request) => {
      calls.count += 1;
      assert.equal(request.headers["accept-encoding"], "identity");
      const { ExclusiveStartTableName, Limit = 100 } = JSON.parse(Buffer.from(request.body).toString()) as {
        ExclusiveStartTableName?: string;
        Limit?: number;
      };
      const from = ExclusiveStartTableName === undefined ? 0 : tables.indexOf(ExclusiveStartTableName) + 1;
      const TableNames = tables.slice(from, from + Limit);
      const more = from + Limit < tables.length;
      const body = Buffer.from(
        JSON.stringify({ TableNames, ...(more ? { LastEvaluatedTableName: TableNames.at(-1) } : {}) }),
      );
      return Promise.resolve({ status: 200, headers: { "x-amz-crc32": String(crc32(body)) }, body });
    },
    close: () => real.close(),
  });
}

/** All pages of ListTables, as a paginator asks for them. */
async function pages(gateway: TestGateway, Limit?: number, cursors: string[] = []): Promise<string[][]> {
  const found: string[][] = [];
  let ExclusiveStartTableName: string | undefined;
  do {
    const input = {
      ...(Limit === undefined ? {} : { Limit }),
      ...(ExclusiveStartTableName === undefined ? {} : { ExclusiveStartTableName }),
    };
    const { status, body, headers } = await gateway.call("ListTables", input);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(headers.get("x-amz-crc32"), String(crc32(Buffer.from(JSON.stringify(body)))));
    found.push(body["TableNames"] as string[]);
    ExclusiveStartTableName = body["LastEvaluatedTableName"] as string | undefined;
    if (ExclusiveStartTableName !== undefined) cursors.push(ExclusiveStartTableName);
  } while (ExclusiveStartTableName !== undefined && found.length < 100);
  return found;
}

describe("lists (pitfall 28)", () => {
  const tables = Array.from(
    { length: 25 },
    (_, at) => `${[3, 4, 17, 24].includes(at) ? "seen" : "hidden"}-${String(at).padStart(2, "0")}`,
  );
  const seen = tables.filter((name) => name.startsWith("seen"));

  it("show what the caller may work on, page after page, and never a hidden name", async () => {
    for (const Limit of [1, 2, 3, 10, 100, undefined]) {
      const calls = { count: 0 };
      const gateway = await startTestGateway({ resources: SOME, upstream: listingTables(tables, calls) });
      try {
        const cursors: string[] = [];
        const found = await pages(gateway, Limit, cursors);
        assert.deepEqual(found.flat(), seen, `Limit ${Limit}`);
        assert.ok(
          cursors.every((cursor) => cursor.startsWith("seen")),
          cursors.join(", "),
        );
        if (Limit !== undefined) assert.ok(found.every((page) => page.length <= Limit));
      } finally {
        await gateway.close();
      }
    }
  });

  it("pass untouched when nothing in them is hidden", async () => {
    const calls = { count: 0 };
    const gateway = await startTestGateway({ resources: ALL, upstream: listingTables(tables, calls) });
    try {
      assert.deepEqual(await pages(gateway), [tables]);
      assert.equal(calls.count, 1);
    } finally {
      await gateway.close();
    }
  });

  it("never go on behind a hidden name that DynamoDB itself left out of the page", async () => {
    const arn = (table: string, at: number): string =>
      `arn:aws:dynamodb:us-east-1:123456789012:table/${table}/backup/0${at}-abcdef01`;
    // DynamoDB looks at `Limit` backups, and leaves out those of another type.
    const backups = [..."s-hSh-h-hs-Sh-"].map((kind, at) => ({
      BackupArn: arn(kind.toLowerCase() === "s" ? "seen-1" : "hidden-1", at),
      TableName: kind.toLowerCase() === "s" ? "seen-1" : "hidden-1",
      listed: kind !== "-" && kind !== "S",
    }));
    for (const Limit of [1, 2, 3, 4, 100]) {
      const gateway = await startTestGateway({
        resources: SOME,
        upstream: (real) => ({
          send: (request) => {
            const { ExclusiveStartBackupArn: start } = JSON.parse(Buffer.from(request.body).toString()) as {
              ExclusiveStartBackupArn?: string;
            };
            const from = start === undefined ? 0 : backups.findIndex(({ BackupArn }) => BackupArn === start) + 1;
            const looked = backups.slice(from, from + Limit);
            const more = from + Limit < backups.length ? { LastEvaluatedBackupArn: looked.at(-1)?.BackupArn } : {};
            const BackupSummaries = looked
              .filter(({ listed }) => listed)
              .map(({ BackupArn, TableName }) => ({ BackupArn, TableName }));
            return Promise.resolve({
              status: 200,
              headers: {},
              body: Buffer.from(
                JSON.stringify({ ...(BackupSummaries.length > 0 ? { BackupSummaries } : {}), ...more }),
              ),
            });
          },
          close: () => real.close(),
        }),
      });
      try {
        const found: string[] = [];
        let ExclusiveStartBackupArn: string | undefined;
        let rounds = 0;
        do {
          const input = { Limit, ...(ExclusiveStartBackupArn === undefined ? {} : { ExclusiveStartBackupArn }) };
          const { status, body } = await gateway.call("ListBackups", input);
          assert.equal(status, 200);
          assert.doesNotMatch(JSON.stringify(body), /hidden/, `Limit ${Limit}`);
          found.push(...((body["BackupSummaries"] ?? []) as { BackupArn: string }[]).map((entry) => entry.BackupArn));
          ExclusiveStartBackupArn = body["LastEvaluatedBackupArn"] as string | undefined;
        } while (ExclusiveStartBackupArn !== undefined && ++rounds < 50);
        assert.deepEqual(found, [arn("seen-1", 0), arn("seen-1", 9)], `Limit ${Limit}`);
      } finally {
        await gateway.close();
      }
    }
  });

  it("whose pages stand in another order than they follow each other show each entry once", async () => {
    // As DynamoDB Local lists streams: on from the greatest ARN of a page, the newest of the page first.
    const streams = ["seen", "seen", "hidden", "seen", "seen", "hidden", "seen", "hidden", "seen"].map((kind, at) => {
      const TableName = `t${at}-${kind}`;
      return { TableName, at, StreamArn: `arn:aws:dynamodb:us-east-1:123456789012:table/${TableName}/stream/1` };
    });
    const gateway = await startTestGateway({
      resources: SOME.replace("seen*", "*-seen"),
      upstream: (real) => ({
        send: ({ body }) => {
          const { ExclusiveStartStreamArn: start, Limit = 3 } = JSON.parse(Buffer.from(body).toString()) as {
            ExclusiveStartStreamArn?: string;
            Limit?: number;
          };
          const page = streams.filter(({ StreamArn }) => start === undefined || StreamArn > start).slice(0, Limit);
          const more = page.at(-1) === streams.at(-1) ? {} : { LastEvaluatedStreamArn: page.at(-1)?.StreamArn };
          const Streams = page.toSorted((one, other) => other.at - one.at);
          return Promise.resolve({ status: 200, headers: {}, body: Buffer.from(JSON.stringify({ Streams, ...more })) });
        },
        close: () => real.close(),
      }),
    });
    try {
      const found: string[] = [];
      let ExclusiveStartStreamArn: string | undefined;
      let rounds = 0;
      do {
        const input = { Limit: 3, ...(ExclusiveStartStreamArn === undefined ? {} : { ExclusiveStartStreamArn }) };
        const { body } = await gateway.call("DynamoDBStreams_20120810.ListStreams", input);
        assert.doesNotMatch(JSON.stringify(body), /hidden/);
        found.push(...(body["Streams"] as { TableName: string }[]).map(({ TableName }) => TableName));
        ExclusiveStartStreamArn = body["LastEvaluatedStreamArn"] as string | undefined;
      } while (ExclusiveStartStreamArn !== undefined && ++rounds < 20);
      const shown = streams.map(({ TableName }) => TableName).filter((name) => name.endsWith("seen"));
      assert.deepEqual(found.toSorted(), shown.toSorted());
    } finally {
      await gateway.close();
    }
  });

  it("of nothing but hidden tables end, empty, and those of too many pages say so", async () => {
    const gateway = await startTestGateway({
      resources: SOME,
      upstream: listingTables(
        Array.from({ length: 150 }, (_, at) => `hidden-${at}`),
        { count: 0 },
      ),
    });
    try {
      assert.deepEqual(await pages(gateway), [[]]);
      const answer = await gateway.call("ListTables", { Limit: 1 });
      assert.equal(answer.status, 503);
      assert.match(JSON.stringify(answer.body), /100 pages/);
    } finally {
      await gateway.close();
    }
  });

  it("hide what a denial names, and what is no table of this database", async () => {
    const denied = people(
      `{allow: {db_labels: {"*": "*"}, db_users: ["*"]}, deny: {db_rules: [{actions: ["*"], tables: ["pay*"]}]}}`,
    );
    const entries: readonly [operation: string, member: string, entries: readonly unknown[], shown: number][] = [
      ["ListTables", "TableNames", ["payroll", "orders", "no/table", 7], 1],
      ["ListBackups", "BackupSummaries", [{ TableName: "payroll" }, { TableName: "orders" }, {}], 1],
      ["ListGlobalTables", "GlobalTables", [{ GlobalTableName: "payroll" }], 0],
      [
        "ListContributorInsights",
        "ContributorInsightsSummaries",
        [{ TableName: "orders" }, { TableName: "payroll" }],
        1,
      ],
      [
        "ListExports",
        "ExportSummaries",
        [{ ExportArn: "arn:aws:dynamodb:us-east-1:123456789012:table/payroll/export/1" }],
        0,
      ],
      ["ListImports", "ImportSummaryList", [{ TableArn: "arn:aws:dynamodb:us-east-1:123456789012:table/orders" }], 1],
      [
        "ListBulkOperations",
        "BulkOperationsSummaryList",
        [{ BulkOperationArn: "arn:aws:dynamodb:us-east-1:123456789012:table/payroll/bulk/1" }],
        0,
      ],
    ];
    for (const [operation, member, list, shown] of entries) {
      const gateway = await startTestGateway({
        resources: denied,
        upstream: (real) => ({
          send: () =>
            Promise.resolve({
              status: 200,
              headers: {},
              body: Buffer.from(JSON.stringify({ [member]: list, NextToken: "t" })),
            }),
          close: () => real.close(),
        }),
      });
      try {
        const { body, headers } = await gateway.call(operation, {});
        assert.equal((body[member] as unknown[] | undefined)?.length, shown, `${operation} ${JSON.stringify(body)}`);
        assert.equal(body["NextToken"], "t");
        const event = gateway.eventOf(headers.get("x-postern-decision-id"));
        assert.equal(event["status_code"], 200);
      } finally {
        await gateway.close();
      }
    }
  });

  it("that cannot be read are not passed on", async () => {
    for (const [headers, body] of [
      [{}, "<html>"],
      [{}, "[]"],
      [{ "content-encoding": "gzip" }, "{}"],
    ] as const) {
      const gateway = await startTestGateway({
        resources: SOME,
        upstream: (real) => ({
          send: () => Promise.resolve({ status: 200, headers, body: Buffer.from(body) }),
          close: () => real.close(),
        }),
      });
      try {
        const answer = await gateway.call("ListTables", {});
        assert.equal(answer.status, 500);
        assert.match(JSON.stringify(answer.body), /InternalServerError/);
      } finally {
        await gateway.close();
      }
    }
  });
});

const STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000";

/** An upstream that gives out iterators and tokens, and remembers which ones came back. */
function handingOut(returned: string[]): (real: Upstream) => Upstream {
  return (real) => ({
    send: (request) => {
      const operation = request.headers["x-amz-target"]?.split(".")[1];
      const input = JSON.parse(Buffer.from(request.body).toString()) as Record<string, string>;
      const back = input["ShardIterator"] ?? input["NextToken"];
      if (back !== undefined) returned.push(back);
      const answer =
        operation === "GetShardIterator"
          ? { ShardIterator: `${STREAM}|1|AAAA` }
          : operation === "GetRecords"
            ? { Records: [], NextShardIterator: `${STREAM}|1|BBBB` }
            : { Items: [], NextToken: "token-1" };
      const body = Buffer.from(JSON.stringify(answer));
      return Promise.resolve({ status: 200, headers: { "x-amz-crc32": String(crc32(body)) }, body });
    },
    close: () => real.close(),
  });
}

const streams = { "x-amz-target": "DynamoDBStreams_20120810.GetRecords" };
const iterator = { "x-amz-target": "DynamoDBStreams_20120810.GetShardIterator" };
const ASKED = { StreamArn: STREAM, ShardId: "shardId-00000000000000000000-00000000", ShardIteratorType: "LATEST" };

describe("shard iterators and tokens (pitfalls 50, 52, 53)", () => {
  it("serve the session that they were given to, as DynamoDB gave them", async () => {
    const returned: string[] = [];
    const gateway = await startTestGateway({ resources: ALL, upstream: handingOut(returned) });
    try {
      const first = await gateway.call("GetShardIterator", ASKED, iterator);
      const second = await gateway.call("GetRecords", { ShardIterator: first.body["ShardIterator"] }, streams);
      assert.equal(second.status, 200, JSON.stringify(second.body));
      assert.equal(second.headers.get("x-amz-crc32"), String(crc32(Buffer.from(JSON.stringify(second.body)))));
      await gateway.call("GetRecords", { ShardIterator: second.body["NextShardIterator"], Limit: 5 }, streams);
      const statement = { Statement: "SELECT * FROM orders WHERE id = ?", Parameters: [{ S: "a" }] };
      const page = await gateway.call("ExecuteStatement", statement);
      await gateway.call("ExecuteStatement", { ...statement, NextToken: page.body["NextToken"], Limit: 3 });
      assert.deepEqual(returned, [`${STREAM}|1|AAAA`, `${STREAM}|1|BBBB`, "token-1"]);
    } finally {
      await gateway.close();
    }
  });

  it("are refused from anybody else, for anything else, altered, or made up, and nothing is sent", async () => {
    const returned: string[] = [];
    let shared = "";
    let token = "";
    const statement = { Statement: "SELECT * FROM orders WHERE id = 'a'" };
    // One installation: the same key, so that only what is sealed tells one session from another.
    const prepare = (directory: string): void => {
      mkdirSync(join(directory, "data"));
      writeFileSync(join(directory, "data", "seal.key"), `${"ab".repeat(32)}\n`);
    };
    const alice = await startTestGateway({ resources: ALL, upstream: handingOut(returned), prepare });
    try {
      shared = String((await alice.call("GetShardIterator", ASKED, iterator)).body["ShardIterator"]);
      token = String((await alice.call("ExecuteStatement", statement)).body["NextToken"]);
      const other = shared.replace("table/orders/", "table/payroll/");
      for (const ShardIterator of [
        `${STREAM}|1|AAAA`,
        other,
        `${shared.slice(0, -1)}${shared.endsWith("A") ? "B" : "A"}`,
      ]) {
        const answer = await alice.call("GetRecords", { ShardIterator }, streams);
        assert.equal(answer.status, 400);
        assert.match(JSON.stringify(answer.body), /AccessDeniedException.*was not given to user/);
        const decision = alice.eventOf(answer.headers.get("x-postern-decision-id"))["decision"];
        assert.match(JSON.stringify(decision), /continuation_not_bound/);
      }
      for (const body of [
        { Statement: "SELECT * FROM orders WHERE id = 'b'", NextToken: token },
        { ...statement, Parameters: [{ S: "a" }], NextToken: token },
        { ...statement, NextToken: "token-1" },
      ]) {
        const answer = await alice.call("ExecuteStatement", body);
        assert.equal(answer.status, 400, JSON.stringify(body));
      }
    } finally {
      await alice.close();
    }
    for (const [listener, status] of [
      [{}, 200],
      [{ user: "bob" }, 400],
      [{ dbUser: "OtherRole" }, 400],
    ] as const) {
      const gateway = await startTestGateway({ resources: ALL, upstream: handingOut(returned), prepare, listener });
      try {
        assert.equal((await gateway.call("GetRecords", { ShardIterator: shared }, streams)).status, status);
      } finally {
        await gateway.close();
      }
    }
    assert.deepEqual(returned, [`${STREAM}|1|AAAA`]);
  });

  it("are judged anew: who may see only some items or attributes gets no stream, and no iterator of old serves (pitfall 53)", async () => {
    const returned: string[] = [];
    const prepare = (directory: string): void => {
      mkdirSync(join(directory, "data"));
      writeFileSync(join(directory, "data", "seal.key"), `${"ab".repeat(32)}\n`);
    };
    const before = await startTestGateway({ resources: ALL, upstream: handingOut(returned), prepare });
    const iteratorOf = async (gateway: TestGateway): Promise<string> =>
      String((await gateway.call("GetShardIterator", ASKED, iterator)).body["ShardIterator"]);
    let shared = "";
    try {
      shared = await iteratorOf(before);
      assert.equal((await before.call("GetRecords", { ShardIterator: shared }, streams)).status, 200);
    } finally {
      await before.close();
    }
    const stream = `actions: ["dynamodb:GetRecords", "dynamodb:GetShardIterator"]`;
    const anywhere = `db_labels: {"*": "*"}, db_users: ["*"]`;
    for (const spec of [
      `{allow: {${anywhere}, db_rules: [{${stream}, leading_keys: ["*"]}]}}`,
      `{allow: {${anywhere}, db_rules: [{${stream}, attributes: [id, total]}]}}`,
      `{allow: {${anywhere}, db_rules: [{${stream}, tables: [other]}]}}`,
      `{allow: {${anywhere}, db_rules: [{${stream}, full_scan: false}]}}`,
      `{allow: {${anywhere}}, deny: {db_rules: [{actions: [read], attributes: [secret]}]}}`,
      `{allow: {${anywhere}}, deny: {db_rules: [{actions: [read], leading_keys: [bob]}]}}`,
      `{allow: {${anywhere}}, deny: {db_rules: [{actions: [read], tables: [orders]}]}}`,
    ]) {
      returned.length = 0;
      const gateway = await startTestGateway({ resources: people(spec), upstream: handingOut(returned), prepare });
      try {
        const answer = await gateway.call("GetRecords", { ShardIterator: shared }, streams);
        assert.match(JSON.stringify(answer.body), /AccessDeniedException/, spec);
        assert.deepEqual(returned, [], spec);
        if (!spec.includes("full_scan")) assert.equal(await iteratorOf(gateway), "undefined", spec);
      } finally {
        await gateway.close();
      }
    }
  });
});
