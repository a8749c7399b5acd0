import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it, type TestContext } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { readConfig } from "../../src/cli/start/index.ts";
import { openClusterOf } from "../../src/compose/store.ts";
import { readStore } from "../../src/compose/store-follower.ts";
import { Callers } from "../../src/control/callers.ts";
import { certifyHost } from "../../src/control/host-certificates.ts";
import { hostWrite, readHost } from "../../src/control/hosts.ts";
import { Logins } from "../../src/control/logins.ts";
import { openAuthority } from "../../src/identity/authority-keys.ts";
import { issueUserCertificate } from "../../src/identity/certificates.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import { newKeyPair } from "../support/cluster-authorities.ts";
import { type CtlRan, runCtl } from "../support/ctl.ts";
import { eventually } from "../support/eventually.ts";
import { fillStore } from "../support/filled-store.ts";
import { missing, startDynamoDbLocal } from "../support/peers.ts";

const skip = await missing("java", "dynamodbLocal");
const PASSWORD = "correct horse battery";
const PEOPLE = ["alice", "bob"]
  .map((name) => `kind: user\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [access]}\n`)
  .join("---\n");
const SINK = { healthy: true, record: async (): Promise<void> => undefined };

/** An auth service's machine. */
interface Machine {
  readonly file: string;
  readonly data: string;
  ctl(...args: string[]): Promise<CtlRan>;
}

function machine(t: TestContext, storage: object = { type: "sqlite" }, env: Record<string, string> = {}): Machine {
  const directory = mkdtempSync(join(tmpdir(), "postern-backup-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "postern.yaml");
  const data = join(directory, "data");
  mkdirSync(data, { mode: 0o700 });
  const auth = { enabled: "yes", cluster_name: "example", storage, authentication: { second_factor: "off" } };
  writeFileSync(
    file,
    JSON.stringify({ version: "v3", postern: { nodename: "a", data_dir: data }, auth_service: auth }),
  );
  return { file, data, ctl: (...args) => runCtl(file, args, { env }) };
}

/** Alice and bob, who can log in; a lock, a join token, a link. */
async function fill({ file }: Machine): Promise<void> {
  const filling = { yaml: PEOPLE, users: ["alice", "bob"], password: PASSWORD };
  await fillStore(readConfig(file), filling, ({ actor, people }) => people.makeLink(actor, "bob", "reset"));
}

/** Logs in over what a machine's store holds. @returns how the certificate is taken, later */
async function logIn({ file }: Machine, user = "alice"): Promise<Uint8Array> {
  const { cluster, ring } = await openClusterOf(readConfig(file), { clock: systemClock, env: process.env });
  const passwords = new Passwords({ cost: { ln: 10, r: 8, p: 1 } });
  const logins = new Logins({ cluster, ring, passwords, events: SINK, clock: systemClock, secondFactor: "off" });
  const { publicKey } = newKeyPair();
  const login = await logins.logIn({ user, password: new Secret(PASSWORD), address: null, publicKey });
  await cluster.store.close();
  return new X509Certificate(login.certificate.certificate).raw;
}

/** As a service that has joined leaves it; its certificate is renewed for as long as this is there. */
async function joined({ file }: Machine): Promise<void> {
  const { cluster } = await openClusterOf(readConfig(file), { clock: systemClock, env: process.env });
  const record = { role: "db", node_name: "db-1", method: "token", token: "…", joined: Date.now() } as const;
  await cluster.store.write([hostWrite("host-1", record, Date.now() + 3_600_000, undefined)]);
  await cluster.store.close();
}

async function isKnown({ file }: Machine): Promise<boolean> {
  const { cluster } = await openClusterOf(readConfig(file), { clock: systemClock, env: process.env });
  const found = await readHost(cluster.store, "host-1");
  await cluster.store.close();
  return found !== undefined;
}

async function identify({ file }: Machine, certificate: Uint8Array): Promise<string> {
  const { cluster } = await openClusterOf(readConfig(file), { clock: systemClock, env: process.env });
  const callers = new Callers({ cluster, events: SINK, clock: systemClock });
  try {
    return (await callers.identify({ address: "", certificate })).user.name;
  } finally {
    await cluster.store.close();
  }
}

describe("a backup of a cluster", () => {
  it("is one private file, on record, says which key it needs, and is never overwritten", async (t) => {
    const from = machine(t);
    await fill(from);
    const file = join(from.data, "..", "backup.jsonl");
    const taken = await from.ctl("backup", "-o", file);
    assert.equal(taken.code, 0, taken.told);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { keys } = JSON.parse((await from.ctl("sealing", "status", "-f", "json")).out) as { keys: { id: string }[] };
    assert.ok(taken.told.includes(`sealing key ${keys[0]?.id}`), taken.told);
    const text = readFileSync(file, "utf8");
    assert.doesNotMatch(text, /PRIVATE KEY|correct horse/);
    const again = await from.ctl("backup", "-o", file);
    assert.deepEqual([again.code, readFileSync(file, "utf8")], [1, text]);
    assert.match(again.told, /never overwritten/);
    assert.match((await from.ctl("backup", "-o", "/nowhere/b")).told, /Cannot write the backup/);
  });

  it("brings a cluster back elsewhere; who was in must log in again, and links and join tokens are gone", async (t) => {
    const from = machine(t);
    await fill(from);
    await from.ctl("tokens", "add", "--type=db", "--value=0123456789abcdef0123");
    const certificate = await logIn(from);
    await joined(from);
    const file = join(from.data, "..", "backup.jsonl");
    await from.ctl("backup", "-o", file);
    const to = machine(t);
    // Without the key nothing is begun, and it is said which.
    const keyless = await to.ctl("restore", file);
    assert.equal(keyless.code, 1);
    assert.match(keyless.told, /needs sealing key [0-9a-f]{16}/);
    assert.equal(existsSync(join(to.data, "sealing.key")), false, "no key is made");
    copyFileSync(join(from.data, "sealing.key"), join(to.data, "sealing.key"));
    const restored = await to.ctl("restore", file);
    assert.equal(restored.code, 0, restored.told);
    assert.match(
      restored.out,
      /resources of cluster example are back as of .*\nEverybody must log in, and services join, again; 3 links/,
    );
    const statuses = await Promise.all([from, to].map(async ({ ctl }) => (await ctl("status")).out));
    assert.equal(statuses[1], statuses[0], "the authorities and pins are the same");
    assert.equal(await identify(from, certificate), "alice");
    await assert.rejects(identify(to, certificate), { code: "login_required", message: /put back from a backup/ });
    assert.match((await to.ctl("tokens", "ls")).out, /No active tokens/);
    assert.equal(await isKnown(to), false);
    // Certificates count in whole seconds: one of the same second may be from before.
    await eventually(async () => (await identify(to, await logIn(to))) === "alice");
    const audit = readdirSync(join(to.data, "audit"))
      .filter((name) => name.endsWith(".jsonl"))
      .map((name) => readFileSync(join(to.data, "audit", name), "utf8"))
      .join("");
    assert.match(audit, /"postern.control.refused".*sealing_key_lost/);
    assert.match(audit, /"postern.store.restored".*"counts":\{"authority":2/);
  });

  it("moves a cluster that nobody changed since with all that was given out", async (t) => {
    const from = machine(t);
    await fill(from);
    await from.ctl("tokens", "add", "--type=db", "--value=0123456789abcdef0123");
    const certificate = await logIn(from);
    await joined(from);
    const file = join(from.data, "..", "backup.jsonl");
    await from.ctl("backup", "-o", file);
    const to = machine(t);
    copyFileSync(join(from.data, "sealing.key"), join(to.data, "sealing.key"));
    const { code, told } = await to.ctl("restore", "--keep-issued", file);
    assert.equal(code, 0, told);
    // That nobody did is a claim of whoever moves it.
    assert.match(
      told,
      /locks, passwords and roles given since are not: look at what was done\n.*postern audit ls --since 20/,
    );
    assert.match(told, /revoked since are good again/);
    assert.equal(await identify(to, certificate), "alice");
    assert.match((await to.ctl("tokens", "ls", "--with-secrets")).out, /0123456789abcdef0123/);
    assert.equal(await isKnown(to), true);
  });

  it("is refused torn, edited, foreign or under another name, and the store stays empty", async (t) => {
    const [from, foreign, to] = [machine(t), machine(t), machine(t)];
    await fill(from);
    await fill(foreign);
    const file = join(from.data, "..", "backup.jsonl");
    await from.ctl("backup", "-o", file);
    copyFileSync(join(from.data, "sealing.key"), join(to.data, "sealing.key"));
    const bad = join(to.data, "..", "bad.jsonl");
    const text = readFileSync(file, "utf8");
    const theirs = join(foreign.data, "..", "theirs.jsonl");
    await foreign.ctl("backup", "-o", theirs);
    const refused: readonly (readonly [string, string | Buffer, RegExp])[] = [
      ["torn", text.slice(0, -200), /without its last one|no JSON/],
      ["edited", text.replace('"access"', '"editor"'), /its digest is not that of its lines/],
      ["foreign", readFileSync(theirs), /sealed under key [0-9a-f]{16}, which is not here/],
      ["nothing like it", "hello\n", /no JSON/],
    ];
    for (const [what, content, message] of refused) {
      writeFileSync(bad, content);
      const ran = await to.ctl("restore", bad);
      assert.deepEqual([ran.code, ran.out], [1, ""], what);
      assert.match(ran.told, message, what);
    }
    writeFileSync(to.file, readFileSync(to.file, "utf8").replace('"example"', '"other"'));
    assert.match((await to.ctl("restore", file)).told, /it is of cluster "example", and this is "other"/);
    writeFileSync(to.file, readFileSync(to.file, "utf8").replace('"other"', '"example"'));
    assert.equal((await to.ctl("restore", file)).code, 0, "nothing of all that was left behind");
  });

  it("replaces what is there on demand only, and what is half put back is used by nobody", async (t) => {
    const from = machine(t);
    await fill(from);
    const file = join(from.data, "..", "backup.jsonl");
    await from.ctl("backup", "-o", file);
    await from.ctl("users", "rm", "bob");
    await from.ctl("users", "add", "carol", "--roles=access");
    const refused = await from.ctl("restore", file);
    assert.equal(refused.code, 1);
    assert.match(refused.told, /Cannot restore into this store: it has /);
    assert.match((await from.ctl("users", "ls")).out, /carol/);
    // As a restore leaves it that was killed in its midst.
    const opened = await openClusterOf(readConfig(from.file), { clock: systemClock, env: {} });
    const store = await SqliteStore.open({ path: join(from.data, "store.sqlite"), clock: systemClock });
    await store.write([{ op: "create", kind: "restore", name: "pending", value: "another" }]);
    await store.close();
    const unfinished = { code: "restore_unfinished" };
    await assert.rejects(readStore(opened.cluster.store), unfinished);
    await assert.rejects(
      new Callers({ cluster: opened.cluster, events: SINK, clock: systemClock }).identify({
        address: "",
        certificate: await certificateOf(opened),
      }),
      unfinished,
    );
    const host = { hostId: "host-1", role: "db", databases: undefined, publicKey: newKeyPair().publicKey } as const;
    await assert.rejects(certifyHost({ ...opened, events: SINK, clock: systemClock }, host), unfinished);
    await opened.cluster.store.close();
    const config = readConfig(from.file);
    await assert.rejects(openClusterOf(config, { clock: systemClock, env: {} }), unfinished);
    assert.match((await from.ctl("status")).told, /a backup was put into it in part/);
    const forced = await from.ctl("restore", "--force", file);
    assert.equal(forced.code, 0, forced.told);
    assert.match(forced.told, /what the store holds and the backup does not is removed/);
    const { out: users } = await from.ctl("users", "ls");
    assert.ok(users.includes("bob") && !users.includes("carol"), users);
  });

  it("moves a cluster from SQLite to DynamoDB", { skip }, async (t) => {
    const peer = await startDynamoDbLocal();
    t.after(() => peer.close());
    const env = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "example" };
    const from = machine(t);
    await fill(from);
    const file = join(from.data, "..", "backup.jsonl");
    await from.ctl("backup", "-o", file);
    const storage = { type: "dynamodb", table: "cluster", region: "us-east-1", endpoint: peer.url };
    const to = machine(t, storage, env);
    copyFileSync(join(from.data, "sealing.key"), join(to.data, "sealing.key"));
    const moved = await to.ctl("restore", "--keep-issued", file);
    assert.equal(moved.code, 0, moved.told);
    for (const what of [["status"], ["users", "ls"], ["get", "user"], ["sealing", "status"]])
      assert.equal((await to.ctl(...what)).out, (await from.ctl(...what)).out, what.join(" "));
    const back = join(to.data, "..", "back.jsonl");
    assert.equal((await to.ctl("backup", "-o", back)).code, 0);
    const contents = (path: string): string[] => readFileSync(path, "utf8").split("\n").slice(1, -2);
    assert.deepEqual(contents(back), contents(file), "the same resources, byte for byte");
  });
});

async function certificateOf({ cluster, ring }: Awaited<ReturnType<typeof openClusterOf>>): Promise<Uint8Array> {
  const user = { name: "alice", roles: ["access"], traits: {}, mfaVerified: false };
  const request = { user, publicKey: newKeyPair().publicKey, lifetime: 3_600_000, longest: 3_600_000 };
  const issued = await issueUserCertificate(
    await openAuthority(await cluster.authority("user"), ring),
    request,
    systemClock,
  );
  return new X509Certificate(issued.certificate).raw;
}
