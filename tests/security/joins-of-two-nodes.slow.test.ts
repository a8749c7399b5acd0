import { systemClock } from "../../src/base/clock.ts";
import { DynamoDbStore } from "../../src/store/dynamodb-store.ts";
import { createStoreTable } from "../../src/store/dynamodb-table.ts";
import { dynamoDbCaller } from "../contract/dynamodb-caller.ts";
import { missing, startDynamoDbLocal } from "../support/peers.ts";
import { describeJoinsOfTwoNodes } from "../support/two-nodes.ts";

describeJoinsOfTwoNodes(
  "DynamoDB",
  async () => {
    const peer = await startDynamoDbLocal();
    const call = await dynamoDbCaller(peer.url);
    await createStoreTable({ call, table: "cluster" });
    return {
      open: () => DynamoDbStore.open({ call, table: "cluster", clock: systemClock }),
      close: () => peer.close(),
    };
  },
  await missing("java", "dynamodbLocal"),
);
