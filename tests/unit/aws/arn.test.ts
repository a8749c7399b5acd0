import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatArn, parseArn, parseRoleArn, roleArn } from "../../../src/aws/arn.ts";
import { AwsError } from "../../../src/aws/errors.ts";

const home = { partition: "aws", accountId: "123456789012" };

describe("roleArn()", () => {
  const one = "arn:aws:iam::123456789012:role/Example";
  for (const spelling of ["Example", "role/Example", one]) {
    it(`gives ${spelling} its only spelling`, () => assert.equal(roleArn(spelling, home), one));
  }

  const deep = "arn:aws:iam::123456789012:role/team/payments/Example";
  for (const spelling of ["team/payments/Example", "role/team/payments/Example", deep]) {
    it(`keeps the path of ${spelling}`, () => assert.equal(roleArn(spelling, home), deep));
  }

  it("takes the partition of the database", () => {
    assert.equal(
      roleArn("X", { partition: "aws-cn", accountId: "123456789012" }),
      "arn:aws-cn:iam::123456789012:role/X",
    );
    assert.equal(
      roleArn("X", { partition: "aws-us-gov", accountId: "123456789012" }),
      "arn:aws-us-gov:iam::123456789012:role/X",
    );
  });

  it("is stable: what it gives, it gives again", () => {
    for (const user of ["Example", "role/role", "a/b/c", "x+=,.@-_"])
      assert.equal(roleArn(roleArn(user, home), home), roleArn(user, home));
  });

  const refused: [string, string][] = [
    ["", "role_arn_invalid"],
    ["role/", "role_arn_invalid"],
    ["/Example", "role_arn_invalid"],
    ["team//Example", "role_arn_invalid"],
    ["Example/", "role_arn_invalid"],
    ["*", "role_arn_invalid"],
    ["Example ", "role_arn_invalid"],
    ["Exam\nple", "role_arn_invalid"],
    ["Exämple", "role_arn_invalid"],
    ["x".repeat(65), "role_arn_invalid"],
    [`${"p".repeat(520)}/X`, "role_arn_invalid"],
    ["arn:aws:iam::123456789012:role/", "role_arn_invalid"],
    ["arn:aws:iam::123456789012:user/X", "role_arn_invalid"],
    ["arn:aws:sts::123456789012:assumed-role/X/s", "role_arn_invalid"],
    ["arn:aws:iam:us-east-1:123456789012:role/X", "role_arn_invalid"],
    ["arn:aws:iam::12345678901:role/X", "role_arn_invalid"],
    ["arn:aws:iam::aws:role/X", "role_arn_invalid"],
    ["arn:aws:iam", "arn_invalid"],
    ["arn:aws:iam::123456789012:role/X\n", "arn_invalid"],
    ["arn:aws-cn:iam::123456789012:role/X", "role_partition_mismatch"],
    ["arn:aws:iam::210987654321:role/X", "role_account_mismatch"],
  ];
  for (const [user, code] of refused) {
    it(`refuses ${JSON.stringify(user.slice(0, 60))} as ${code}`, () => {
      assert.throws(
        () => roleArn(user, home),
        (error: unknown) => error instanceof AwsError && error.code === code && !error.retryable,
      );
    });
  }

  it("quotes what it refuses so that it cannot forge a line of a log", () => {
    assert.throws(
      () => roleArn("a\nb", home),
      (error: unknown) =>
        error instanceof AwsError && !error.message.includes("\n") && error.message.includes('"a\\nb"'),
    );
  });
});

describe("parseArn()", () => {
  it("is the inverse of formatArn(), colons in the resource included", () => {
    for (const text of [
      "arn:aws:dynamodb:us-east-1:123456789012:table/orders/index/by-day",
      "arn:aws:iam::123456789012:role/a:b/X",
      "arn:aws:s3:::bucket",
    ]) {
      assert.equal(formatArn(parseArn(text)), text);
    }
  });

  it("names the parts", () => {
    assert.deepEqual(parseArn("arn:aws-cn:dynamodb:cn-north-1:123456789012:table/t"), {
      partition: "aws-cn",
      service: "dynamodb",
      region: "cn-north-1",
      account: "123456789012",
      resource: "table/t",
    });
  });

  it("reads a role of any account where that is asked", () =>
    assert.equal(parseRoleArn("arn:aws:iam::999999999999:role/X").account, "999999999999"));
});
