import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ERROR_TYPES, errorAnswer, type ErrorType } from "../../../src/dynamodb/errors.ts";

describe("errorAnswer()", () => {
  it("words a denial exactly as the contract says", () => {
    assert.deepEqual(errorAnswer("AccessDeniedException", 'no "x"'), {
      status: 400,
      body: '{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no \\"x\\""}',
    });
  });

  it("gives the client's mistakes a status that is not retried, and ours one that is", () => {
    const statuses = Object.fromEntries(
      (Object.keys(ERROR_TYPES) as ErrorType[]).map((type) => [type, errorAnswer(type, "").status]),
    );
    assert.deepEqual(statuses, {
      AccessDeniedException: 400,
      ExpiredTokenException: 400,
      MissingAuthenticationTokenException: 400,
      IncompleteSignatureException: 400,
      InvalidSignatureException: 400,
      UnrecognizedClientException: 400,
      ValidationException: 400,
      SerializationException: 400,
      UnknownOperationException: 400,
      RequestEntityTooLarge: 413,
      InternalServerError: 500,
      ServiceUnavailable: 503,
    });
  });

  it("names the type behind a # in every body, so that SDKs find it", () => {
    for (const type of Object.keys(ERROR_TYPES) as ErrorType[]) {
      const body = JSON.parse(errorAnswer(type, "why").body) as Record<string, string>;
      assert.equal(body["__type"]?.split("#")[1], type);
      assert.equal(body["message"] ?? body["Message"], "why");
    }
  });
});
