import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ruleFor } from "../../src/identity/allow-rules.ts";
import {
  CHALLENGE_HEADER,
  judgeIdentityRequest,
  newChallenge,
  readIdentityAnswer,
  type SignedIdentityRequest,
} from "../../src/identity/iam-join.ts";
import {
  CHALLENGE,
  FORM_BODY,
  identityAnswer,
  type IdentityRequestParts,
  SIGNED_AT,
  signedIdentityRequest,
} from "../support/identity-request.ts";

// Who signs for STS anything it likes must not be able to make us ask somebody else, ask something else, or take an
// answer that was meant for another.

type Change = (request: SignedIdentityRequest) => SignedIdentityRequest;

const header =
  (name: string, change: (value: string) => string): Change =>
  (request) => ({
    ...request,
    headers: request.headers.map(([key, value]) => [key, key.toLowerCase() === name ? change(value) : value]),
  });
const without =
  (name: string): Change =>
  (request) => ({ ...request, headers: request.headers.filter(([key]) => key.toLowerCase() !== name) });
const also =
  (name: string, value: string): Change =>
  (request) => ({ ...request, headers: [...request.headers, [name, value]] });
const unsign = (name: string): Change =>
  header("authorization", (value) => value.replace(new RegExp(`;${name}|${name};`), ""));
const at =
  (url: string): Change =>
  (request) => ({ ...request, url });
const same: Change = (request) => request;

const HOST = "sts.us-east-1.amazonaws.com";
const FORGED: readonly (readonly [what: string, reason: RegExp, parts: IdentityRequestParts, change: Change])[] = [
  ["another host, rightly signed", /address/, { host: "sts.evil.example" }, same],
  ["a host that only begins like STS", /address/, { host: `${HOST}.evil.example` }, same],
  ["a host that only ends like STS", /address/, { host: "evil-sts.us-east-1.amazonaws.com" }, same],
  ["an S3 bucket named like STS", /address/, { host: "sts.s3.amazonaws.com" }, same],
  ["another service of AWS", /address/, { host: "iam.amazonaws.com" }, same],
  ["a region of another partition", /address/, { host: "sts.cn-north-1.amazonaws.com", region: "cn-north-1" }, same],
  ["a region that nobody knows", /address/, { host: "sts.xx-place-1.amazonaws.com", region: "xx-place-1" }, same],
  ["no TLS", /address/, {}, at(`http://${HOST}/`)],
  ["a port", /address/, {}, at(`https://${HOST}:8443/`)],
  ["somebody before the host", /address/, {}, at(`https://${HOST}@evil.example/`)],
  ["a path", /address/, {}, at(`https://${HOST}/x`)],
  ["no path", /address/, {}, at(`https://${HOST}`)],
  ["the query form", /address/, {}, at(`https://${HOST}/?Action=GetCallerIdentity&Version=2011-06-15`)],
  ["a fragment", /address/, {}, at(`https://${HOST}/#x`)],
  ["a line break behind the address", /address/, {}, at(`https://${HOST}/\n`)],
  ["capitals in the host", /address/, {}, at(`https://${HOST.toUpperCase()}/`)],
  ["a Host that leads elsewhere", /Host/, {}, header("host", () => "evil.example")],
  ["the Host of another region", /Host/, {}, header("host", () => "sts.eu-west-1.amazonaws.com")],
  ["a second Host", /host is there twice/, {}, also("Host", "evil.example")],
  ["a second challenge", /twice/, {}, also(CHALLENGE_HEADER.toUpperCase(), CHALLENGE)],
  ["GET", /POST/, {}, (request) => ({ ...request, method: "GET" })],
  ["another method in a header", /does not belong/, {}, also("x-http-method-override", "GET")],
  ["another action", /body/, { body: "Action=GetSessionToken&Version=2011-06-15" }, same],
  ["a second action", /body/, { body: `${FORM_BODY}&Action=AssumeRole` }, same],
  ["a parameter more", /body/, { body: `${FORM_BODY}&RoleArn=x` }, same],
  ["an action in other letters", /body/, { body: "action=GetCallerIdentity&Version=2011-06-15" }, same],
  ["an empty body", /body/, { body: "" }, same],
  ["a content type of JSON", /content-type/, { headers: { "content-type": "application/x-amz-json-1.1" } }, same],
  ["a target of JSON, signed", /does not belong/, { headers: { "x-amz-target": "Sts.AssumeRole" } }, same],
  ["a header more, signed", /does not belong/, { headers: { "x-forwarded-host": "evil.example" } }, same],
  ["a header more, unsigned", /does not belong/, {}, also("x-forwarded-host", "evil.example")],
  ["a wish for JSON", /does not belong/, { headers: { accept: "application/json" } }, same],
  ["another framing", /does not belong/, {}, also("transfer-encoding", "chunked")],
  ["another length", /content-length/, {}, also("content-length", "5")],
  ["the hash of another body", /sha256/, { headers: { "x-amz-content-sha256": "0".repeat(64) } }, same],
  ["a body that is not signed", /sha256/, { headers: { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" } }, same],
  [
    "no challenge",
    /challenge is not signed/,
    {},
    (request) => unsign(CHALLENGE_HEADER)(without(CHALLENGE_HEADER)(request)),
  ],
  ["a challenge that is signed and not there", /not there/, {}, without(CHALLENGE_HEADER)],
  ["a challenge that is not signed", /challenge is not signed/, {}, unsign(CHALLENGE_HEADER)],
  ["another challenge", /challenge is not the one/, { headers: { [CHALLENGE_HEADER]: newChallenge() } }, same],
  ["a longer challenge", /challenge is not the one/, { headers: { [CHALLENGE_HEADER]: `${CHALLENGE}A` } }, same],
  ["a Host that is not signed", /host is not signed/, {}, unsign("host")],
  ["a date that is not signed", /x-amz-date is not signed/, {}, unsign("x-amz-date")],
  ["a session that is not signed", /security-token is not signed/, {}, also("x-amz-security-token", "x")],
  ["no signature", /Authorization/, {}, without("authorization")],
  ["two signatures", /twice/, {}, also("Authorization", "AWS4-HMAC-SHA256 x")],
  ["a signature for another service", /not signed for AWS STS/, { service: "s3" }, same],
  ["a signature for another region", /another region/, { host: HOST, region: "eu-west-1" }, same],
  [
    "a signature of another day",
    /another day/,
    {},
    header("authorization", (v) => v.replace("/20261122/", "/20261121/")),
  ],
  ["a signature of another kind", /Authorization/, {}, header("authorization", (v) => v.replace("HMAC", "ECDSA-P256"))],
  [
    "signed headers out of order",
    /in order/,
    {},
    header("authorization", (v) => v.replace("content-type;host", "host;content-type")),
  ],
  ["a header signed twice", /in order/, {}, header("authorization", (v) => v.replace("host;", "host;host;"))],
  ["a line break in a header", /does not belong there/, {}, header("x-amz-date", (v) => `${v}\r\nHost: evil.example`)],
  ["a date that is none", /not a time/, {}, header("x-amz-date", () => "20261122T250000Z")],
];

describe("A signed request to STS from a service that wants to join", () => {
  it("is taken as it should be, so that what follows is refused for what it is", async () => {
    judgeIdentityRequest(await signedIdentityRequest(), CHALLENGE, SIGNED_AT);
  });

  for (const [what, reason, parts, change] of FORGED) {
    it(`is refused with ${what}`, async () => {
      const request = change(await signedIdentityRequest(parts));
      assert.throws(
        () => judgeIdentityRequest(request, CHALLENGE, SIGNED_AT),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, "identity_request_invalid");
          assert.match(error.message, reason);
          // Neither what signs nor where it would have led is told on.
          assert.doesNotMatch(error.message, /AKIA|Signature=|evil/);
          return true;
        },
      );
    });
  }

  it("is refused once it is old, and when nobody gave a challenge", async () => {
    const old = await signedIdentityRequest({ at: SIGNED_AT - 900_000 });
    assert.throws(() => judgeIdentityRequest(old, CHALLENGE, SIGNED_AT), { code: "identity_request_stale" });
    const empty = await signedIdentityRequest();
    assert.throws(() => judgeIdentityRequest(empty, "", SIGNED_AT), { code: "identity_request_invalid" });
  });
});

describe("An answer of STS", () => {
  const good = identityAnswer();
  const account = "<Account>123456789012</Account>";
  for (const [what, xml] of [
    ["with two accounts", good.replace(account, `${account}<Account>999999999999</Account>`)],
    ["with two ARNs", good.replace("<Arn>", "<Arn>arn:aws:iam::123456789012:user/x</Arn><Arn>")],
    [
      "with two results",
      good.replace("<ResponseMetadata>", "<GetCallerIdentityResult></GetCallerIdentityResult><ResponseMetadata>"),
    ],
    ["with another answer behind it", good + good],
    ["inside another", `<x>${good}</x>`],
    ["with an account in a comment", good.replace(account, `<!-- ${account} -->`)],
    ["with a comment inside the account", good.replace("123456789012</Acc", "1234<!-- -->56789012</Acc")],
    ["with entities", `<!DOCTYPE a [<!ENTITY x "1">]>${good}`],
    ["with an entity in the ARN", good.replace("agents", "&x;")],
    ["with CDATA", good.replace("123456789012</Acc", "<![CDATA[123456789012]]></Acc")],
    ["with attributes", good.replace("<Account>", '<Account x="y">')],
    ["with a field inside a field", good.replace(account, `<X>${account}</X>`)],
    ["with a field more", good.replace(account, `${account}<X>y</X>`)],
    ["without an account", good.replace(account, "")],
    ["with an account that the ARN does not name", identityAnswer(undefined, "999999999999")],
    ["with an account that is none", identityAnswer("arn:aws:iam::12345:root", "12345")],
    ["of another partition", identityAnswer("arn:aws-cn:sts::123456789012:assumed-role/agents/i-0abc")],
    ["of another action", good.replaceAll("GetCallerIdentity", "AssumeRole")],
    ["of another namespace", good.replace("sts.amazonaws.com", "evil.example")],
    ["as JSON", '{"GetCallerIdentityResponse":{}}'],
    ["that is empty", ""],
    ["that is too long", good + " ".repeat(20_000)],
  ] as const) {
    it(`${what} proves nothing`, () => {
      assert.throws(() => readIdentityAnswer(200, xml, { partition: "aws" }), { code: "identity_answer_invalid" });
    });
  }

  it("is read in time that grows with its length, whatever is in it", () => {
    const open =
      '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>';
    for (const filler of ["<a></a>", "<a>", " ", "<a></a> ", "\n"]) {
      const xml = open + filler.repeat(Math.floor(16_000 / filler.length));
      assert.throws(() => readIdentityAnswer(200, xml, { partition: "aws" }), { code: "identity_answer_invalid" });
    }
  });
});

describe("A rule for AWS identities", () => {
  it("is not met by a session that calls itself what the rule wants", () => {
    const identity = { account: "123456789012", arn: "arn:aws:sts::123456789012:assumed-role/evil/x-admin" };
    for (const aws_arn of [
      "arn:aws:sts::123456789012:assumed-role/*-admin",
      "arn:aws:sts::123456789012:assumed-role/*admin/x-admin",
      "arn:aws:iam::123456789012:role/*-admin",
      "arn:aws:sts::123456789012:*",
    ])
      assert.equal(ruleFor(identity, [{ aws_account: "123456789012", aws_arn }]), undefined, aws_arn);
  });

  it("is matched in steps that do not multiply", () => {
    const arn = `arn:aws:sts::123456789012:assumed-role/agents/${"a".repeat(1000)}`;
    const aws_arn = `arn:aws:sts::123456789012:assumed-role/agents/${"*a".repeat(900)}*b`;
    assert.equal(ruleFor({ account: "123456789012", arn }, [{ aws_account: "123456789012", aws_arn }]), undefined);
  });
});
