/** Two auth nodes, each with door and gateway, over one table: what one does the other knows, and either may die. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { type Balancer, startBalancer } from "../support/balancer.ts";
import { commandLine, type CommandLine } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { auditOf, ORDERS } from "../support/gateway.ts";
import { type PosternProcess, startPostern } from "../support/postern-process.ts";
import { everythingIn, SHARED_PLACE, type StorePlace } from "../support/store-places.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const PASSWORD = "correct horse battery";
const ROLE = (actions: string): string =>
  `{kind: role, version: v7, metadata: {name: dev}, spec: {allow: {db_labels: {env: dev}, db_users: [ExampleRole], db_rules: [{actions: [${actions}]}]}}}\n`;

interface Ran {
  readonly code: number | string | null;
  readonly out: string;
  readonly err: string;
}

describe("two auth nodes over one table", { skip: SHARED_PLACE.skip }, () => {
  let place: StorePlace;
  let sandbox: Sandbox;
  let directory = "";
  let balancer: Balancer;
  let terminal: CommandLine;
  let pin = "";
  const nodes = new Map<string, PosternProcess>();

  const dataOf = (name: string): string => join(directory, name);
  const nodeOf = (name: string): PosternProcess => {
    const found = nodes.get(name);
    assert.ok(found !== undefined);
    return found;
  };
  const doorOf = (name: string): string =>
    /Listening.*address=(\S+) service=proxy_service/.exec(nodeOf(name).log())?.[1] ?? "";

  async function start(name: string, door = "127.0.0.1:0"): Promise<void> {
    const node = await startPostern({
      resources: "# People and roles are in the store.\n",
      uri: sandbox.dynamodb.url,
      env: { ...place.env, ...sandbox.env },
      dataDir: dataOf(name),
      sections: `
auth_service:
  enabled: "yes"
  cluster_name: example
  storage: ${place.storage}
  authentication: {second_factor: "off"}
proxy_service: {enabled: "yes", listen_addr: "${door}"}
`,
    });
    nodes.set(name, node);
  }

  before(async () => {
    place = await SHARED_PLACE.start();
    sandbox = await startSandbox();
    await sandbox.seed([ORDERS]);
    directory = mkdtempSync(join(tmpdir(), "postern-nodes-"));
    terminal = commandLine();
    balancer = await startBalancer(() => ["one", "two"].map(doorOf));
    await start("one");
  });
  after(async () => {
    for (const node of nodes.values()) await node.close();
    await balancer.close();
    terminal.close();
    await sandbox.close();
    await place.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** `postern ctl -c` with a node's own configuration, on its own machine. */
  const ctl = (
    name: string,
    words: readonly string[],
    input = "",
    watch?: (child: ChildProcess) => void,
  ): Promise<Ran> => {
    const child = spawn(process.execPath, [LAUNCHER, "ctl", "-c", nodeOf(name).configFile, ...words], {
      env: { ...process.env, ...sandbox.env, ...place.env, NO_COLOR: "1" },
    });
    watch?.(child);
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
    child.stdin.on("error", () => undefined).end(input);
    return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code: signal ?? code, out, err })));
  };
  const said = async (name: string, words: readonly string[], input = ""): Promise<string> => {
    const { code, out, err } = await ctl(name, words, input);
    assert.equal(code, 0, err);
    return out;
  };
  const put = (name: string, yaml: string): Promise<string> => said(name, ["create", "-f"], yaml);
  const logIn = async (proxy: string, user = "alice"): Promise<Ran> =>
    await terminal.run(
      ["login", `--proxy=${proxy}`, `--user=${user}`, "--password-stdin", `--ca-pin=${pin}`],
      PASSWORD,
    );
  const statusAt = async (name: string): Promise<number> => (await getItem(nodeOf(name).url)).status;

  for (const [what, prepare, told] of [
    [
      "without the sealing key",
      () => undefined,
      /Cannot read ".*sealing\.key": there is no such file[^]*hint: .*another node/,
    ],
    [
      "with a key of its own",
      (data: string) => writeFileSync(join(data, "sealing.key"), `${"ab".repeat(32)}\n`, { mode: 0o600 }),
      /sealed under key [0-9a-f]{16}, which is not here[^]*hint: .*another node/,
    ],
  ] as const) {
    it(`a second one ${what} does not start, and makes nothing`, async () => {
      const data = dataOf(`not-${what.replaceAll(" ", "-")}`);
      mkdirSync(data, { mode: 0o700 });
      prepare(data);
      const keys = readdirSync(data);
      const was = await everythingIn(place, data);
      await assert.rejects(start(data.slice(directory.length + 1)), told);
      assert.deepEqual(await everythingIn(place, data), was);
      assert.deepEqual(
        readdirSync(data).filter((name) => name.startsWith("sealing")),
        keys,
      );
    });
  }

  it("are one cluster, with the key of the first at the second", async () => {
    mkdirSync(dataOf("two"), { mode: 0o700 });
    copyFileSync(join(dataOf("one"), "sealing.key"), join(dataOf("two"), "sealing.key"));
    await start("two");
    pin = /CA pin +(sha256:\S+)/.exec(await said("one", ["status"]))?.[1] ?? "";
    assert.equal(await said("two", ["status"]), await said("one", ["status"]));
    await said("two", ["users", "add", "root@example.com", "--roles=editor"]);
    await put("one", ROLE("read"));
    await said("one", ["users", "add", "alice", "--roles=dev", "--password-stdin"], PASSWORD);
    // A login at one is good at the other: they are behind one name.
    for (const proxy of [doorOf("one"), doorOf("two"), balancer.address, balancer.address]) {
      const { code, err } = await logIn(proxy);
      assert.equal(code, 0, err);
    }
    for (let round = 0; round < 4; round++) assert.equal((await terminal.run(["db", "ls"])).code, 0);
  });

  it("show each other's changes to both gateways", async () => {
    for (const name of ["one", "two"]) await eventually(async () => (await statusAt(name)) === 200);
    for (const [by, at] of [
      ["one", "two"],
      ["two", "one"],
    ] as const) {
      await put(by, ROLE("write"));
      await eventually(async () => (await statusAt(at)) === 400);
      await put(by, ROLE("read"));
      await eventually(async () => (await statusAt(at)) === 200);
      await put(by, "{kind: lock, version: v2, metadata: {name: l}, spec: {target: {user: alice}}}");
      await eventually(async () => (await statusAt(at)) === 400);
      // And to both doors, for who is in and who wants in.
      const locked = await logIn(doorOf(at));
      assert.match(locked.err, /the user is locked/);
      assert.match((await terminal.run(["db", "ls"])).err, /the user is locked/);
      await said(by, ["rm", "lock/l"]);
      await eventually(async () => (await statusAt(at)) === 200);
    }
  });

  for (const [dies, lives] of [
    ["one", "two"],
    ["two", "one"],
  ] as const) {
    it(`go on as one when ${dies} is killed in the middle of work, and are two again when it is back`, async () => {
      const acknowledged: string[] = [];
      const door = doorOf(dies);
      let killed = false;
      const work = [0, 1].map(async (worker) => {
        for (let at = 0; at < 4; at++) {
          const user = `${dies}-${worker}-${at}`;
          // The machine dies with all that runs on it: what is under way there, too.
          const kill = worker === 1 && at === 1 ? (child: ChildProcess): void => dieWith(child) : undefined;
          const { code } = await ctl(dies, ["users", "add", user, "--roles=dev"], "", kill);
          if (code === 0) acknowledged.push(user);
        }
      });
      const dieWith = (child: ChildProcess): void => {
        const giveUp = setTimeout(() => child.kill("SIGKILL"), 400);
        child.once("exit", () => clearTimeout(giveUp));
        killed = true;
        nodeOf(dies).child.kill("SIGKILL");
      };
      await eventually(() => killed);
      await eventually(() => nodeOf(dies).child.signalCode === "SIGKILL");
      // Behind a balancer nobody notices; there is no state that only the other had.
      for (let round = 0; round < 3; round++) {
        const { code, err } = await logIn(balancer.address);
        assert.equal(code, 0, err);
      }
      assert.equal((await logIn(doorOf(lives))).code, 0);
      assert.match((await logIn(door)).err, /Cannot reach/);
      await put(lives, ROLE("write"));
      await eventually(async () => (await statusAt(lives)) === 400);
      await put(lives, ROLE("read"));
      await eventually(async () => (await statusAt(lives)) === 200);
      await Promise.all(work);
      const users = JSON.parse(await said(lives, ["users", "ls", "-f", "json"])) as { metadata: { name: string } }[];
      const names = users.map(({ metadata }) => metadata.name);
      assert.ok(acknowledged.length > 0);
      assert.deepEqual(
        acknowledged.filter((name) => !names.includes(name)),
        [],
      );

      await start(dies, door);
      assert.equal(doorOf(dies), door);
      assert.equal((await logIn(door)).code, 0);
      await eventually(async () => (await statusAt(dies)) === 200);
    });
  }

  it("have what each did in its own log, and both verify", async () => {
    for (const name of ["one", "two"]) {
      const events = auditOf(join(dataOf(name), "audit")).map(({ event }) => event);
      for (const event of ["user.login", "user.create", "role.updated"]) assert.ok(events.includes(event), event);
      const child = spawn(process.execPath, [LAUNCHER, "audit", "verify", "--data-dir", dataOf(name)], {
        stdio: "ignore",
      });
      assert.equal(await new Promise((resolve) => child.once("close", resolve)), 0);
    }
  });
});

function getItem(url: string): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0" },
    body: JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } }),
  });
}
