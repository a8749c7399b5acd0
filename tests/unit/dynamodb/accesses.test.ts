import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { accesses, arn, brief, EMULATOR, PLACE, refused } from "./support.ts";

const KEY = { pk: { S: "a" } };
const ORDERS = arn("table/orders");

describe("accessesOf()", () => {
  it("gives a GetItem whole, which without a projection may show any attribute", () => {
    assert.deepEqual(accesses("GetItem", { TableName: "orders", Key: KEY, ConsistentRead: true }), [
      {
        action: "dynamodb:GetItem",
        level: "read",
        via: "GetItem",
        table: "orders",
        index: null,
        arn: ORDERS,
        keys_known: true,
        leading_keys: ["a"],
        own_keys: true,
        attributes_known: false,
        attributes: ["pk"],
        reads: ["pk"],
        writes: [],
        select: null,
        return_values: "NONE",
        whole_item: false,
        full_scan: false,
        consistent: true,
        effects: [],
      },
    ]);
  });

  it("names the index that a Query or Scan reads, by name or by ARN of the table (pitfall 23)", () => {
    const [query] = accesses("Query", { TableName: ORDERS, IndexName: "by-date", Select: "COUNT" });
    assert.deepEqual(
      [query?.table, query?.index, query?.arn, query?.select, query?.full_scan],
      ["orders", "by-date", arn("table/orders/index/by-date"), "COUNT", false],
    );
    const [scan] = accesses("Scan", { TableName: "orders", IndexName: "by-date" });
    assert.deepEqual([scan?.index, scan?.full_scan], ["by-date", true]);
    const insights = { TableName: "orders", IndexName: "by-date", ContributorInsightsAction: "ENABLE" };
    assert.deepEqual(brief("UpdateContributorInsights", insights), [
      "UpdateContributorInsights table/orders/index/by-date",
    ]);
  });

  it("lists every table of a batch, and what a batch of writes amounts to", () => {
    const put = { PutRequest: { Item: KEY } };
    const remove = { DeleteRequest: { Key: KEY } };
    assert.deepEqual(brief("BatchWriteItem", { RequestItems: { one: [put], two: [remove], three: [remove, put] } }), [
      "BatchWriteItem table/one PutItem",
      "BatchWriteItem table/two DeleteItem",
      "BatchWriteItem table/three DeleteItem+PutItem",
    ]);
    assert.deepEqual(brief("BatchGetItem", { RequestItems: { one: { Keys: [KEY] }, two: { Keys: [KEY] } } }), [
      "BatchGetItem table/one GetItem",
      "BatchGetItem table/two GetItem",
    ]);
  });

  it("merges a table that is named by name, by ARN and by an emulator's ARN (pitfall 20)", () => {
    const own = "arn:aws:dynamodb:ddblocal:000000000000:table/orders";
    const items = { orders: { Keys: [KEY] }, [ORDERS]: { Keys: [KEY], ConsistentRead: true }, [own]: { Keys: [KEY] } };
    const found = accesses("BatchGetItem", { RequestItems: items }, EMULATOR);
    assert.equal(found.length, 1);
    assert.deepEqual([found[0]?.arn, found[0]?.consistent], [ORDERS, true]);
    const writes = { orders: [{ PutRequest: { Item: KEY } }], [ORDERS]: [{ DeleteRequest: { Key: KEY } }] };
    assert.deepEqual(brief("BatchWriteItem", { RequestItems: writes }), [
      "BatchWriteItem table/orders DeleteItem+PutItem",
    ]);
  });

  it("flattens transactions into the actions that IAM knows", () => {
    const at = (TableName: string): object => ({ TableName, Key: KEY });
    const items = [
      { Put: { TableName: "one", Item: KEY } },
      { ConditionCheck: { ...at("two"), ConditionExpression: "attribute_exists(pk)" } },
      { Update: { ...at("one"), UpdateExpression: "SET a = b" } },
      { Delete: { ...at("three"), ReturnValuesOnConditionCheckFailure: "ALL_OLD" } },
      { Put: { TableName: arn("table/one"), Item: KEY } },
    ];
    assert.deepEqual(brief("TransactWriteItems", { TransactItems: items }).sort(), [
      "ConditionCheckItem table/two",
      "DeleteItem table/three GetItem",
      "PutItem table/one",
      "UpdateItem table/one",
    ]);
    assert.deepEqual(brief("TransactGetItems", { TransactItems: [{ Get: at("one") }, { Get: at("two") }] }), [
      "GetItem table/one",
      "GetItem table/two",
    ]);
    assert.ok(
      accesses("TransactGetItems", { TransactItems: [{ Get: at("one") }] }).every(
        (each) => each.via === "TransactGetItems",
      ),
    );
  });

  it("says the most that a write returns, also in its failure, and that it reads then (pitfall 40)", () => {
    const write = (more: object): unknown[] => {
      const [access] = accesses("UpdateItem", { TableName: "orders", Key: KEY, ...more });
      return [access?.return_values, access?.effects];
    };
    assert.deepEqual(write({}), ["NONE", []]);
    assert.deepEqual(write({ ReturnValues: "NONE", ReturnValuesOnConditionCheckFailure: "NONE" }), ["NONE", []]);
    assert.deepEqual(write({ ReturnValues: "UPDATED_NEW" }), ["UPDATED_NEW", ["dynamodb:GetItem"]]);
    assert.deepEqual(write({ ReturnValuesOnConditionCheckFailure: "ALL_OLD" }), ["ALL_OLD", ["dynamodb:GetItem"]]);
    assert.deepEqual(write({ ReturnValues: "UPDATED_NEW", ReturnValuesOnConditionCheckFailure: "ALL_OLD" }), [
      "ALL_OLD",
      ["dynamodb:GetItem"],
    ]);
    const check = { TableName: "orders", Key: KEY, ConditionExpression: "attribute_exists(a)" };
    const checked = (more: object): unknown =>
      accesses("TransactWriteItems", { TransactItems: [{ ConditionCheck: { ...check, ...more } }] })[0]?.effects;
    assert.deepEqual(checked({}), []);
    assert.deepEqual(checked({ ReturnValuesOnConditionCheckFailure: "ALL_OLD" }), ["dynamodb:GetItem"]);
    const part = { TableName: "orders", Item: KEY };
    const parts = [{ Put: { ...part, ReturnValuesOnConditionCheckFailure: "ALL_OLD" } }, { Put: part }];
    // Kept apart: a rule about return values must meet each of them.
    assert.deepEqual(
      accesses("TransactWriteItems", { TransactItems: [...parts, ...parts] }).map((each) => each.return_values),
      ["ALL_OLD", "NONE"],
    );
  });

  it("judges operations on no table, or on all, as all tables of the account", () => {
    for (const name of [
      "ListTables",
      "DescribeLimits",
      "DescribeEndpoints",
      "ListGlobalTables",
      "ListBulkOperations",
    ]) {
      const [access, ...more] = accesses(name, {});
      assert.deepEqual([access?.table, access?.arn, more.length], [null, arn("table/*"), 0], name);
    }
    for (const name of ["ListBackups", "ListContributorInsights", "ListStreams"]) {
      assert.deepEqual(brief(name, {}), [`${name} table/*`]);
      assert.deepEqual(brief(name, { TableName: "orders" }), [`${name} table/orders`]);
    }
    assert.deepEqual(brief("ListExports", { TableArn: ORDERS }), ["ListExports table/orders"]);
  });

  it("gives restores an access for the source and one for the target (pitfall 24)", () => {
    const backup = arn("table/orders/backup/01234567890123-abcdef01");
    assert.deepEqual(brief("RestoreTableFromBackup", { BackupArn: backup, TargetTableName: "copy" }), [
      "RestoreTableFromBackup table/orders/backup/01234567890123-abcdef01 GetItem+Query+Scan",
      "RestoreTableFromBackup table/copy BatchWriteItem+CreateTable+PutItem",
    ]);
    assert.equal(
      accesses("RestoreTableFromBackup", { BackupArn: backup, TargetTableName: "copy" })[0]?.table,
      "orders",
    );
    for (const source of [{ SourceTableName: "orders" }, { SourceTableArn: ORDERS }]) {
      assert.deepEqual(brief("RestoreTableToPointInTime", { ...source, TargetTableName: "copy" }), [
        "RestoreTableToPointInTime table/orders GetItem+Query+Scan",
        "RestoreTableToPointInTime table/copy BatchWriteItem+CreateTable+PutItem",
      ]);
    }
    const both = { SourceTableName: "public", SourceTableArn: ORDERS, TargetTableName: "copy" };
    assert.deepEqual(
      accesses("RestoreTableToPointInTime", both).map((each) => each.table),
      ["orders", "public", "copy"],
    );
    refused(
      "RestoreTableToPointInTime",
      { TargetTableName: "copy" },
      "ValidationException",
      /One of SourceTableArn and SourceTableName/,
    );
    refused("RestoreTableFromBackup", { BackupArn: backup, TargetTableName: ORDERS }, "ValidationException", /./);
  });

  it("lets a denied Query or Scan reach a vector search, which returns items of the whole table", () => {
    const [found] = accesses("SearchVectors", {
      TableName: "orders",
      IndexName: "vec",
      TopK: 3,
      SearchVector: [{ N: "1" }],
    });
    assert.deepEqual(found?.effects, ["dynamodb:Query", "dynamodb:Scan"]);
  });

  it("gives exports, imports and bulk loads the bucket as a resource that is no table (pitfall 54)", () => {
    const found = accesses("ExportTableToPointInTime", { TableArn: ORDERS, S3Bucket: "loot", S3Prefix: "a/b" });
    assert.deepEqual(
      found.map((each) => [each.table, each.arn, each.full_scan, each.effects]),
      [
        ["orders", ORDERS, true, ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"]],
        [null, "arn:aws:s3:::loot/a/b", false, []],
      ],
    );
    const source = { S3Bucket: "source", S3KeyPrefix: "k" };
    const table = {
      TableName: "fresh",
      AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
    };
    assert.deepEqual(
      brief("ImportTable", { S3BucketSource: source, InputFormat: "CSV", TableCreationParameters: table }),
      ["ImportTable table/fresh BatchWriteItem+CreateTable+PutItem", "ImportTable arn:aws:s3:::source/k"],
    );
    const bulk = {
      TableName: "orders",
      InputS3Configuration: { S3Bucket: "source", InputFormat: "ION" },
      OutputS3Configuration: { S3Bucket: "sink", OutputType: ["ERROR"] },
    };
    assert.deepEqual(brief("StartBulkPutItems", bulk), [
      "StartBulkPutItems table/orders BatchWriteItem+PutItem",
      "StartBulkPutItems arn:aws:s3:::source",
      "StartBulkPutItems arn:aws:s3:::sink",
    ]);
    const kinesis = "arn:aws:kinesis:us-east-1:123456789012:stream/changes";
    assert.deepEqual(brief("EnableKinesisStreamingDestination", { TableName: "orders", StreamArn: kinesis }), [
      "EnableKinesisStreamingDestination table/orders GetItem+GetRecords",
      `EnableKinesisStreamingDestination ${kinesis}`,
    ]);
    for (const foreign of [kinesis.replace("123456789012", "999999999999"), kinesis.replace("kinesis", "dynamodb")]) {
      refused(
        "EnableKinesisStreamingDestination",
        { TableName: "orders", StreamArn: foreign },
        "ValidationException",
        /Cannot use/,
      );
    }
  });

  it("asks for the authority that creating or updating a table carries along (pitfalls 25, 26)", () => {
    const table = { TableName: "fresh" };
    assert.deepEqual(brief("CreateTable", table), ["CreateTable table/fresh"]);
    assert.deepEqual(brief("CreateTable", { ...table, ResourcePolicy: "{}", Tags: [{ Key: "env", Value: "dev" }] }), [
      "CreateTable table/fresh",
      "PutResourcePolicy table/fresh",
      "TagResource table/fresh",
    ]);
    const foreign = "arn:aws:dynamodb:us-east-1:999999999999:table/orders";
    refused(
      "CreateTable",
      { ...table, GlobalTableSourceArn: foreign },
      "ValidationException",
      /another partition, region or account/,
    );
    const updates = [{ Create: { RegionName: "eu-west-1" } }, { Delete: { RegionName: "eu-west-2" } }];
    assert.deepEqual(brief("UpdateTable", { ...table, ReplicaUpdates: updates }), [
      "UpdateTable table/fresh",
      "CreateTableReplica table/fresh",
      "DeleteTableReplica table/fresh",
      "CreateTableReplica arn:aws:dynamodb:eu-west-1:123456789012:table/fresh",
      "DeleteTableReplica arn:aws:dynamodb:eu-west-2:123456789012:table/fresh",
    ]);
  });

  it("tells a replica's region apart from the table, unless it is the table's own (pitfall 24)", () => {
    const [, here, there] = accesses("CreateGlobalTable", {
      GlobalTableName: "orders",
      ReplicationGroup: [{ RegionName: "us-east-1" }, { RegionName: "eu-west-1" }],
    });
    assert.deepEqual([here?.table, here?.arn], ["orders", arn("table/orders")]);
    assert.deepEqual([there?.table, there?.arn], [null, "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"]);
    for (const region of ["", "eu-west-1:1", "EU-WEST-1", "*", "eu-west-1/x"]) {
      refused(
        "UpdateTable",
        { TableName: "orders", ReplicaUpdates: [{ Create: { RegionName: region } }] },
        "ValidationException",
        /it is not a region/,
      );
    }
  });

  it("finds the table of whatever has an ARN that begins with a table's", () => {
    const stream = arn("table/orders/stream/2026-11-22T14:00:00.000");
    const cases: [string, object, string][] = [
      ["DescribeStream", { StreamArn: stream }, stream],
      ["GetRecords", { ShardIterator: `${stream}|1|AAAA+/=` }, stream],
      [
        "DescribeExport",
        { ExportArn: arn("table/orders/export/01234567890123-abcdef01") },
        arn("table/orders/export/01234567890123-abcdef01"),
      ],
      [
        "DescribeImport",
        { ImportArn: arn("table/orders/import/01234567890123-abcdef01") },
        arn("table/orders/import/01234567890123-abcdef01"),
      ],
      [
        "DeleteBackup",
        { BackupArn: arn("table/orders/backup/01234567890123-abcdef01") },
        arn("table/orders/backup/01234567890123-abcdef01"),
      ],
      [
        "CancelBulkOperation",
        { BulkOperationArn: arn("table/orders/bulk-operation/0123") },
        arn("table/orders/bulk-operation/0123"),
      ],
      ["TagResource", { ResourceArn: ORDERS, Tags: [] }, ORDERS],
      ["PutResourcePolicy", { ResourceArn: stream, Policy: "{}" }, stream],
      ["DescribeGlobalTable", { GlobalTableName: "orders" }, "arn:aws:dynamodb::123456789012:global-table/orders"],
    ];
    for (const [name, body, expected] of cases) {
      const [access, ...more] = accesses(name, body);
      assert.deepEqual(
        [access?.action, access?.table, access?.arn, more.length],
        [`dynamodb:${name}`, "orders", expected, 0],
      );
    }
  });

  it("refuses shard iterators that do not name a stream of this database (pitfall 52)", () => {
    const stream = arn("table/orders/stream/2026-11-22T14:00:00.000");
    for (const iterator of [
      "AAAA",
      `${stream}`,
      `${stream}|`,
      `x|${stream}|1`,
      `${ORDERS}|1|AAAA`,
      `${stream.replace("us-east-1", "eu-west-1")}|1|AAAA`,
      `${stream}/../x|1|AAAA`,
    ]) {
      refused("GetRecords", { ShardIterator: iterator }, "ValidationException", /Cannot use/, "ShardIterator");
    }
  });

  it("refuses names and ARNs that are not exactly a table of this database (pitfalls 19, 21, 22)", () => {
    for (const name of [
      "arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
      "arn:aws:dynamodb:us-east-1:999999999999:table/orders",
      "arn:aws-cn:dynamodb:us-east-1:123456789012:table/orders",
      "arn:aws:s3:us-east-1:123456789012:table/orders",
      "arn:aws:dynamodb:us-east-1:123456789012:table/orders/index/by-date",
      "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/x",
      "arn:aws:dynamodb:us-east-1:123456789012:table/orders/",
      "arn:aws:dynamodb:us-east-1:123456789012:table/",
      "arn:aws:dynamodb:us-east-1:123456789012:table/or%64ers",
      "arn:aws:dynamodb:us-east-1:123456789012:table/*",
      "arn:aws:dynamodb:us-east-1:123456789012:table/orders\n",
      "arn:aws:dynamodb:us-east-1:123456789012:Table/orders",
      "arn:aws:dynamodb:::table/orders",
      "arn:aws:dynamodb:ddblocal:000000000000:table/orders",
      "ARN:aws:dynamodb:us-east-1:123456789012:table/orders",
      " orders",
      "orders ",
      "orders\n",
      "orders/index/by-date",
      "or%64ers",
      "orders*",
      "оrders",
      "ｏrders",
      "orders\u0000",
      "or",
      "x".repeat(256),
    ]) {
      refused("GetItem", { TableName: name, Key: KEY }, "ValidationException", /./, "TableName");
      refused(
        "BatchGetItem",
        { RequestItems: { [name]: { Keys: [KEY] } } },
        "ValidationException",
        /./,
        "RequestItems",
      );
    }
  });

  it("keeps dots, dashes and case of a table's name (pitfall 22)", () => {
    assert.deepEqual(brief("DescribeTable", { TableName: "Prod.eu-1_X" }), ["DescribeTable table/Prod.eu-1_X"]);
    assert.deepEqual(brief("DescribeTable", { TableName: "..." }), ["DescribeTable table/..."]);
  });

  it("takes an emulator's own ARNs for this database's, and only those", () => {
    const own = "arn:aws:dynamodb:ddblocal:000000000000:table/orders";
    assert.deepEqual(brief("DescribeTable", { TableName: own }, EMULATOR), ["DescribeTable table/orders"]);
    refused(
      "DescribeTable",
      { TableName: own.replace("000000000000", "123456789012") },
      "ValidationException",
      /another/,
      "TableName",
      EMULATOR,
    );
    refused("DescribeTable", { TableName: own }, "ValidationException", /another/, "TableName", PLACE);
    const china = own.replace("arn:aws:", "arn:aws-cn:");
    refused("DescribeTable", { TableName: china }, "ValidationException", /another/, "TableName", EMULATOR);
  });
});
