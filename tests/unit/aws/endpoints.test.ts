import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseEndpoint, upstreamsOf } from "../../../src/aws/endpoints.ts";
import { AwsError } from "../../../src/aws/errors.ts";

function hosts(uri: string, account?: string): string[] {
  const { dynamodb, streams, search } = upstreamsOf(parseEndpoint(uri, false), "us-east-1", account);
  return [dynamodb.host, streams.host, search.host];
}

describe("An AWS uri", () => {
  const families: [string, string[]][] = [
    [
      "dynamodb.us-east-1.amazonaws.com:443",
      [
        "dynamodb.us-east-1.amazonaws.com",
        "streams.dynamodb.us-east-1.amazonaws.com",
        "search-dynamodb.us-east-1.amazonaws.com",
      ],
    ],
    [
      "aws://dynamodb.us-east-1.amazonaws.com",
      [
        "dynamodb.us-east-1.amazonaws.com",
        "streams.dynamodb.us-east-1.amazonaws.com",
        "search-dynamodb.us-east-1.amazonaws.com",
      ],
    ],
    [
      "HTTPS://Streams.DynamoDB.eu-west-1.amazonaws.com/",
      [
        "dynamodb.eu-west-1.amazonaws.com",
        "streams.dynamodb.eu-west-1.amazonaws.com",
        "search-dynamodb.eu-west-1.amazonaws.com",
      ],
    ],
    [
      "dynamodb-fips.us-west-2.amazonaws.com",
      [
        "dynamodb-fips.us-west-2.amazonaws.com",
        "streams.dynamodb-fips.us-west-2.amazonaws.com",
        "search-dynamodb-fips.us-west-2.amazonaws.com",
      ],
    ],
    [
      "streams.dynamodb-fips.ca-central-1.amazonaws.com",
      [
        "dynamodb-fips.ca-central-1.amazonaws.com",
        "streams.dynamodb-fips.ca-central-1.amazonaws.com",
        "search-dynamodb-fips.ca-central-1.amazonaws.com",
      ],
    ],
    [
      "dynamodb-fips.us-gov-west-1.amazonaws.com",
      [
        "dynamodb.us-gov-west-1.amazonaws.com",
        "streams.dynamodb.us-gov-west-1.amazonaws.com",
        "search-dynamodb.us-gov-west-1.amazonaws.com",
      ],
    ],
    [
      "dynamodb.cn-north-1.amazonaws.com.cn",
      [
        "dynamodb.cn-north-1.amazonaws.com.cn",
        "streams.dynamodb.cn-north-1.amazonaws.com.cn",
        "search-dynamodb.cn-north-1.amazonaws.com.cn",
      ],
    ],
    [
      "dynamodb.us-east-1.api.aws",
      ["dynamodb.us-east-1.api.aws", "streams-dynamodb.us-east-1.api.aws", "search-dynamodb.us-east-1.api.aws"],
    ],
    [
      "dynamodb.eusc-de-east-1.amazonaws.eu",
      [
        "dynamodb.eusc-de-east-1.amazonaws.eu",
        "streams.dynamodb.eusc-de-east-1.amazonaws.eu",
        "search-dynamodb.eusc-de-east-1.amazonaws.eu",
      ],
    ],
    [
      "dynamodb.us-iso-east-1.c2s.ic.gov",
      [
        "dynamodb.us-iso-east-1.c2s.ic.gov",
        "streams.dynamodb.us-iso-east-1.c2s.ic.gov",
        "search-dynamodb.us-iso-east-1.c2s.ic.gov",
      ],
    ],
    [
      "123456789012.ddb.us-east-1.amazonaws.com",
      [
        "123456789012.ddb.us-east-1.amazonaws.com",
        "streams.dynamodb.us-east-1.amazonaws.com",
        "123456789012.search-ddb.us-east-1.amazonaws.com",
      ],
    ],
  ];
  for (const [uri, expected] of families) {
    it(`${uri} stands for its region's family`, () => assert.deepEqual(hosts(uri), expected));
  }

  it("uses account hosts when told to, but not with FIPS or outside the commercial partition", () => {
    assert.equal(
      hosts("dynamodb.us-east-1.amazonaws.com", "123456789012")[0],
      "123456789012.ddb.us-east-1.amazonaws.com",
    );
    assert.equal(
      hosts("dynamodb-fips.us-east-1.amazonaws.com", "123456789012")[0],
      "dynamodb-fips.us-east-1.amazonaws.com",
    );
    assert.equal(
      hosts("dynamodb.cn-north-1.amazonaws.com.cn", "123456789012")[0],
      "dynamodb.cn-north-1.amazonaws.com.cn",
    );
  });

  it("signs for the region of the host, as dynamodb, for every service", () => {
    const upstreams = upstreamsOf(parseEndpoint("dynamodb.eu-west-1.amazonaws.com", false), "us-east-1");
    for (const { region, signingName, origin, host } of Object.values(upstreams)) {
      assert.deepEqual([region, signingName, origin], ["eu-west-1", "dynamodb", `https://${host}`]);
    }
  });
});

describe("Any other endpoint takes every service", () => {
  const takers: [string, boolean, string, string, string][] = [
    ["http://localhost:8000", false, "emulator", "http://localhost:8000", "localhost:8000"],
    ["http://127.0.0.1:8000/", false, "emulator", "http://127.0.0.1:8000", "127.0.0.1:8000"],
    ["http://[::1]:8000", false, "emulator", "http://[::1]:8000", "[::1]:8000"],
    ["http://localhost:80", false, "emulator", "http://localhost", "localhost"],
    ["http://dynamodb:8000", true, "emulator", "http://dynamodb:8000", "dynamodb:8000"],
    [
      "https://alternator.example.com:8043",
      false,
      "custom",
      "https://alternator.example.com:8043",
      "alternator.example.com:8043",
    ],
    [
      "vpce-0123abcd-xyz1.dynamodb.us-east-1.vpce.amazonaws.com",
      false,
      "vpce",
      "https://vpce-0123abcd-xyz1.dynamodb.us-east-1.vpce.amazonaws.com",
      "vpce-0123abcd-xyz1.dynamodb.us-east-1.vpce.amazonaws.com",
    ],
    [
      "https://vpce-0123abcd-xyz1-us-east-1a.dynamodb.us-east-1.vpce.amazonaws.com:443",
      false,
      "vpce",
      "https://vpce-0123abcd-xyz1-us-east-1a.dynamodb.us-east-1.vpce.amazonaws.com",
      "vpce-0123abcd-xyz1-us-east-1a.dynamodb.us-east-1.vpce.amazonaws.com",
    ],
  ];
  for (const [uri, insecure, kind, origin, host] of takers) {
    it(`${uri} (${kind})`, () => {
      const endpoint = parseEndpoint(uri, insecure);
      assert.equal(endpoint.kind, kind);
      for (const upstream of Object.values(upstreamsOf(endpoint, "us-east-1"))) {
        assert.deepEqual([upstream.origin, upstream.host, upstream.region], [origin, host, "us-east-1"]);
      }
    });
  }
});

describe("parseEndpoint() refuses", () => {
  const refused: [string, RegExp][] = [
    ["http://dynamodb:8000", /plain HTTP/],
    ["http://0.0.0.0:8000", /plain HTTP/],
    ["http://dynamodb.localhost:8000", /plain HTTP/],
    ["http://localhost.example.com:8000", /plain HTTP/],
    ["http://127.0.0.1.example.com:8000", /plain HTTP/],
    ["http://dynamodb.us-east-1.amazonaws.com", /TLS only/],
    ["http://localhost@example.com:8000", /expected host/],
    ["http://example.com#@localhost", /expected host/],
    ["https://dynamodb.us-east-1.amazonaws.com/path", /expected host/],
    ["https://dynamodb.us-east-1.amazonaws.com?x", /expected host/],
    ["https://example.com\\@localhost", /expected host/],
    ["unix:///var/run/x.sock", /expected host/],
    ["localhost:8000", /not an AWS endpoint/],
    ["dynamodb.us-east-1.amazonaws.con", /not an AWS endpoint/],
    ["evilamazonaws.com", /not an AWS endpoint/],
    ["s3.us-east-1.amazonaws.com", /not one of DynamoDB/],
    ["amazonaws.com", /not one of DynamoDB/],
    ["https://execute-api.us-east-1.amazonaws.com", /not one of DynamoDB/],
    ["https://x.dynamodb.us-east-1.amazonaws.com", /not one of DynamoDB/],
    ["https://vpce-1.s3.us-east-1.vpce.amazonaws.com", /not one of DynamoDB/],
    ["dax.us-east-1.amazonaws.com", /DAX/],
    ["dynamodb.cn-north-1.amazonaws.com", /partition "aws-cn"/],
    ["dynamodb.us-east-1.amazonaws.com.cn", /partition "aws"/],
    ["123456789012.ddb.cn-north-1.amazonaws.com.cn", /no hosts with an account/],
    ["dynamodb.us-east-1.amazonaws.com:8443", /port 443/],
    ["dynamodb.us-east-1.amazonaws.com.", /cannot be read/],
    ["https://example.com:99999", /cannot be read/],
    ["http://localhost:0", /port 0/],
    ["", /expected host/],
    ["https://", /expected host/],
  ];
  for (const [uri, reason] of refused) {
    it(JSON.stringify(uri), () => {
      assert.throws(
        () => parseEndpoint(uri, false),
        (error: unknown) =>
          error instanceof AwsError && error.code === "endpoint_invalid" && reason.test(error.message),
      );
    });
  }

  it("a region of no partition, rather than guess one", () => {
    assert.throws(
      () => parseEndpoint("dynamodb.us-isox-east-1.amazonaws.com", false),
      (error: unknown) => error instanceof AwsError && error.code === "region_invalid",
    );
  });

  it("plain HTTP to AWS even when insecure is set", () => {
    assert.throws(() => parseEndpoint("http://dynamodb.us-east-1.amazonaws.com", true), /TLS only/);
  });
});
