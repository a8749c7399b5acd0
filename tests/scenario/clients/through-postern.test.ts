import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ALICE_MAY_NEARLY_EVERYTHING, auditOf } from "../../support/gateway.ts";
import { missing, type Moto, type Peer, startDynamoDbLocal, startMoto } from "../../support/peers.ts";
import { type PosternProcess, startPostern } from "../../support/postern-process.ts";
import { assertReport, clientNames, runClients } from "./run-clients.ts";

const skip = await missing("dynamodbLocal", "java", "python", "motoServer");

// DynamoDB Local does the work, moto is STS and checks every signature and trust policy, the clients are the real ones.
describe("real clients, through Postern", { skip }, () => {
  let upstream: Peer;
  let sts: Moto;
  let postern: PosternProcess;

  before(async () => {
    [upstream, sts] = await Promise.all([startDynamoDbLocal(), startMoto({ verify: true })]);
    postern = await startPostern({
      resources: ALICE_MAY_NEARLY_EVERYTHING,
      uri: upstream.url,
      env: {
        AWS_ACCESS_KEY_ID: sts.key.accessKeyId,
        AWS_SECRET_ACCESS_KEY: sts.key.secretAccessKey,
        AWS_REGION: "us-east-1",
        AWS_ENDPOINT_URL_STS: sts.url,
      },
    });
  });
  after(async () => {
    await postern?.close();
    await Promise.all([upstream?.close(), sts?.close()]);
  });

  for (const client of clientNames) {
    it(`${client} sees what it sees directly, and a typed denial where policy says no`, async () => {
      const [report] = await runClients(postern.url, { clients: [client] });
      if (report !== undefined) assertReport(report, ["delete_table"]);
      const denied = auditOf(`${postern.dataDir}/audit`).filter(
        (line) => line["target"] === "DynamoDB_20120810.DeleteTable",
      );
      assert.deepEqual(
        denied.slice(-1).map((line) => [line["event"], line["code"], line["outcome"], line["user"]]),
        [["db.session.dynamodb.request", "TDY01E", "denied", "alice"]],
      );
    });
  }
});
