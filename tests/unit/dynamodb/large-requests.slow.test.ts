import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const CHILD = fileURLToPath(new URL("large-requests-child.ts", import.meta.url));

const UNDERSTOOD = /^understood: 1, kept: true$/;
const IN = `"ComparisonOperator":"IN","AttributeValueList"`;
/** Of the largest size that is built whole, and of as many parts as fit. */
const VALUE = `{"L":[${`{"S":""},`.repeat(1_500)}{"S":""}]}`;
const KEY = `"TableName":"orders","Key":{"pk":{"S":"a"}}`;

describe("requests of 16 MB", () => {
  it("are understood or refused in a heap of 112 MB, whatever they consist of (pitfall 17)", async () => {
    const cases = [
      ["PutItem", `{"TableName":"orders","Item":{"pk":{"S":"a"},"l":{"L":[`, `{"S":""}`, "]}}}", UNDERSTOOD],
      ["PutItem", `{"TableName":"orders","Item":{"pk":{"S":"a"},"l":{"SS":[`, `""`, "]}}}", UNDERSTOOD],
      ["Scan", `{"TableName":"orders","ScanFilter":{"a":{${IN}:[`, VALUE, "]}}}", UNDERSTOOD],
      ["ExecuteStatement", `{"Statement":"SELECT * FROM orders","Parameters":[`, VALUE, "]}", /don't match/],
      ["ExecuteStatement", `{"Statement":"SELECT * FROM t","Parameters":[`, `{"S":""}`, "]}", /equal to 10000$/],
      ["BatchExecuteStatement", `{"Statements":[`, `{"Statement":"a"}`, "]}", /equal to 25$/],
      ["BatchGetItem", `{"RequestItems":{"orders":{"Keys":[`, `{"i":{"S":"1"}}`, "]}}}", /equal to 100$/],
      ["BatchWriteItem", `{"RequestItems":{"orders":[`, `{"DeleteRequest":{"Key":{}}}`, "]}}", /equal to 25$/],
      ["GetItem", `{${KEY},"AttributesToGet":[`, `"a"`, "]}", /equal to 10000$/],
      ["GetItem", `{${KEY},"Unheard":[`, `[]`, "]}", /no such member/],
      ["GetItem", `{${KEY},"TableName":[`, `{}`, "]}", /second time/],
    ] as const;
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--max-old-space-size=112",
      "--import",
      "tsx",
      CHILD,
      JSON.stringify(cases),
    ]);
    const outcomes = JSON.parse(stdout) as string[];
    for (const [at, [operation, head, , , outcome]] of cases.entries()) {
      assert.match(outcomes[at] ?? "", outcome, `${operation} ${head}`);
    }
  });
});
