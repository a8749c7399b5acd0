import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { accessesOf } from "../../../src/dynamodb/accesses.ts";
import { OPERATIONS } from "../../../src/dynamodb/catalogue.ts";
import { parseRequest } from "../../../src/dynamodb/request.ts";
import { EvaluationFault } from "../../../src/policy/evaluation-fault.ts";
import type { PolicyAccess, PolicyInput } from "../../../src/policy/input.ts";
import { questionOf, questionOfInput } from "../../../src/policy/question.ts";
import { fixtureInput } from "../../support/policy-fixture.ts";

const WORDS = [
  "orders",
  "",
  '"',
  "\\",
  "\\ud800",
  "\u0000",
  "\u001f",
  "\u007f",
  "é",
  "ключ",
  "\u2028",
  "😀",
  "\ufeff",
  "\uffff",
  "a\nb",
];
const PLACE = { partition: "aws", region: "us-east-1", accountId: "123456789012" };

/** The input with what a session shares frozen, as the gateway has it. */
function shared(input: PolicyInput): PolicyInput {
  return { ...input, user: Object.freeze(input.user), database: Object.freeze(input.database) };
}

function asking(accesses: readonly PolicyAccess[], word: string): PolicyInput {
  const input = shared(fixtureInput(["dev"], "orders"));
  return {
    ...input,
    time: word,
    client: { ip: word, user_agent: word },
    db_user: word,
    request: { ...input.request, operation: word, id: word, accesses },
  };
}

/** What JSON.stringify writes of the members that are not shared. */
function plainText({ user: _, database: __, ...rest }: PolicyInput): string {
  return JSON.stringify(rest);
}

describe("questionOfInput()", () => {
  it("writes what JSON.stringify writes, of every kind of access and text", () => {
    const get = OPERATIONS.find(({ name }) => name === "GetItem");
    assert.ok(get !== undefined);
    const parsed = accessesOf(
      parseRequest(
        get,
        Buffer.from('{"TableName":"orders","Key":{"pk":{"S":"a"}},"ProjectionExpression":"a, b.c[0]"}'),
      ),
      PLACE,
    );
    const [first] = parsed;
    assert.ok(first !== undefined);
    const written: PolicyAccess[] = WORDS.map((word) => ({
      ...first,
      table: word,
      index: word === "" ? null : word,
      arn: word,
      leading_keys: [word, ...WORDS],
      attributes: WORDS,
      reads: [],
      writes: [word],
      select: word,
      return_values: word,
      keys_known: word === "",
      whole_item: true,
      effects: [word, "dynamodb:GetItem"],
    }));
    for (const word of WORDS) {
      for (const accesses of [parsed, [], written, [...parsed, ...written]]) {
        const input = asking(accesses, word);
        const question = questionOfInput(input);
        assert.equal(question.text(), plainText(input));
        assert.deepEqual(
          question.shared.map(({ name, value }) => [name, value]),
          [
            ["user", input.user],
            ["database", input.database],
          ],
        );
      }
    }
  });

  it("leaves out effects that are not told, and shares nothing that may still change", () => {
    const input = shared(fixtureInput(["dev"], "orders"));
    assert.equal(questionOfInput(input).text(), plainText(input));
    const open = fixtureInput(["dev"], "orders");
    const { text, shared: none } = questionOfInput(open);
    assert.deepEqual([text(), none], [JSON.stringify(open), []]);
  });

  it("refuses text that is not well-formed wherever it stands, and what is too long", () => {
    const refused = (input: PolicyInput): void => {
      assert.throws(
        () => questionOfInput(input).text(),
        (error) => error instanceof EvaluationFault && error.code === "policy_failed",
      );
    };
    const input = shared(fixtureInput(["dev"], "orders"));
    const [access] = input.request.accesses;
    assert.ok(access !== undefined);
    for (const lone of ["\ud800", "x\udfff", "\ude00\ud83d", '\\"\udbff']) {
      refused(asking([], lone));
      for (const change of [{ table: lone }, { arn: lone }, { leading_keys: ["a", lone] }, { writes: [lone] }]) {
        refused({ ...input, request: { ...input.request, accesses: [{ ...access, ...change }] } });
      }
    }
    refused({ ...input, db_user: "x".repeat(5_000_000) });
  });
});

describe("questionOf()", () => {
  it("takes any object, shares its frozen members and refuses what is nested too deep", () => {
    const traits = Object.freeze({ a: 1 });
    const { text, shared: members } = questionOf({ 'odd"name': [1, null], traits, gone: undefined });
    assert.deepEqual([text(), members], ['{"odd\\"name":[1,null]}', [{ name: "traits", value: traits }]]);
    let deep: unknown = 1;
    for (let level = 0; level < 20; level++) deep = [deep];
    assert.throws(() => questionOf({ deep }), EvaluationFault);
  });
});
