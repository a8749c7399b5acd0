import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { partitions } from "../../../src/aws/partitions.ts";
import { ruleFor } from "../../../src/identity/allow-rules.ts";
import {
  CHALLENGE_HEADER,
  judgeIdentityRequest,
  newChallenge,
  readIdentityAnswer,
  stsEndpointOf,
} from "../../../src/identity/iam-join.ts";
import {
  CHALLENGE,
  FORM_BODY,
  identityAnswer,
  SIGNED_AT,
  signedIdentityRequest,
} from "../../support/identity-request.ts";

describe("judgeIdentityRequest()", () => {
  it("lets what the AWS SDK's signer makes be replayed, and nothing else of it", async () => {
    const request = await signedIdentityRequest({ sessionToken: "FwoGZXIvYXdzEXAMPLE" });
    const withLength = { ...request, headers: [...request.headers, ["Content-Length", "43"] as const] };
    const replay = judgeIdentityRequest(withLength, CHALLENGE, SIGNED_AT);
    assert.deepEqual(
      { ...replay, headers: Object.keys(replay.headers).sort() },
      {
        url: "https://sts.us-east-1.amazonaws.com/",
        host: "sts.us-east-1.amazonaws.com",
        partition: "aws",
        region: "us-east-1",
        headers: [
          "authorization",
          "content-type",
          "host",
          "x-amz-date",
          "x-amz-security-token",
          CHALLENGE_HEADER,
        ].sort(),
        body: FORM_BODY,
      },
    );
  });

  it("takes five minutes' difference of clocks either way", async () => {
    const request = await signedIdentityRequest();
    for (const off of [-300_000, 0, 300_000]) judgeIdentityRequest(request, CHALLENGE, SIGNED_AT + off);
    for (const off of [-301_000, 301_000]) {
      assert.throws(() => judgeIdentityRequest(request, CHALLENGE, SIGNED_AT + off), {
        code: "identity_request_stale",
        hint: /clocks/,
      });
    }
  });

  it("goes to the endpoints of every partition that aws/ knows, ordinary and FIPS", async () => {
    const regions: Readonly<Record<string, string>> = {
      aws: "eu-central-1",
      "aws-cn": "cn-north-1",
      "aws-us-gov": "us-gov-west-1",
      "aws-eusc": "eusc-de-east-1",
      "aws-iso": "us-iso-east-1",
      "aws-iso-b": "us-isob-east-1",
      "aws-iso-e": "eu-isoe-west-1",
      "aws-iso-f": "us-isof-south-1",
    };
    for (const { id, dnsSuffix } of partitions) {
      const region = regions[id] ?? "";
      for (const host of [`sts.${region}.${dnsSuffix}`, `sts-fips.${region}.${dnsSuffix}`]) {
        assert.deepEqual(stsEndpointOf(host), { partition: id, region });
        const replay = judgeIdentityRequest(await signedIdentityRequest({ host, region }), CHALLENGE, SIGNED_AT);
        assert.equal(replay.partition, id);
      }
    }
    const old = await signedIdentityRequest({ host: "sts.amazonaws.com" });
    assert.equal(judgeIdentityRequest(old, CHALLENGE, SIGNED_AT).region, "us-east-1");
  });
});

describe("newChallenge()", () => {
  it("is 256 bits that differ, fit for a header", () => {
    assert.match(newChallenge(), /^[A-Za-z0-9_-]{43}$/);
    assert.notEqual(newChallenge(), newChallenge());
  });
});

describe("readIdentityAnswer()", () => {
  it("reads account and ARN in any order and layout", () => {
    const identity = { account: "123456789012", arn: "arn:aws:sts::123456789012:assumed-role/agents/i-0abc" };
    const compact = identityAnswer().replaceAll(/>\s+</g, "><");
    const xml = identityAnswer();
    const turned = compact.replace(/(<Arn>.*<\/Arn>)(.*<\/Account>)/, "$2$1");
    for (const text of [xml, compact, turned, `<?xml version="1.0" encoding="UTF-8"?>\n${xml}`])
      assert.deepEqual(readIdentityAnswer(200, text, { partition: "aws" }), identity);
  });

  it("takes any other status for a no", () => {
    for (const status of [403, 302, 500, 0]) {
      assert.throws(() => readIdentityAnswer(status, identityAnswer(), { partition: "aws" }), {
        code: "identity_refused",
      });
    }
  });
});

describe("ruleFor()", () => {
  const who = (arn: string): { account: string; arn: string } => ({ account: arn.split(":")[4] ?? "", arn });
  const session = who("arn:aws:sts::123456789012:assumed-role/agents/i-0abc");
  const rule = (aws_arn?: string) => [{ aws_account: "123456789012", ...(aws_arn === undefined ? {} : { aws_arn }) }];

  it("lets in a whole account, a role by either name, and sessions by pattern", () => {
    for (const aws_arn of [
      undefined,
      "arn:aws:sts::123456789012:assumed-role/agents/i-0abc",
      "arn:aws:sts::123456789012:assumed-role/agents/i-*",
      "arn:aws:sts::123456789012:assumed-role/agents/*",
      "arn:aws:sts::123456789012:assumed-role/ag*ts/i*b*",
      "arn:aws:iam::123456789012:role/agents",
      "arn:aws:iam::123456789012:role/agent*",
    ])
      assert.notEqual(ruleFor(session, rule(aws_arn)), undefined, aws_arn);
    const user = who("arn:aws:iam::123456789012:user/team/bob");
    assert.notEqual(ruleFor(user, rule("arn:aws:iam::123456789012:user/team/*")), undefined);
  });

  it("lets nobody else in", () => {
    for (const aws_arn of [
      "arn:aws:sts::123456789012:assumed-role/agent/i-0abc",
      "arn:aws:sts::123456789012:assumed-role/agents/i-0abcd",
      "arn:aws:sts::123456789012:assumed-role/agents/*x*",
      "arn:aws:sts::123456789012:assumed-role/agents/i-0ab*c*c",
      "arn:aws:sts::123456789012:assumed-role/agents/i-0abc/*",
      "arn:aws:sts::123456789012:assumed-role/AGENTS/*",
      "arn:aws:iam::123456789012:user/agents",
      "arn:aws-cn:iam::123456789012:role/agents",
    ])
      assert.equal(ruleFor(session, rule(aws_arn)), undefined, aws_arn);
    assert.equal(ruleFor(who("arn:aws:sts::999999999999:assumed-role/agents/i-0abc"), rule()), undefined);
    assert.equal(ruleFor(session, []), undefined);
  });
});
