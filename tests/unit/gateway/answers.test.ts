import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RequestError } from "../../../src/dynamodb/request-error.ts";
import { refusalAnswer } from "../../../src/gateway/answers.ts";
import type { Answer } from "../../../src/gateway/ports.ts";
import { Refusal } from "../../../src/gateway/refusal.ts";

const ID = "b4fb8258-f527-47e0-918a-d259a33ef4ff";

describe("refusalAnswer()", () => {
  it("says of a malformed request what DynamoDB says of it and nothing more, and names the decision in headers", () => {
    const cause = new RequestError("ValidationException", "ExpressionAttributeNames must not be empty", "");
    const refusal = new Refusal("request_rejected", cause.message, cause.type, { cause });
    const answer = refusalAnswer(refusal, ID);
    assert.deepEqual(json(answer), {
      __type: "com.amazon.coral.validate#ValidationException",
      message: "ExpressionAttributeNames must not be empty",
    });
    assert.deepEqual([answer.headers["x-amzn-requestid"], answer.headers["x-postern-decision-id"]], [ID, ID]);
  });

  it("names the decision in what the gateway says for itself", () => {
    for (const refusal of [
      new Refusal("rule_denied", "no", "AccessDeniedException"),
      new Refusal("request_rejected", "no", "SerializationException"),
    ]) {
      const { Message } = json(refusalAnswer(refusal, ID));
      assert.equal(Message, `no (decision ${ID})`);
    }
  });
});

function json({ body }: Answer): Record<string, unknown> {
  assert.ok(body instanceof Uint8Array);
  return JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>;
}
