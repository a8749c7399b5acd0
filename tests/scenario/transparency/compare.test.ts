import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compare } from "./compare.ts";
import { LISTED, textOf, unexplained } from "./listed.ts";
import type { Case, Exchange } from "./suite.ts";

const ID = "b4fb8258-f527-47e0-918a-d259a33ef4ff";
const UPSTREAMS = { "x-amzn-requestid": "A1", "content-type": "application/x-amz-json-1.0", "x-amz-crc32": "1" };
const FORWARDED = { ...UPSTREAMS, "x-amzn-requestid": "B2", "x-amz-crc32": "2", "x-postern-decision-id": ID };
const { "x-amz-crc32": _, ...WITHOUT_CHECKSUM } = FORWARDED;
const REFUSED = { "content-type": "application/x-amz-json-1.0", "x-amzn-requestid": ID, "x-postern-decision-id": ID };

const GET: Exchange = {
  region: "us-east-1",
  operation: "DynamoDB_20120810.GetItem",
  request: `{"TableName": "t"}`,
  status: 200,
  headers: UPSTREAMS,
  response: `{"Item": {"a": {"S": "x"}}, "CreationDateTime": 1.5, "TableId": "${ID}"}`,
  checksum: true,
};
const GOT: Exchange = { ...GET, headers: FORWARDED };
const ANOTHER_TIME = `{"Item": {"a": {"S": "x"}}, "CreationDateTime": 27, "TableId": "00000000-0000-4000-8000-000000000000"}`;

function caseOf(exchanges: readonly Exchange[], failure: Case["failure"] = null): Case {
  return { test: "one", outcome: failure === null ? "passed" : "failed", failure, exchanges };
}

function differences(direct: readonly Exchange[], through: readonly Exchange[]): string[] {
  return compare([caseOf(direct)], [caseOf(through)]).differences.map(textOf);
}

function error(type: string, message: string, headers: Exchange["headers"]): Exchange {
  return { ...GET, status: 400, headers: headers ?? {}, response: JSON.stringify({ __type: type, message }) };
}

describe("compare()", () => {
  it("takes answers for the same that differ in time, identities and what belongs to a connection", () => {
    const { differences: found, same } = compare(
      [caseOf([GET])],
      [caseOf([{ ...GOT, response: ANOTHER_TIME, headers: { ...FORWARDED, "keep-alive": "timeout=75" } }])],
    );
    assert.deepEqual([found, same], [[], 1]);
  });

  const broken: Readonly<Record<string, readonly Exchange[]>> = {
    "another value": [{ ...GOT, response: GET.response?.replace('"x"', '"y"') ?? "" }],
    "another byte between values": [{ ...GOT, response: GET.response?.replace(", ", ",") ?? "" }],
    "another status": [{ ...GOT, status: 500 }],
    "another header": [{ ...GOT, headers: { ...FORWARDED, "content-type": "text/html" } }],
    "a lost header": [{ ...GOT, headers: WITHOUT_CHECKSUM }],
    "one header more": [{ ...GOT, headers: { ...FORWARDED, server: "Postern" } }],
    "a wrong checksum": [{ ...GOT, checksum: false }],
    "an answer that went past Postern": [GET],
    "an answer that Postern made up": [{ ...GOT, headers: REFUSED }],
    "no answer": [
      { region: GOT.region, operation: GOT.operation, request: GOT.request, broken: "ConnectionClosedError" },
    ],
    "another request": [{ ...GOT, request: `{"TableName": "u"}` }],
    "another region": [{ ...GOT, region: "eu-west-1" }],
    "a lost request": [],
    "a request sent again": [GOT, GOT],
  };
  for (const [what, through] of Object.entries(broken)) {
    it(`notices ${what}`, () => {
      assert.equal(differences([GET], through).length, 1);
    });
  }

  it("notices identities that are told apart in one run only", () => {
    const other = GET.response?.replace(ID, "00000000-0000-4000-8000-000000000000") ?? "";
    assert.equal(differences([GET, GET], [GOT, { ...GOT, response: other }]).length, 1);
  });

  it("takes a refusal of Postern's for the same when status, type and words are the upstream's", () => {
    const direct = error("com.amazonaws.dynamodb.v20120810#ValidationException", "no", UPSTREAMS);
    const { sameRefusal } = compare(
      [caseOf([direct])],
      [caseOf([error("com.amazon.coral.validate#ValidationException", "no", REFUSED)])],
    );
    assert.equal(sameRefusal, 1);
    for (const other of [
      error("com.amazon.coral.validate#ValidationException", "no!", REFUSED),
      error("com.amazon.coral.service#AccessDeniedException", "no", REFUSED),
      { ...error("com.amazon.coral.validate#ValidationException", "no", REFUSED), status: 413 },
    ]) {
      assert.equal(differences([direct], [other]).length, 1, JSON.stringify(other));
    }
  });

  it("notices another end, another reason for it, and tests that ran once only", () => {
    const failure = { when: "call", kind: "AssertionError", message: "", line: "test.py:1" };
    for (const [one, other] of [
      [caseOf([GET]), caseOf([GOT], failure)],
      [caseOf([GET], failure), caseOf([GOT], { ...failure, line: "test.py:2" })],
      [caseOf([GET], failure), caseOf([GOT], { ...failure, kind: "KeyError" })],
    ] as const) {
      assert.equal(compare([one], [other]).differences.length, 1);
    }
    assert.equal(compare([caseOf([GET])], []).differences.length, 1);
    assert.equal(compare([], [caseOf([GOT])]).differences.length, 1);
  });

  it("does not look at what the upstream does in its own time, unless it is refused", () => {
    const poll = (response: string): Exchange => ({ ...GET, operation: "DynamoDB_20120810.DescribeImport", response });
    const polled = [{ ...poll("done"), headers: FORWARDED }];
    assert.deepEqual(differences([poll("under way"), poll("done")], polled), []);
    assert.equal(differences([poll("done")], [{ ...polled[0], status: 400 } as Exchange]).length, 1);
  });
});

describe("unexplained()", () => {
  const rows = [{ like: /^GetItem \| 200 .* \| 400 /, count: { moto: 1 }, why: "so that it is one" }];
  const difference = { test: "one", what: "GetItem", direct: "200 {}", through: "400 no" };

  it("is silent about exactly the listed differences", () => {
    assert.deepEqual(unexplained("moto", [difference], rows), []);
  });

  it("names differences that are not listed, not for this upstream, too many, too few, or listed twice", () => {
    assert.equal(unexplained("moto", [difference, { ...difference, what: "Query" }], rows).length, 1);
    assert.equal(unexplained("DynamoDB Local", [difference], rows).length, 1);
    assert.equal(unexplained("moto", [difference, difference], rows).length, 1);
    assert.equal(unexplained("moto", [], rows).length, 1);
    assert.equal(unexplained("moto", [difference], rows.concat({ ...rows[0], like: /Get/ } as never)).length, 1);
  });
});

describe("the list", () => {
  it("gives a reason for each row, and a count", () => {
    for (const { like, count, why } of LISTED) {
      assert.ok(why.length > 20 && Object.values(count).every((each) => each > 0), String(like));
    }
  });
});
