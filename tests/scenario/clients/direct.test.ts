import { after, before, describe, it } from "node:test";
import { missing, type Peer, startDynamoDbLocal } from "../../support/peers.ts";
import { assertReport, clientNames, runClients } from "./run-clients.ts";

const skip = await missing("dynamodbLocal", "java", "python");

// The baseline that a run through Postern is compared with.
describe("real clients, directly at DynamoDB Local", { skip }, () => {
  let upstream: Peer;

  before(async () => {
    upstream = await startDynamoDbLocal();
  });
  after(async () => {
    await upstream.close();
  });

  for (const client of clientNames) {
    it(`${client} sees what DynamoDB answers`, async () => {
      const [report] = await runClients(upstream.url, { clients: [client] });
      if (report !== undefined) assertReport(report);
    });
  }
});
