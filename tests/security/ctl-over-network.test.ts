/** Administration through the cluster's door: what somebody gets who may less, may no longer, or sends what nobody expects. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Secret } from "../../src/base/secret.ts";
import { ClusterAuthorities } from "../support/cluster-authorities.ts";
import { documents, ROOT } from "../support/cluster.ts";
import { type CommandLine, commandLine, type Ran } from "../support/command-line.ts";
import type { Answered, Call } from "../support/door.ts";
import { honest, openRealDoor, playDoor, type RealDoor } from "../support/doors.ts";

const PASSWORD = "correct horse battery";
const USER = (name: string, roles: string): string =>
  `kind: user\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [${roles}], traits: {}}\n`;
const HELPDESK =
  "kind: role\nversion: v7\nmetadata: {name: helpdesk}\nspec: {allow: {rules: [{resources: [user], verbs: ['*']}]}}\n";
const DEV = "kind: role\nversion: v7\nmetadata: {name: dev}\nspec: {allow: {db_labels: {env: dev}, db_users: [X]}}\n";
const PEOPLE = [
  HELPDESK,
  DEV,
  USER("eve", "editor"),
  USER("adam", "editor"),
  USER("hal", "helpdesk"),
  USER("bob", "access"),
  USER("aud", "auditor"),
].join("---\n");

/** Every act, as a client sends it. */
const ACTS: Readonly<Record<string, object>> = {
  status: {},
  list: { kind: "role", with_secrets: true },
  get: { kind: "role", name: "dev", with_secrets: false },
  create: { file: "f.yaml", text: DEV, force: true },
  replace: { kind: "role", name: "dev", revision: "1", file: "f.yaml", text: DEV },
  remove: { kind: "role", name: "dev" },
  "users/add": { name: "new", roles: ["access"], password: PASSWORD },
  "users/update": { name: "bob", roles: ["editor"] },
  "users/reset": { name: "eve", password: PASSWORD },
  "tokens/add": { roles: ["auth"] },
};

describe("administration over the network", () => {
  let door: RealDoor;
  const directory = mkdtempSync(join(tmpdir(), "postern-net-"));
  const homes: CommandLine[] = [];
  before(async () => {
    door = await openRealDoor(PEOPLE);
    for (const name of ["eve", "adam", "hal", "bob", "aud"])
      await door.people.setPassword(ROOT, name, new Secret(PASSWORD));
  });
  after(async () => {
    for (const home of homes) home.close();
    await door.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Somebody's command line, logged in. */
  async function as(user: string): Promise<(line: string, input?: string) => Promise<Ran>> {
    // Many log in from one address.
    door.advance(60_000);
    const home = commandLine(door.clock);
    homes.push(home);
    const login = ["login", `--proxy=${door.proxy}`, `--user=${user}`, "--password-stdin", `--ca-pin=${door.pin}`];
    const { code, err } = await home.run(login, PASSWORD);
    assert.equal(code, 0, err);
    return (line, input) => home.run(["ctl", ...line.split(" ")], input);
  }
  const act = (path: string, more: Call = {}): Promise<Answered> =>
    door.call(`/v1/control/${path}`, { method: "POST", body: ACTS[path], ...more });
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const stored = async (): Promise<unknown[]> => {
    const found: unknown[] = [];
    for await (const resource of door.cluster.store.snapshot()) found.push(resource);
    return found;
  };
  const put = (yaml: string): Promise<unknown> => door.administration.create(ROOT, documents(yaml), { force: true });

  it("does nothing for who shows no certificate, one of another cluster, a host's, or one that has ended", async () => {
    const { keys } = door;
    const other = await ClusterAuthorities.make("example", door.clock);
    const strange = await other.issueUser({ publicKey: keys.publicKey });
    const ended = await door.credentials("eve", PASSWORD);
    door.advance(12 * 3_600_000 + 61_000);
    const before = await stored();
    for (const [credentials, code] of [
      [undefined, "login_required"],
      [{ cert: strange.certificate, key: keys.privateKey }, "certificate_untrusted"],
      [ended, "certificate_expired"],
    ] as const) {
      for (const path of Object.keys(ACTS)) {
        const { status, json } = await act(path, credentials === undefined ? {} : { credentials });
        assert.deepEqual([status, codeOf(json)], [401, code], path);
      }
    }
    assert.deepEqual(await stored(), before);
  });

  it("denies every act to who has no rights, before what they send is looked at", async () => {
    const credentials = await door.credentials("bob", PASSWORD);
    const before = await stored();
    for (const path of Object.keys(ACTS)) {
      const { status, json } = await act(path, { credentials });
      assert.deepEqual([status, codeOf(json)], [403, "control_denied"], path);
    }
    for (const path of ["create", "replace", "users/add", "users/reset"]) {
      const { status, json } = await act(path, { credentials, body: "{".repeat(100_000) });
      assert.deepEqual([status, codeOf(json)], [403, "control_denied"], path);
    }
    assert.deepEqual(await stored(), before);
    const bob = await as("bob");
    const { code, out, err } = await bob("users update aud --set-roles access");
    assert.deepEqual([code, out], [3, ""]);
    assert.match(err, /^postern: error: Cannot update user "aud": user "bob" may not change a user who holds/);
    assert.match((await bob("users ls")).err, /user "bob" holds no role that grants list on user/);
  });

  it("lets who has some rights do that much, and hand out no more", async () => {
    const hal = await as("hal");
    assert.equal((await hal("users add new --roles=helpdesk --password-stdin", PASSWORD)).code, 0);
    for (const line of [
      "users add mal --roles=editor",
      "users update eve --set-roles helpdesk",
      "users reset eve",
      "users rm adam",
      "get role",
      "tokens add --type=db",
      `create -f ${file("dev.yaml", DEV)}`,
    ]) {
      const { code, out } = await hal(line);
      assert.deepEqual([code, out], [3, ""], line);
    }
    assert.equal((await hal("users rm new")).code, 0);
    const aud = await as("aud");
    assert.equal((await aud("get user -f text")).code, 0);
    assert.equal((await aud("get token")).code, 3);
    assert.equal((await aud("users rm bob")).code, 3);
  });

  it("counts an editor's role no more from the command on after which it was taken", async () => {
    const adam = await as("adam");
    assert.equal((await adam("users ls")).code, 0);
    await put(USER("adam", "access"));
    const { code, err } = await adam("users ls");
    assert.equal(code, 3);
    assert.match(err, /user "adam" holds no role that grants list on user/);
    // What is given later needs a login that shows it.
    await put(USER("bob", "access, editor"));
    const bob = await as("bob");
    assert.equal((await bob("users ls")).code, 0);
    await put(USER("adam", "access, editor"));
    assert.equal((await adam("users ls")).code, 0);
    await put(USER("bob", "access"));
  });

  it("counts it no more within an act that had begun before", async () => {
    const asked = { name: "adam", roles: ["editor"], traits: {}, kind: "user", address: "192.0.2.1" } as const;
    await put(USER("adam", "access"));
    const create = door.administration.create(asked, documents(USER("mal", "editor")), { force: false });
    await assert.rejects(create, { code: "control_denied" });
    await assert.rejects(door.administration.remove({ ...asked, name: "gone" }, "user", "bob"), {
      code: "control_denied",
    });
    await put(USER("adam", "editor"));
  });

  it("ends with a lock, a removal and a reset, at the next command", async () => {
    const [bob, adam] = [await as("bob"), await as("adam")];
    const eve = await as("eve");
    const lock = "kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: adam}, message: on leave}\n";
    assert.equal((await eve(`create ${file("lock.yaml", lock)}`)).code, 0);
    const locked = await adam("rm lock/l");
    assert.deepEqual([locked.code, locked.out], [3, ""]);
    assert.match(locked.err, /the user is locked: on leave/);
    assert.equal((await eve("rm lock/l")).code, 0);
    assert.equal((await adam("users ls")).code, 0);

    assert.equal((await eve("users reset adam --password-stdin", PASSWORD)).code, 0);
    const reset = await adam("users ls");
    assert.deepEqual([reset.code, reset.out], [1, ""]);
    assert.match(reset.err, /the user was reset after this login\npostern: hint: postern login/);
    // The next login counts at once, in the same second as well.
    const credentials = await door.credentials("adam", PASSWORD);
    assert.equal((await act("status", { credentials })).status, 200);
    const { out } = await eve("users reset adam");
    assert.match(out, /\/web\/reset\/[0-9a-f]{32}\n/);
    assert.equal(codeOf((await act("status", { credentials })).json), "login_required");
    assert.equal((await door.logIn("adam", PASSWORD)).status, 403);

    assert.equal((await eve("users rm bob")).code, 0);
    const removed = await bob("status");
    assert.equal(removed.code, 1);
    assert.match(removed.err, /there is no such user any more/);
    await put(USER("bob", "editor"));
    assert.equal((await bob("status")).code, 1);
    await put(USER("bob", "access"));
  });

  it("gives no certificate to a login that was proved before a reset", async () => {
    door.advance(60_000);
    const { store } = door.cluster;
    const list = store.list.bind(store);
    // The first thing that is read after password and code.
    Object.assign(store, {
      list: async (...asked: Parameters<typeof list>) => {
        Object.assign(store, { list });
        await door.people.makeLink(ROOT, "aud", "reset");
        door.advance(5);
        return list(...asked);
      },
    });
    const refused = await door.logIn("aud", PASSWORD);
    assert.deepEqual([refused.status, codeOf(refused.json)], [403, "login_refused"]);
    const login = door.events.findLast(({ event }) => event === "user.login");
    assert.equal((login as { error?: unknown }).error, "the user was removed or reset meanwhile");
  });

  it("changes nothing for the slower of two who edit the same", async () => {
    const credentials = await door.credentials("eve", PASSWORD);
    const read = await act("get", { credentials });
    const { revision } = (read.json as { resource: { revision: string } }).resource;
    await put(DEV.replace("env: dev", "env: qa"));
    const body = { kind: "role", name: "dev", revision, file: "role.yaml", text: DEV };
    const answered = await act("replace", { credentials, body });
    assert.deepEqual([answered.status, codeOf(answered.json)], [409, "resource_changed"]);
    assert.match((await act("get", { credentials })).text, /"env":"qa"/);
  });

  it("reads bodies up to a bound, and what it was not asked for is refused without repeating it", async () => {
    const credentials = await door.credentials("eve", PASSWORD);
    const large = (bytes: number): object => ({ file: "f.yaml", text: "# ".padEnd(bytes, "x"), force: false });
    const refused = async (path: string, call: Call, status: number, code: string): Promise<void> => {
      const answered = await act(path, { credentials, ...call });
      assert.deepEqual([answered.status, codeOf(answered.json)], [status, code], answered.text);
      assert.equal(answered.text.includes("hunter2"), false);
    };
    await refused("create", { body: large(1_000_000) }, 400, "resources_missing");
    await refused("create", { body: large(1_048_576) }, 413, "body_too_large");
    await refused(
      "create",
      { body: large(1_048_576), headers: { "transfer-encoding": "chunked" } },
      413,
      "body_too_large",
    );
    await refused("remove", { body: { kind: "role", name: "x".repeat(70_000) } }, 413, "body_too_large");
    await refused(
      "create",
      { body: { ...ACTS["create"], actor: { name: "root", kind: "local" } } },
      400,
      "body_invalid",
    );
    await refused("users/add", { body: { name: "x", roles: ["access"], pasword: "hunter2" } }, 400, "body_invalid");
    await refused("users/add", { body: { name: "x", roles: "hunter2" } }, 400, "body_invalid");
    await refused("create", { body: { ...ACTS["create"], file: "a\nb" } }, 400, "body_invalid");
    await refused("create", { body: '{"file":"f","file":"g","text":"","force":true}' }, 400, "body_invalid");
    await refused("create", { headers: { "content-type": "text/plain" } }, 415, "content_type_invalid");
    await refused("remove", { method: "GET", body: undefined }, 405, "method_not_allowed");
    await refused("nothing", { body: {} }, 404, "path_unknown");
    const eve = await as("eve");
    const far = await eve(`create ${file("far.yaml", "# ".padEnd(1_048_570, "x"))}`);
    assert.equal(far.code, 1);
    assert.match(far.err, /Cannot send the request: it has more than 1048576 bytes\npostern: hint: hand in fewer/);
  });

  it("tells what in the store is broken to who may read it, and to nobody else", async () => {
    await door.people.setPassword(ROOT, "bob", new Secret(PASSWORD));
    const credentials = [await door.credentials("eve", PASSWORD), await door.credentials("bob", PASSWORD)] as const;
    const value = { kind: "user", version: "v99", metadata: { name: "odd" }, spec: {} };
    await door.cluster.store.write([{ op: "put", kind: "user", name: "odd", value }]);
    const body = { file: "f.yaml", text: DEV, force: true };
    const told = await act("create", { credentials: credentials[0], body });
    assert.deepEqual([told.status, codeOf(told.json)], [409, "resource_broken"]);
    assert.match(told.text, /Cannot read \\"user\/odd\\"/);
    const untold = await act("create", { credentials: credentials[1], body });
    assert.deepEqual([codeOf(untold.json), untold.text.includes("odd")], ["control_denied", false]);
    assert.equal(
      (await act("remove", { credentials: credentials[0], body: { kind: "user", name: "odd" } })).status,
      200,
    );
    // Who may come in cannot be told while a lock cannot be read; which one is for the log.
    const lock = { kind: "lock", version: "v99", metadata: { name: "odd" }, spec: {} };
    await door.cluster.store.write([{ op: "put", kind: "lock", name: "odd", value: lock }]);
    const unknown = await act("status", { credentials: credentials[1] });
    assert.deepEqual([unknown.status, codeOf(unknown.json), unknown.text.includes("odd")], [500, "internal", false]);
    await door.cluster.store.write([{ op: "delete", kind: "lock", name: "odd" }]);
  });

  it("keeps passwords, links and tokens out of the log, of events and of errors", async () => {
    const eve = await as("eve");
    const secret = "a-token-that-joins-the-cluster";
    const shown = [
      (await eve("users add carl --roles=access")).out,
      (await eve("users reset carl --password-stdin", `${PASSWORD} carl`)).out,
      (await eve("tokens add --type=db --value-stdin", secret)).out,
    ].join("");
    // The name by which the door's own pages go, also where it was reached by its address: passkeys are of that name.
    const link = new RegExp(`https://localhost:${door.port}/web/invite/([0-9a-f]{32})`).exec(shown)?.[1] ?? "-";
    assert.notEqual(link, "-", shown);
    const { err } = await eve("tokens add --type=db --value-stdin", secret);
    await eve("rm token/" + secret + "x");
    const everywhere = `${JSON.stringify(door.events)}${door.log()}${err}`;
    for (const one of [PASSWORD, link, secret]) assert.equal(everywhere.includes(one), false, one);
    assert.ok(shown.includes(secret));
  });
});

describe("a door that lies to ctl", () => {
  it("gets nothing onto the terminal that would do something to it", async () => {
    const authorities = await ClusterAuthorities.make("other", { now: Date.now, monotonic: Date.now });
    const play = honest(authorities);
    let answer: object | string = {};
    let servers: readonly object[] = [];
    const played = await playDoor(authorities, (asked) =>
      asked.path.endsWith("/database_servers")
        ? { servers }
        : asked.path.startsWith("/v1/control")
          ? answer
          : play(asked),
    );
    const user = commandLine();
    const directory = mkdtempSync(join(tmpdir(), "postern-lies-"));
    const file = join(directory, "role.yaml");
    writeFileSync(file, DEV);
    try {
      const login = ["login", `--proxy=${played.proxy}`, "--user=alice", "--password-stdin", `--ca-pin=${played.pin}`];
      assert.equal((await user.run(login, PASSWORD)).code, 0);
      const said = async (words: readonly string[]): Promise<Ran> => user.run(["ctl", ...words]);
      const link = { kind: "invite", token: "0".repeat(32), lasts_ms: 1000 };
      for (const bad of [
        { link: { ...link, token: "\u001b[2Jx" } },
        { link: { ...link, address: "evil.example/\u001b[2J" } },
        { link: { ...link, kind: "../x" } },
        "no JSON",
      ]) {
        answer = bad;
        const { code, out, err } = await said(["users", "add", "x", "--roles=access"]);
        assert.deepEqual([code, out], [1, ""]);
        assert.match(err, /Cannot understand the answer/);
      }
      const odd = "\u001b[2J\u202ex";
      answer = { outcomes: [{ kind: odd, noun: odd, name: odd, done: "created" }], warnings: [] };
      assert.equal((await said(["create", file])).out, '?[2J?x "?[2J?x" has been created\n');
      answer = { cluster: odd, id: "", version: odd, ca_pins: [odd], authorities: [] };
      assert.equal((await said(["status"])).out, "Cluster  ?[2J?x\nVersion  ?[2J?x\nCA pin   ?[2J?x\n");
      answer = { resources: [{ kind: "token", name: odd, value: {} }] };
      assert.equal((await said(["tokens", "ls", "-f", "text"])).out, "?[2J?x\n");
      answer = { resources: [{ kind: "user", name: "\u001b[2Jx", value: { spec: { roles: [] } } }] };
      assert.match((await said(["users", "ls"])).out, /\n\?\[2Jx\n/);
      answer = { resources: [] };
      const told = { name: `${odd}\u009b`, labels: { [odd]: odd }, uri: odd, region: odd, account_id: odd, fault: odd };
      const agent = { host_id: odd, proxy: odd, node_name: odd, version: odd, draining: false, heard: 0 };
      servers = [{ ...agent, databases: [told] }];
      for (const format of ["text", "json", "yaml"])
        // oxlint-disable-next-line no-control-regex -- control characters are what this is about
        assert.doesNotMatch(
          (await said(["db", "ls", "-f", format])).out,
          /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/,
        );
    } finally {
      user.close();
      rmSync(directory, { recursive: true, force: true });
      await played.close();
    }
  });
});

/** The code of an error, as the door answers it. */
function codeOf(json: unknown): unknown {
  return (json as { error?: { code?: unknown } } | undefined)?.error?.code;
}
