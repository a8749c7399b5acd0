import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { compileDirectory } from "../../src/cli/policy/compile.ts";
import { parseBundle } from "../../src/policy/bundle.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { RawClient, requestBytes } from "../support/raw-http.ts";

/** Contradicts itself for a name that a client can send, so that evaluation throws. */
const CONFLICTING = `package postern.custom.fragile

deny contains message if {
	some access in input.request.accesses
	message := _verdict(access.table)
}

_verdict(table) := "one" if startswith(table, "conflict")

_verdict(table) := "two" if endswith(table, "conflicts")
`;
const PROVOCATIONS = 5000;

describe("invariant 1: a policy that throws when a client provokes it", () => {
  let gateway: TestGateway;
  let directory: string;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "postern-policy-"));
    mkdirSync(join(directory, "fragile"));
    writeFileSync(join(directory, "fragile", "fragile.rego"), CONFLICTING);
    const bytes = await compileDirectory(directory);
    gateway = await startTestGateway({ loadPolicy: async () => parseBundle(bytes, directory) });
  });
  after(async () => {
    await gateway.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it(`denies policy_failed ${PROVOCATIONS} times, and changes nothing of the next callers' answers`, async () => {
    const get = (TableName: string): Buffer =>
      requestBytes({ body: JSON.stringify({ TableName, Key: { id: { S: "ada#1" } } }) });
    const drop = requestBytes({ operation: "DeleteTable", body: '{"TableName":"orders"}' });
    const client = await RawClient.open(gateway.port);
    const ask = async (bytes: Buffer): Promise<[number, string]> => {
      await client.write(bytes);
      const { status, body, headers } = await client.mustAnswer();
      return [status, body.replaceAll(headers["x-postern-decision-id"] ?? "-", "D")];
    };
    const others = [get("orders"), get("conflict"), drop];
    const before = [];
    for (const bytes of others) before.push(await ask(bytes));
    assert.deepEqual(
      before.map(([status]) => status),
      [200, 400, 400],
    );
    gateway.sandbox.forget();

    const provoke = get("conflict-conflicts");
    const [, first] = await ask(provoke);
    assert.match(first, /policy_failed/);
    const BATCH = 100;
    for (let done = 0; done < PROVOCATIONS; done += BATCH) {
      await client.write(Buffer.concat(Array<Buffer>(BATCH).fill(provoke)));
      for (let at = 0; at < BATCH; at++) {
        const { status, body, headers } = await client.mustAnswer();
        assert.deepEqual([status, body.replaceAll(headers["x-postern-decision-id"] ?? "-", "D")], [400, first]);
      }
    }
    assert.deepEqual(gateway.sandbox.dynamodb.requests, []);
    const afterwards = [];
    for (const bytes of others) afterwards.push(await ask(bytes));
    assert.deepEqual(afterwards, before);
    assert.deepEqual(await ask(provoke), [400, first]);
    const metrics = await (await gateway.gateway.services.metrics.registry()).metrics();
    assert.ok(
      metrics.includes(`postern_policy_faults_total{code="policy_failed"} ${PROVOCATIONS + 2}`),
      "the faults are not counted",
    );
    client.destroy();
  });
});
