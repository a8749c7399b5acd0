import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DatabaseAwsSpec, type DatabaseSpec, resolveDatabase, upstreamFor } from "../../../src/aws/database.ts";
import { AwsError } from "../../../src/aws/errors.ts";

const aws = { region: "us-east-1", account_id: "123456789012" } satisfies DatabaseAwsSpec;
const spec = {
  name: "example-dynamodb",
  protocol: "dynamodb",
  static_labels: { env: "dev" },
  aws,
} satisfies DatabaseSpec;

describe("resolveDatabase()", () => {
  it("loads the guide's agent file", () => {
    const database = resolveDatabase(spec);
    assert.equal(database.partition, "aws");
    assert.equal(database.uri, "https://dynamodb.us-east-1.amazonaws.com");
    assert.deepEqual(database.labels, { env: "dev" });
    assert.equal(database.emulator, false);
    assert.deepEqual(database.arnScopes, [{ partition: "aws", region: "us-east-1", accountId: "123456789012" }]);
  });

  it("sends Streams calls to the Streams host although the guide's uri names the dynamodb one", () => {
    const database = resolveDatabase({ ...spec, uri: "dynamodb.us-east-1.amazonaws.com:443" });
    assert.equal(upstreamFor(database, "dynamodb").host, "dynamodb.us-east-1.amazonaws.com");
    assert.equal(upstreamFor(database, "streams").host, "streams.dynamodb.us-east-1.amazonaws.com");
  });

  it("takes the region from the uri", () => {
    const database = resolveDatabase({
      ...spec,
      uri: "dynamodb.cn-north-1.amazonaws.com.cn",
      aws: { account_id: "123456789012" },
    });
    assert.deepEqual([database.region, database.partition], ["cn-north-1", "aws-cn"]);
  });

  it("gives an emulator its own ARN scope beside the configured one", () => {
    const database = resolveDatabase({ ...spec, uri: "http://127.0.0.1:8000", aws: { ...aws, region: "local" } });
    assert.equal(database.emulator, true);
    assert.deepEqual(database.arnScopes, [
      { partition: "aws", region: "local", accountId: "123456789012" },
      { partition: "aws", region: "ddblocal", accountId: "000000000000" },
    ]);
    assert.equal(upstreamFor(database, "streams").region, "local");
  });

  it("cannot be changed afterwards", () => {
    const database = resolveDatabase(spec);
    assert.throws(() => Object.assign(database, { region: "eu-west-1" }), TypeError);
    assert.throws(() => Object.assign(database.labels, { env: "prod" }), TypeError);
  });

  it("uses account hosts only when asked", () => {
    const database = resolveDatabase({ ...spec, aws: { ...aws, account_endpoints: true } });
    assert.equal(upstreamFor(database, "dynamodb").host, "123456789012.ddb.us-east-1.amazonaws.com");
    assert.equal(upstreamFor(resolveDatabase(spec), "dynamodb").host, "dynamodb.us-east-1.amazonaws.com");
  });

  it("knows FIPS from the uri", () => {
    assert.equal(resolveDatabase({ ...spec, uri: "dynamodb-fips.us-east-1.amazonaws.com" }).fips, true);
    assert.equal(resolveDatabase(spec).fips, false);
  });

  it("keeps tags in one order, identity tags off", () => {
    const database = resolveDatabase({ ...spec, aws: { ...aws, session_tags: { b: "2", a: "1" } } });
    assert.deepEqual(Object.keys(database.sessionTags), ["a", "b"]);
    assert.deepEqual(database.identityTags, { sourceIdentity: false, userTag: null });
  });

  it("takes an account written without quotes", () => {
    assert.equal(resolveDatabase({ ...spec, aws: { ...aws, account_id: 123_456_789_012 } }).accountId, "123456789012");
  });

  const refused: [string, DatabaseSpec, RegExp, RegExp?][] = [
    ["a name with capitals", { ...spec, name: "Example" }, /"Example"/],
    ["a name that ends with a dash", { ...spec, name: "x-" }, /name/],
    ["an empty name", { ...spec, name: "" }, /name/],
    ["an empty protocol", { ...spec, protocol: "" }, /protocol is empty/],
    ["another protocol", { ...spec, protocol: "postgres" }, /"postgres"/],
    ["no account", { ...spec, aws: { region: "us-east-1" } }, /account_id is empty/],
    [
      "the guide's placeholder account",
      { ...spec, aws: { ...aws, account_id: "abcd1234-this-is-an-example" } },
      /account_id still has the placeholder "abcd1234-this-is-an-example"/,
      /12 digits/,
    ],
    ["an account with dashes", { ...spec, aws: { ...aws, account_id: "1234-5678-9012" } }, /not an AWS account number/],
    [
      "an account that lost its leading zero",
      { ...spec, aws: { ...aws, account_id: 12_345_678_901 } },
      /"12345678901"/,
      /quotes/,
    ],
    ["neither uri nor region", { ...spec, aws: { account_id: "123456789012" } }, /neither a uri nor an AWS region/],
    [
      "an emulator without region",
      { ...spec, uri: "http://localhost:8000", aws: { account_id: "123456789012" } },
      /region is empty/,
    ],
    [
      "a uri of another region",
      { ...spec, uri: "dynamodb.eu-west-1.amazonaws.com" },
      /"us-east-1" is not the one of its uri .*"eu-west-1"/,
      /leave the uri out/,
    ],
    ["a uri of another account", { ...spec, uri: "210987654321.ddb.us-east-1.amazonaws.com" }, /210987654321/],
    ["a label key with a space", { ...spec, static_labels: { "a b": "c" } }, /label key "a b"/],
    ["an assume_role_arn that is a name", { ...spec, aws: { ...aws, assume_role_arn: "Gateway" } }, /"Gateway"/],
    [
      "an assume_role_arn of another partition",
      { ...spec, aws: { ...aws, assume_role_arn: "arn:aws-cn:iam::123456789012:role/X" } },
      /partition/,
    ],
    ["an external_id with a space", { ...spec, aws: { ...aws, external_id: "a b" } }, /external_id/],
    ["a session tag that AWS reserves", { ...spec, aws: { ...aws, session_tags: { "aws:x": "1" } } }, /"aws:x"/],
    [
      "session tags that differ in case only",
      { ...spec, aws: { ...aws, session_tags: { Team: "1", team: "2" } } },
      /twice/,
    ],
    ["a session tag with a bad value", { ...spec, aws: { ...aws, session_tags: { team: "a|b" } } }, /"team"/],
    [
      "a user_tag that is a session tag",
      { ...spec, aws: { ...aws, session_tags: { User: "x" }, identity_tags: { user_tag: "user" } } },
      /also one of its session_tags/,
    ],
    [
      "51 session tags",
      {
        ...spec,
        aws: { ...aws, session_tags: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, "v"])) },
      },
      /51 session_tags/,
    ],
  ];
  for (const [what, bad, reason, hint = /^/] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => resolveDatabase(bad),
        (error: unknown) => error instanceof AwsError && reason.test(error.message) && hint.test(error.hint ?? ""),
      );
    });
  }

  it("refuses a region of no partition", () => {
    for (const region of ["local", "us_east_1", "us-isox-east-1", "US-EAST-1", "us-east-1.evil.com"]) {
      assert.throws(
        () => resolveDatabase({ ...spec, aws: { ...aws, region } }),
        (error: unknown) => error instanceof AwsError && error.code === "region_invalid",
        region,
      );
    }
  });
});
