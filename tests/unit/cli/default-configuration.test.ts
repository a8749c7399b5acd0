import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import {
  configurationOfOwnCluster,
  configurationWithoutFile,
  noteDoor,
} from "../../../src/cli/default-configuration.ts";

it("the commands beside a cluster of one's own know where its door was put last", () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-own-"));
  const env = { POSTERN_DATA_DIR: directory };
  const portOf = (): unknown => {
    const address = configurationOfOwnCluster(env)?.proxy_service?.listen_addr;
    return address?.kind === "tcp" ? address.port : undefined;
  };
  try {
    assert.equal(configurationOfOwnCluster(env), undefined);
    writeFileSync(join(directory, "store.sqlite"), "");
    assert.equal(portOf(), 3080);
    const config = configurationWithoutFile(env, "127.0.0.1:3199");
    // A start that comes to nothing has put no door anywhere.
    assert.equal(portOf(), 3080);
    noteDoor(config, "127.0.0.1:3199");
    assert.equal(portOf(), 3199);
    configurationWithoutFile(env, "127.0.0.1:3200");
    assert.equal(portOf(), 3199);
    assert.equal(statSync(join(directory, "door")).mode & 0o077, 0);
    // Nobody but this machine, whatever is written there.
    for (const text of ["0.0.0.0:3199", "nonsense", "127.0.0.1:0"]) {
      writeFileSync(join(directory, "door"), text);
      assert.equal(portOf(), 3080, text);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
