import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { auditOf } from "../../support/gateway.ts";
import { missing, type Moto, startDynamoDbLocal, startMoto } from "../../support/peers.ts";
import { type PosternProcess, startPostern } from "../../support/postern-process.ts";
import { compare, type Comparison } from "./compare.ts";
import { LISTED, textOf, unexplained, type UpstreamName } from "./listed.ts";
import { type Case, REGIONS, runSuite, type SuiteOptions } from "./suite.ts";

const skip = await missing("dynamodbLocal", "java", "python", "motoServer", "motoTests");

/** A role of Alice's; without `db_rules` it allows everything. */
const mayDo = (deny: string): string => `
kind: role
version: v7
metadata: {name: all}
spec:
  allow: {db_labels: {"*": "*"}, db_users: [ExampleRole]}
  ${deny}
---
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [all]}
`;

// The tests that moto publishes for its DynamoDB, of which many were verified against AWS, are a client that knows nothing of
// Postern. Every upstream is there twice, one is reached directly and one through Postern, and both are asked the same.
describe("moto's own tests, directly and through Postern", { skip }, () => {
  let sts: Moto;
  /** The upstream, or the other services beside it: of the direct run, and of the one through Postern. */
  let motos: readonly [Moto, Moto];
  let motoDirectly: Case[];

  before(async () => {
    const [one, other, third] = await Promise.all([
      startMoto({ verify: true }),
      startMoto({ verify: false }),
      startMoto({ verify: false }),
    ]);
    sts = one;
    motos = [other, third];
  });
  after(async () => {
    await Promise.all([sts, ...(motos ?? [])].map((peer) => peer?.close()));
  });

  it("come to the same answers and ends in front of moto", async (t) => {
    const [direct, behind] = motos;
    const runs = await Promise.all([
      runSuite({ endpoints: everywhere(direct.url), moto: direct.url }),
      runThrough(behind.url, mayDo(""), { moto: behind.url }),
    ]);
    [motoDirectly] = runs;
    t.diagnostic(hold("moto", compare(...runs)));
  });

  it("come to the same answers and ends in front of DynamoDB Local", async (t) => {
    const locals = await Promise.all([startDynamoDbLocal(), startDynamoDbLocal()]);
    try {
      const [direct, behind] = locals.map(({ url }, at) => ({ url, moto: motos[at]?.url ?? "", emptied: url }));
      assert.ok(direct !== undefined && behind !== undefined);
      const runs = await Promise.all([
        runSuite({ ...direct, endpoints: everywhere(direct.url) }),
        runThrough(behind.url, mayDo(""), behind),
      ]);
      const [one, other] = runs.map((cases) => cases.filter((each) => !hasPassingIndexes(each)));
      t.diagnostic(hold("DynamoDB Local", compare(one ?? [], other ?? [])));
    } finally {
      await Promise.all(locals.map((peer) => peer.close()));
    }
  });

  it("do not where a role denies something, and nothing else than that differs", async () => {
    const [, behind] = motos;
    const tests = ["table_with_range_key", "batch_write", "transact"].map(
      (file) => `tests/test_dynamodb/test_dynamodb_${file}.py`,
    );
    const through = await runThrough(
      behind.url,
      mayDo("deny: {db_rules: [{actions: ['dynamodb:DeleteItem']}]}"),
      { moto: behind.url, tests },
      "denied",
    );
    const ran = new Set(through.map(({ test }) => test));
    const { differences } = compare(
      motoDirectly.filter(({ test }) => ran.has(test)),
      through,
    );
    const denied = differences.filter((difference) => difference.through.includes("AccessDeniedException"));
    assert.ok(denied.length >= 5, `${denied.length} denials among ${ran.size} tests`);
    assert.deepEqual(
      denied.filter(({ what }) => !/^(?:DeleteItem|BatchWriteItem|TransactWriteItems)$/.test(what)).map(textOf),
      [],
    );
    // What was not deleted is found afterwards: every other difference is in a test with a denial.
    const withDenials = new Set(denied.map(({ test }) => test));
    const others = differences.filter(({ test }) => !withDenials.has(test)).map(textOf);
    assert.deepEqual(
      others.filter((text) => !LISTED.some(({ like }) => like.test(text))),
      [],
    );
    const complaints = unexplained("moto", differences, LISTED).filter((text) => text.startsWith("0 rows"));
    assert.ok(complaints.length >= denied.length, complaints.join("\n"));
  });

  /** Runs the suite through a Postern of its own, and holds its log to what was sent. */
  async function runThrough(
    upstream: string,
    resources: string,
    options: Omit<SuiteOptions, "endpoints">,
    denied: "denied" | "allowed" = "allowed",
  ): Promise<Case[]> {
    const postern: PosternProcess = await startPostern({
      resources,
      uri: upstream,
      regions: REGIONS,
      env: {
        AWS_ACCESS_KEY_ID: sts.key.accessKeyId,
        AWS_SECRET_ACCESS_KEY: sts.key.secretAccessKey,
        AWS_REGION: "us-east-1",
        AWS_ENDPOINT_URL_STS: sts.url,
      },
    });
    try {
      const cases = await runSuite({ ...options, endpoints: postern.urls });
      const sent = cases.flatMap(({ exchanges }) => exchanges);
      const events = auditOf(`${postern.dataDir}/audit`).filter(({ event }) => event === "db.session.dynamodb.request");
      assert.equal(events.length, sent.length, "a request went past Postern");
      const outcomes = new Set(events.map(({ outcome }) => outcome));
      assert.equal(outcomes.has("denied"), denied === "denied", [...outcomes].join(", "));
      return cases;
    } finally {
      await postern.close();
    }
  }
});

/** Holds a comparison to the list. @returns the figures */
function hold(on: UpstreamName, comparison: Comparison): string {
  const { cases, same, sameRefusal, otherOutcomes, differences } = comparison;
  assert.deepEqual(unexplained(on, differences, LISTED), []);
  assert.ok(cases >= 530 && same >= 3_000, `only ${cases} tests sent something, and ${same} answers were forwarded`);
  return (
    `${on}: ${cases} tests; ${same} answers the same to the byte, ${sameRefusal} refused in the same words, ` +
    `${differences.length} listed differences, for which ${otherOutcomes} tests end otherwise`
  );
}

/** DynamoDB Local makes and removes indexes in the background: what it answers meanwhile is chance, in two direct runs as well. */
function hasPassingIndexes({ exchanges }: Case): boolean {
  return exchanges.some(({ request }) => request.includes("GlobalSecondaryIndexUpdates"));
}

function everywhere(url: string): Record<string, string> {
  return Object.fromEntries(REGIONS.map((region) => [region, url]));
}
