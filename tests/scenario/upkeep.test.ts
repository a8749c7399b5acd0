import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { readConfig } from "../../src/cli/start/index.ts";
import { runGateway, type RunningGateway } from "../../src/cli/start/run-gateway.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { newKeyPair } from "../support/cluster-authorities.ts";
import { type CtlRan, runCtl } from "../support/ctl.ts";
import { type Answered, callDoor } from "../support/door.ts";
import { fillStore } from "../support/filled-store.ts";

const PASSWORD = "correct horse battery";
const directory = mkdtempSync(join(tmpdir(), "postern-upkeep-"));
const file = join(directory, "postern.yaml");
const data = join(directory, "data");
let running: RunningGateway;
let [ca, text] = ["", ""];

const ctl = (...args: string[]): Promise<CtlRan> => runCtl(file, args);

async function logIn(): Promise<Answered> {
  const port = Number(running.addresses[0]?.split(":").at(-1));
  const body = { user: "alice", password: PASSWORD, public_key: newKeyPair().publicKey };
  return callDoor(port, ca, "/v1/login", { method: "POST", body });
}

function recorded(name: string): Record<string, unknown>[] {
  return readdirSync(join(data, "audit"))
    .filter((one) => one.endsWith(".jsonl"))
    .flatMap((one) => readFileSync(join(data, "audit", one), "utf8").split("\n"))
    .filter((line) => line.includes(`"${name}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("the upkeep of a cluster that runs", () => {
  before(async () => {
    const auth = 'auth_service: {enabled: "yes", authentication: {second_factor: off}}';
    const proxy = 'proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}';
    writeFileSync(file, `version: v3\npostern: {nodename: example, data_dir: ./data}\n${auth}\n${proxy}\n`);
    mkdirSync(data, { mode: 0o700 });
    const config = readConfig(file);
    const alice = "kind: user\nversion: v2\nmetadata: {name: alice}\nspec: {roles: [access]}\n";
    ca = await fillStore(config, { yaml: alice, users: ["alice"], password: PASSWORD }, async ({ cluster }) => {
      return (await cluster.authority("host")).active.certificate;
    });
    const log = createLog({ severity: "info", format: "text", write: (line) => void (text += line) });
    running = await runGateway(config, { log, env: {} });
  });
  after(async () => {
    await running.stop("test");
    rmSync(directory, { recursive: true, force: true });
  });

  it("rotates the sealing key, and logins go on", async () => {
    assert.equal((await logIn()).status, 200);
    const rotated = await ctl("sealing", "rotate");
    assert.match(rotated.out, /^Sealing key [0-9a-f]{16} seals; 3 resources sealed anew\n$/, rotated.told);
    assert.equal((await logIn()).status, 200);
    const early = await ctl("sealing", "retire");
    assert.deepEqual([early.code, early.out], [1, ""]);
    assert.match(early.told, /another process may still be writing what it sealed\n.*try again after 20/);
    assert.equal(readFileSync(join(data, "sealing.key"), "utf8").split("\n").length, 3);
    const [event] = recorded("postern.sealing.rotated");
    assert.equal(event?.["key_id"], /Sealing key (\S+)/.exec(rotated.out)?.[1]);
    assert.equal(recorded("postern.control.refused").at(-1)?.["name"], "retire");
  });

  it("rotates the authorities step by step, shows where that stands, and refuses what cannot follow", async () => {
    const { ca_pins: before_ } = JSON.parse((await ctl("status", "-f", "json")).out) as { ca_pins: string[] };
    const begun = await ctl("auth", "rotate", "--type=all", "--manual", "--phase=init");
    assert.equal(begun.out, "host CA  rotating: init (by hand)\nuser CA  rotating: init (by hand)\n", begun.told);
    const { ca_pins: pins } = JSON.parse((await ctl("status", "-f", "json")).out) as { ca_pins: string[] };
    assert.equal(pins[0], before_[0], "the pin of what the door shows comes first");
    assert.equal(pins.length, 2, JSON.stringify(pins));
    const { json } = await logIn();
    assert.equal((json as { trusted: string[] }).trusted.length, 2, JSON.stringify(json));
    const wrong = await ctl("auth", "rotate", "--type=all", "--manual", "--phase=standby");
    assert.equal(wrong.code, 1);
    assert.match(wrong.told, /it is in phase init\n.*init can be followed by update_clients and rollback/);
    for (const phase of ["update_clients", "update_servers", "standby"])
      assert.equal((await ctl("auth", "rotate", "--type=all", "--manual", `--phase=${phase}`)).code, 0);
    assert.match((await ctl("status")).out, /host CA {2}rotated 20.*\nuser CA {2}rotated 20.*\nCA pin {3}sha256:/);
    const [last] = JSON.parse((await ctl("auth", "status", "-f", "json")).out) as { pins: string[]; phase: string }[];
    assert.deepEqual([last?.phase, last?.pins], ["standby", [pins[1]]]);
    assert.deepEqual(
      recorded("postern.authority.rotated").map(({ authority, phase }) => `${String(authority)} ${String(phase)}`),
      ["init", "update_clients", "update_servers", "standby"].flatMap((phase) => [`host ${phase}`, `user ${phase}`]),
    );
    assert.equal(recorded("postern.control.refused").at(-1)?.["kind"], "authority");
    for (const args of [["--type=bot"], ["--type=host", "--phase=later"], ["--type=host", "--grace-period=soon"], []])
      assert.equal((await ctl("auth", "rotate", ...args)).code, 2, args.join(" "));
  });

  it("says where its store is, and takes it back to no schema that there is not", async () => {
    const { schema, resources } = JSON.parse((await ctl("store", "status", "-f", "json")).out) as {
      schema: number;
      resources: Record<string, number>;
    };
    assert.equal(schema, 1);
    assert.deepEqual([resources["user"], resources["authority"]], [1, 2]);
    assert.equal(
      (await ctl("store", "migrate", "--to", "1")).out,
      `The store ${join(data, "store.sqlite")} has schema 1\n`,
    );
    const beyond = await ctl("store", "migrate", "--to", "9");
    assert.equal(beyond.code, 1);
    assert.match(beyond.told, /there are schemas 1 to 1/);
    assert.equal((await ctl("store", "migrate", "--to", "x")).code, 2);
    assert.ok(!text.includes("error"), text);
  });
});
