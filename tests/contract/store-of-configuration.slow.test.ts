import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { loadControlBundle } from "../../src/cli/policy/builtin.ts";
import { kindsForUse } from "../../src/compose/kinds.ts";
import { StoreFollower, type StoredSet } from "../../src/compose/store-follower.ts";
import { openStore } from "../../src/compose/store.ts";
import { parseConfig } from "../../src/config/load.ts";
import { Administration } from "../../src/control/administration.ts";
import { Authorizer } from "../../src/control/authorize.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { missing, startDynamoDbLocal } from "../support/peers.ts";

const skip = await missing("java", "dynamodbLocal");

describe("a store in DynamoDB that a configuration names", { skip }, () => {
  it("is made when it is missing, shared, and followed", async () => {
    const peer = await startDynamoDbLocal();
    const env = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "example" };
    const before = { ...process.env };
    // The SDK that looks for credentials reads the environment of the process.
    Object.assign(process.env, env);
    try {
      const storage = `{type: dynamodb, table: cluster, region: us-east-1, endpoint: "${peer.url}"}`;
      const text = `version: v3\nauth_service: {enabled: yes, storage: ${storage}}\n`;
      const config = parseConfig(text, "/x/postern.yaml", { env: {} });
      const [mine, theirs] = [
        await openStore(config, { clock: systemClock, env }),
        await openStore(config, { clock: systemClock, env }),
      ];
      const follower = await StoreFollower.open(theirs);
      const seen: StoredSet[] = [];
      follower.start(
        async (set) => void seen.push(set),
        (error) => assert.fail(String(error)),
      );
      const administration = new Administration({
        store: mine,
        authorizer: await Authorizer.load(await loadControlBundle()),
        events: { healthy: true, record: async () => undefined },
        clock: systemClock,
        kinds: kindsForUse(),
        service: "test",
      });
      const user = "kind: user\nversion: v2\nmetadata: {name: ada}\nspec: {roles: [editor]}\n";
      await administration.create(ROOT, documents(user), { force: false });
      await eventually(() => seen.at(-1)?.users[0]?.name === "ada");
      await assert.rejects(administration.remove(ROOT, "user", "ada"), { code: "control_denied" });
      await follower.close();
      await mine.close();
    } finally {
      for (const name of Object.keys(env)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
      await peer.close();
    }
  });
});
