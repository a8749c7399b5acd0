import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type UnitFacts, unitOf } from "../../../src/cli/systemd/unit.ts";

const FACTS: UnitFacts = {
  program: ["/usr/bin/node", "/usr/lib/node_modules/postern/bin/postern"],
  configFile: "/etc/postern.yaml",
  writes: ["/var/lib/postern"],
  reads: [],
  sockets: [],
  ports: [3080],
  drainSeconds: 30,
};

/** The values of a key, in order. */
function valuesOf(key: string, facts: Partial<UnitFacts> = {}): string[] {
  const lines = unitOf({ ...FACTS, ...facts }).split("\n");
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
}

describe("the systemd unit", () => {
  it("waits longer for an end than requests get to end", () => {
    assert.ok(Number(valuesOf("TimeoutStopSec", { drainSeconds: 100 })[0]) > 100);
    assert.deepEqual(valuesOf("Restart"), ["always"]);
  });

  it("runs as a user that systemd makes, or as the one that it is told", () => {
    assert.deepEqual([valuesOf("DynamicUser"), valuesOf("User")], [["yes"], ["postern"]]);
    assert.deepEqual([valuesOf("DynamicUser", { user: "ann" }), valuesOf("User", { user: "ann" })], [[], ["ann"]]);
  });

  it("writes where the configuration says, and nowhere else", () => {
    const writable = (facts: Partial<UnitFacts>): string[] =>
      ["StateDirectory", "RuntimeDirectory", "ReadWritePaths"].flatMap((key) =>
        valuesOf(key, facts).map((value) => `${key}=${value}`),
      );
    assert.deepEqual(writable({}), ["StateDirectory=postern"]);
    assert.deepEqual(writable({ writes: ["/var/lib/postern", "/var/lib/postern"] }), ["StateDirectory=postern"]);
    assert.deepEqual(writable({ writes: ["/var/lib/postern", "/var/lib/postern/store"] }), ["StateDirectory=postern"]);
    assert.deepEqual(writable({ writes: ["/srv/a b"], sockets: ["/run/postern/db.sock", "/srv/x/db.sock"] }), [
      "RuntimeDirectory=postern",
      'ReadWritePaths="/srv/a b"',
      "ReadWritePaths=/srv/x",
    ]);
  });

  it("may listen on a port below 1024 only where the configuration does", () => {
    assert.deepEqual(valuesOf("CapabilityBoundingSet"), [""]);
    assert.deepEqual(valuesOf("CapabilityBoundingSet", { ports: [0, 443] }), ["CAP_NET_BIND_SERVICE"]);
    assert.deepEqual(valuesOf("AmbientCapabilities", { ports: [443] }), ["CAP_NET_BIND_SERVICE"]);
  });

  it("sees homes and /tmp only where the configuration names something there", () => {
    assert.deepEqual([valuesOf("ProtectHome"), valuesOf("PrivateTmp")], [["yes"], ["yes"]]);
    assert.deepEqual(valuesOf("PrivateTmp", { reads: ["/tmp/token"] }), []);
    assert.deepEqual(valuesOf("ProtectHome", { reads: ["/home/ann/resources"] }), ["read-only"]);
    assert.deepEqual(valuesOf("ProtectHome", { reads: ["/homestead/resources"] }), ["yes"]);
  });

  it("gives systemd nothing to expand or to split", () => {
    const [command] = valuesOf("ExecStart", { configFile: '/etc/a b/%h $HOME "x\\.yaml', diagnostics: "[::1]:3000" });
    assert.equal(
      command,
      '/usr/bin/node /usr/lib/node_modules/postern/bin/postern start -c "/etc/a b/%%h $$HOME \\"x\\\\.yaml" --diag-addr [::1]:3000',
    );
  });

  it("lets no path of the configuration be a line of its own", () => {
    const path = "/srv/x\nExecStartPre=+/bin/sh -c id";
    for (const facts of [{ writes: [path] }, { sockets: [`${path}/s`] }, { configFile: path }, { program: [path] }])
      assert.throws(() => unitOf({ ...FACTS, ...facts }), { code: "unit_path_invalid", message: /is not one line/ });
  });
});
