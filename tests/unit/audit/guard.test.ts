import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withoutSecrets } from "../../../src/audit/guard.ts";

const SECRET = "hunter2-hunter2";

describe("withoutSecrets()", () => {
  for (const name of [
    "authorization",
    "Authorization",
    "Proxy-Authorization",
    "X-Amz-Security-Token",
    "x-amz-signature",
    "secretAccessKey",
    "SecretAccessKey",
    "aws_secret_access_key",
    "sessionToken",
    "SessionToken",
    "aws_session_token",
    "password",
    "Cookie",
    "set-cookie",
    "private_key",
    "apiKey",
    "client_secret",
  ]) {
    it(`never lets the value of ${name} through, at any depth and of any type`, () => {
      for (const value of [SECRET, [SECRET], { S: SECRET }]) {
        const members = JSON.stringify({ a: 1, body: { list: [{ [name]: value }], b: 2 } }).slice(1, -1);
        const text = withoutSecrets(members);
        assert.equal(text.includes(SECRET), false);
        assert.deepEqual(JSON.parse(`{${text}}`), { a: 1, body: { list: [{ [name]: "[secret]" }], b: 2 } });
      }
    });
  }

  it("leaves everything else as it is, byte for byte", () => {
    const members = '"body":{"NextToken":"t","KeyConditionExpression":"a = :password","author":"x","n":1.50}';
    assert.equal(withoutSecrets(members), members);
  });
});
