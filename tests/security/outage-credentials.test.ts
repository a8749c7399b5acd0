import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createLog } from "../../src/telemetry/log.ts";
import { eventually } from "../support/eventually.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { type StubUpstream, stubHttp } from "../support/stub-upstream.ts";

const GET = { TableName: "orders", Key: { id: { S: "ada#1" } } };
const SERVICE_UNAVAILABLE = "com.amazonaws.dynamodb.v20120810#ServiceUnavailable";
const TRUSTED = "arn:aws:iam::123456789012:user/postern-agent";

describe("pitfall 60: credentials that cannot be had", () => {
  const log: string[] = [];
  const trust = (principals: string[]): { name: string; trust: object } => ({
    name: "ExampleRole",
    trust: { principals, sessionTags: "any" },
  });
  const outages: readonly [string, (gateway: TestGateway) => void, (gateway: TestGateway) => void][] = [
    ["STS is down", ({ sandbox }) => sandbox.fail("sts_down"), ({ sandbox }) => sandbox.heal()],
    ["STS answers 503", ({ sandbox }) => sandbox.fail("sts_unavailable"), ({ sandbox }) => sandbox.heal()],
    ["STS throttles", ({ sandbox }) => sandbox.fail("sts_throttled"), ({ sandbox }) => sandbox.heal()],
    [
      "STS denies",
      ({ sandbox }) => sandbox.putRole(trust([]) as never),
      ({ sandbox }) => sandbox.putRole(trust([TRUSTED]) as never),
    ],
  ];
  for (const [what, fail, heal] of outages) {
    it(`because ${what} give a retryable 503 without a word of STS, an event that says failed, and a good answer when it is over`, async () => {
      const gateway = await startTestGateway({
        log: createLog({ severity: "debug", format: "json", write: (line) => void log.push(line) }),
      });
      try {
        fail(gateway);
        const { status, body, headers } = await gateway.call("GetItem", GET);
        assert.deepEqual([status, body["__type"]], [503, SERVICE_UNAVAILABLE]);
        for (const word of ["STS", "AssumeRole", "arn:", "postern-agent", "Throttling", "Rate exceeded"]) {
          assert.ok(!JSON.stringify(body).includes(word), `${word} is in the answer`);
        }
        const event = gateway.eventOf(headers.get("x-postern-decision-id"));
        assert.deepEqual([event["outcome"], event["code"]], ["failed", "TDY01E"]);
        assert.deepEqual(gateway.sandbox.dynamodb.requests, []);
        heal(gateway);
        await eventually(async () => (await gateway.call("GetItem", GET)).status === 200);
      } finally {
        await gateway.close();
      }
    });
  }

  it("are asked for once while STS is slow, by all who wait", async () => {
    const gateway = await startTestGateway();
    try {
      gateway.sandbox.fail("sts_slow", { times: 1, delayMs: 100 });
      const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.call("GetItem", GET)));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      assert.equal(gateway.sandbox.sts.calls.length, 1);
    } finally {
      await gateway.close();
    }
  });

  it("do not keep a denial waiting: policy is asked before STS", async () => {
    const gateway = await startTestGateway();
    try {
      gateway.sandbox.fail("sts_down");
      const { status, body } = await gateway.call("DeleteTable", { TableName: "orders" });
      assert.deepEqual([status, body["__type"]], [400, "com.amazon.coral.service#AccessDeniedException"]);
      assert.deepEqual(gateway.sandbox.sts.calls, []);
    } finally {
      await gateway.close();
    }
  });

  it("are named in the log with the reason", () => {
    assert.ok(
      log.some((line) => line.includes("Cannot get credentials for the AWS role") && line.includes("ExampleRole")),
    );
  });
});

describe("credentials that DynamoDB does not take any more", () => {
  it("reach the client as DynamoDB said it, and the next request has fresh ones", async () => {
    const gateway = await startTestGateway();
    try {
      assert.equal((await gateway.call("GetItem", GET)).status, 200);
      gateway.sandbox.revokeSessions();
      const refused = await gateway.call("GetItem", GET);
      assert.equal(refused.status, 400);
      assert.match(String(refused.body["__type"]), /#(?:UnrecognizedClientException|ExpiredTokenException)$/);
      assert.equal(gateway.eventOf(refused.headers.get("x-postern-decision-id"))["outcome"], "completed");
      assert.equal((await gateway.call("GetItem", GET)).status, 200);
      assert.equal(gateway.sandbox.sts.calls.length, 2);
    } finally {
      await gateway.close();
    }
  });

  describe("are forgotten for these words and no others", () => {
    let gateway: TestGateway;
    let stub: StubUpstream;
    let next = { status: 200, text: "{}" };
    before(async () => {
      stub = await stubHttp((_, response) => {
        response.writeHead(next.status);
        response.end(next.text);
      });
      gateway = await startTestGateway({ uri: stub.url });
    });
    after(async () => {
      await gateway.close();
      await stub.close();
    });
    const cases: readonly [number, string, boolean][] = [
      [400, '{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"m"}', true],
      [403, '{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"m"}', true],
      [400, '{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"m"}', true],
      [400, '{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"m"}', false],
      [400, '{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"m"}', false],
      // A client's own words in an answer must not make the gateway ask STS again and again.
      [200, '{"Item":{"id":{"S":"#ExpiredTokenException\\""}}}', false],
      [200, '{"__type":"x#ExpiredTokenException"}', false],
      [500, '{"__type":"x#ExpiredTokenException"}', false],
    ];
    for (const [status, text, forgets] of cases) {
      it(`${status} ${text}: ${forgets ? "forgotten" : "kept"}`, async () => {
        next = { status: 200, text: "{}" };
        await gateway.call("GetItem", GET);
        gateway.sandbox.forget();
        next = { status, text };
        const answer = await gateway.call("GetItem", GET);
        assert.deepEqual([answer.status, answer.body], [status, JSON.parse(text)]);
        next = { status: 200, text: "{}" };
        await gateway.call("GetItem", GET);
        assert.equal(gateway.sandbox.sts.calls.length, forgets ? 1 : 0);
      });
    }
  });
});

describe("invariant 7: no secret leaves the gateway", () => {
  it("in answers, audit lines, logs or metrics, whatever goes wrong", async () => {
    const log: string[] = [];
    const said: string[] = [];
    const gateway = await startTestGateway({
      log: createLog({ severity: "debug", format: "json", write: (line) => void log.push(line) }),
      upstream: (real) => ({
        async send(request) {
          said.push(
            request.headers["x-amz-security-token"] ?? "",
            /Signature=([0-9a-f]+)/.exec(request.headers["authorization"] ?? "")?.[1] ?? "",
          );
          return await real.send(request);
        },
        close: () => real.close(),
      }),
    });
    try {
      const answers: string[] = [];
      const call = async (operation: string, input: unknown): Promise<void> => {
        const { body, headers } = await gateway.call(operation, input, {
          authorization: "client-secret",
          "x-amz-security-token": "client-secret",
        });
        answers.push(JSON.stringify([body, [...headers]]));
      };
      await call("GetItem", GET);
      await call("PutItem", { TableName: "orders", Item: { id: { S: "x" }, password: { S: "item-secret" } } });
      await call("GetItem", { TableName: "nowhere", Key: { id: { S: "key-secret" } } });
      await call("DeleteTable", { TableName: "orders" });
      await call("GetItem", '{"TableName":"orders","Key":{"id":{"S":"broken-secret"');
      gateway.sandbox.fail("dynamodb_down");
      await call("GetItem", GET);
      gateway.sandbox.heal();
      gateway.sandbox.revokeSessions();
      await call("GetItem", GET);
      gateway.sandbox.fail("sts_down");
      await call("GetItem", GET);
      gateway.sandbox.heal();
      const metrics = await (await gateway.gateway.services.metrics.registry()).metrics();
      const secrets = [
        ...new Set(said),
        gateway.sandbox.env["AWS_SECRET_ACCESS_KEY"] ?? "",
        gateway.sandbox.env["AWS_ACCESS_KEY_ID"] ?? "",
        "client-secret",
      ];
      assert.ok(secrets.length >= 6 && secrets.every((secret) => secret.length > 8), "the test knows no secrets");
      const audit = JSON.stringify(gateway.audit());
      for (const [where, text] of Object.entries({ answers: answers.join(""), audit, log: log.join(""), metrics })) {
        for (const secret of secrets)
          assert.ok(!text.includes(secret), `a secret is in the ${where}: ${secret.slice(0, 4)}…`);
      }
      for (const value of ["item-secret", "key-secret", "broken-secret"]) {
        assert.ok(!audit.includes(value) && !log.join("").includes(value), `${value} is on record`);
      }
    } finally {
      await gateway.close();
    }
  });
});
