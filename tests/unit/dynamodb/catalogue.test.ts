import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ACTIONS,
  EQUIVALENT_ACTIONS,
  NOT_A_RESOURCE,
  type Operation,
  operationOf,
  OPERATIONS,
} from "../../../src/dynamodb/catalogue.ts";
import { MODEL } from "../../../src/dynamodb/model.ts";

describe("the operation table", () => {
  it("has exactly the operations of the model, each once", () => {
    assert.equal(OPERATIONS.length, 66);
    assert.deepEqual(OPERATIONS.map((operation) => operation.target).sort(), Object.keys(MODEL.inputs).sort());
  });

  it("finds an operation by its exact target and by nothing else", () => {
    assert.equal(operationOf("DynamoDB_20120810.GetItem")?.name, "GetItem");
    assert.equal(operationOf("DynamoDBStreams_20120810.GetRecords")?.service, "streams");
    assert.equal(operationOf("DynamoDB_20120810.SearchVectors")?.service, "search");
    for (const target of [
      "dynamodb_20120810.GetItem",
      "DynamoDB_20120810.getItem",
      "DynamoDB_20111205.GetItem",
      "DynamoDB_20120810.GetItem ",
      "DynamoDB_20120810.GetItemX",
      "DynamoDBStreams_20120810.GetItem",
      "DynamoDB_20120810.GetRecords",
      "GetItem",
      "DynamoDB_20120810.PurchaseReservedCapacityOfferings",
      "__proto__",
      "",
    ]) {
      assert.equal(operationOf(target), undefined, target);
    }
  });

  it("names resources by paths that resolve to texts in the model", () => {
    for (const operation of OPERATIONS) {
      const known = new Set(textPaths(operation).map(({ path }) => path));
      for (const rule of operation.rules) {
        if (rule.kind === "none") continue;
        assert.ok(known.has(rule.at), `${operation.name}: ${rule.at}`);
        if (rule.or !== undefined) assert.ok(known.has(rule.or), `${operation.name}: ${rule.or}`);
        if (rule.index !== undefined) assert.ok(known.has(rule.index), `${operation.name}: ${rule.index}`);
        if (rule.when !== undefined)
          assert.ok(allPaths(operation).includes(rule.when), `${operation.name}: ${rule.when}`);
      }
    }
  });

  it("leaves nothing uncovered that is named or shaped like a table, an index beside a table, or an ARN", () => {
    const used = new Set<string>();
    for (const operation of OPERATIONS) {
      const ruled = operation.rules.flatMap((rule) => [rule.at, rule.or, rule.index]);
      for (const { path, shape } of textPaths(operation)) {
        const member = path.split(".").at(-1) ?? "";
        const suspicious =
          /(TableName|Arn|StreamName|RegionName|ShardIterator|Statement|KmsKeyId|KMSMasterKeyId|S3Bucket)$/.test(
            member,
          ) ||
          path === "IndexName" ||
          /^(TableArn|TableName|StreamArn|BackupArn|ExportArn|ImportArn|BulkOperationArn|ResourceArnString)$/.test(
            shape,
          );
        if (!suspicious || ruled.includes(path)) continue;
        const note = [`${operation.name}.${path}`, member].find((each) => NOT_A_RESOURCE.has(each));
        assert.ok(note !== undefined, `${operation.name}.${path} (${shape}) is neither a resource nor explained`);
        used.add(note);
      }
    }
    assert.deepEqual(
      [...NOT_A_RESOURCE.keys()].filter((note) => !used.has(note)),
      [],
      "notes about nothing",
    );
  });

  it("gives every action a level, and every rule, effect and further action a known action", () => {
    const carried = new Set<string>();
    for (const operation of OPERATIONS) {
      for (const action of [...operation.actions, ...operation.also]) assert.ok(ACTIONS.has(action), action);
      for (const rule of operation.rules) {
        carried.add(rule.action);
        for (const effect of rule.effects ?? []) assert.ok(ACTIONS.has(effect), effect);
      }
    }
    assert.deepEqual(
      [...ACTIONS.keys()].filter((action) => !carried.has(action)),
      [],
      "actions that no access carries",
    );
    for (const [action, others] of EQUIVALENT_ACTIONS) {
      for (const each of [action, ...others]) assert.ok(ACTIONS.has(each), each);
    }
  });

  it("has AWS's own levels where they are easily mistaken", () => {
    const levels = ["ListTables", "ListStreams", "ListTagsOfResource", "ConditionCheckItem", "PutResourcePolicy"];
    assert.deepEqual(
      levels.concat("TagResource", "ExportTableToPointInTime").map((name) => ACTIONS.get(`dynamodb:${name}`)),
      ["list", "read", "read", "read", "permissions", "tagging", "write"],
    );
    assert.equal(ACTIONS.has("dynamodb:TransactWriteItems"), false);
    assert.equal(ACTIONS.has("dynamodb:ExecuteStatement"), false);
  });

  it("counts as idempotent only what changes nothing", () => {
    for (const operation of OPERATIONS.filter((each) => each.idempotent)) {
      assert.ok(operation.level === "read" || operation.level === "list", operation.name);
    }
  });
});

interface TextPath {
  readonly path: string;
  readonly shape: string;
}

function textPaths(operation: Operation): TextPath[] {
  const found: TextPath[] = [];
  visit(MODEL.inputs[operation.target] ?? "", "", [], (path, shape) => {
    if (MODEL.shapes[shape]?.t === "string") found.push({ path, shape });
  });
  return found;
}

function allPaths(operation: Operation): string[] {
  const found: string[] = [];
  visit(MODEL.inputs[operation.target] ?? "", "", [], (path) => found.push(path));
  return found;
}

function visit(
  name: string,
  path: string,
  above: readonly string[],
  call: (path: string, shape: string) => void,
): void {
  call(path, name);
  // Attribute values contain themselves, and name no resource.
  if (above.includes(name) || name === "AttributeValue") return;
  const shape = MODEL.shapes[name];
  assert.ok(shape, name);
  const inside = [...above, name];
  if (shape.t === "structure") {
    for (const [member, of] of Object.entries(shape.of))
      visit(of, path === "" ? member : `${path}.${member}`, inside, call);
  } else if (shape.t === "list") visit(shape.of, `${path}[]`, inside, call);
  else if (shape.t === "map") {
    visit(shape.key, `${path}.*key`, inside, call);
    visit(shape.of, `${path}.*`, inside, call);
  }
}
