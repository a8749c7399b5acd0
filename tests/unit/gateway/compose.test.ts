import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { loadBuiltinBundle, loadControlBundle } from "../../../src/cli/policy/builtin.ts";
import { openGateway } from "../../../src/compose.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { thisPlatform } from "../../../src/platform/this-platform.ts";
import { silentLog } from "../../../src/telemetry/log.ts";
import { eventually } from "../../support/eventually.ts";
import { ALICE_MAY_NEARLY_EVERYTHING } from "../../support/gateway.ts";

const open = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === "FSEventWrap" || kind === "Timeout").length;

describe("openGateway()", () => {
  it("leaves nothing running when it fails after it began to watch its files", async () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-compose-"));
    mkdirSync(join(directory, "resources"));
    writeFileSync(join(directory, "resources", "all.yaml"), ALICE_MAY_NEARLY_EVERYTHING);
    const file = join(directory, "postern.yaml");
    writeFileSync(
      file,
      `
version: v3
postern: {data_dir: ./data, resources: ./resources}
db_service:
  enabled: "yes"
  listeners: [{address: "127.0.0.1:0", user: alice, database: nowhere, db_user: ExampleRole}]
  databases: [{name: example, protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}]
`,
    );
    const platform = await thisPlatform();
    const before = open();
    for (let round = 0; round < 3; round++) {
      const options = {
        upstream: platform.createUpstream(),
        log: silentLog,
        env: {},
        loadPolicy: loadBuiltinBundle,
        loadControl: loadControlBundle,
        version: "test",
      };
      await assert.rejects(openGateway(loadConfig(file, { env: {} }), options), { code: "database_unknown" });
    }
    await eventually(() => open() <= before);
    rmSync(directory, { recursive: true });
  });
});
