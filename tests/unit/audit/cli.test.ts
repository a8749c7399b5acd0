import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { CommanderError, type Command } from "commander";
import { CommandError } from "../../../src/cli/command-error.ts";
import { auditCommand, type AuditCommandPorts } from "../../../src/cli/audit/index.ts";
import { COMPLETED, ManualClock, newFacts, newSession, openRecorder, temporaryDirectory } from "./support.ts";

describe("postern audit", () => {
  it("ls shows people who did what to which table, whether it was allowed, and why not", async (t) => {
    const dataDir = await sampleLog(t);
    assert.equal(
      await run(["ls", "--data-dir", dataDir]),
      [
        "TIME                  USER   ACTION            ON                RESULT   STATUS  LATENCY  REASON",
        "2026-11-22 14:00:00Z  alice  db.session.start  example-dynamodb",
        "2026-11-22 14:00:00Z  alice  GetItem           orders            allowed  200     1.2 ms",
        "2026-11-22 14:00:00Z  alice  DeleteTable       orders            denied   400     1.2 ms   rule_not_matched: no role allows it",
        "",
      ].join("\n"),
    );
  });

  it("ls prints records as JSON and YAML, and takes data_dir from a configuration", async (t) => {
    const dataDir = await sampleLog(t);
    const json = await run(["ls", "-c", "postern.yaml", "-f", "json", "--denied"], {
      dataDirOf: (file) => (file === "postern.yaml" ? dataDir : ""),
    });
    assert.deepEqual(
      (JSON.parse(json) as { target: string }[]).map((record) => record.target),
      ["DynamoDB_20120810.DeleteTable"],
    );
    assert.match(
      await run(["ls", "--data-dir", dataDir, "-f", "yaml", "--limit", "1"]),
      /^- event: db\.session\.dynamodb\.request\n/,
    );
  });

  it("ls colours refusals only where colour is wanted, and shows no control character of a client", async (t) => {
    const dataDir = await sampleLog(t, "Delete\u001b[2JTable");
    assert.equal((await run(["ls", "--data-dir", dataDir])).includes("\u001b"), false);
    assert.match(await run(["ls", "--data-dir", dataDir], { color: true }), /\u001b\[31m.*Delete\?\[2JTable/);
  });

  it("tail prints the last lines as JSON, one a line, and with --follow those to come", async (t) => {
    const dataDir = await sampleLog(t);
    const lines = (await run(["tail", "--data-dir", dataDir, "-f", "json", "-n", "2"])).trimEnd().split("\n");
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { outcome: string }).outcome),
      ["completed", "denied"],
    );
    const recorder = await openRecorder(join(dataDir, "audit"));
    let turns = 2;
    const wait = async (): Promise<boolean> => {
      await recorder.record({ event: "postern.service.stop", code: "PSV02I", service: "s", reason: "r" });
      return turns-- > 0;
    };
    const followed = await run(["tail", "--data-dir", dataDir, "-f", "json", "-n", "1", "--follow"], { wait });
    await recorder.close();
    const events = followed
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { event: string }).event);
    assert.deepEqual(events, ["db.session.dynamodb.request", "postern.service.stop", "postern.service.stop"]);
  });

  it("verify prints an anchor that a later run accepts, and fails with the place of what was altered", async (t) => {
    const dataDir = await sampleLog(t);
    const [, anchor = ""] = /anchor (\S+)/.exec(await run(["verify", "--data-dir", dataDir])) ?? [];
    assert.match(await run(["verify", "--data-dir", dataDir, "--anchor", anchor]), /^ok {2}main: 4 lines in 1 file/);
    const path = join(dataDir, "audit", "main-000000000001.jsonl");
    writeFileSync(path, readFileSync(path, "utf8").replace("GetItem", "PutItem"));
    let answer = "";
    await assert.rejects(run(["verify", "--data-dir", dataDir], { write: (text) => (answer += text) }), {
      code: "failed",
      exitCode: 1,
    });
    assert.match(answer, /^main-000000000001\.jsonl:2: altered: .*\nBAD {2}main:/);
  });

  it("verify shows no name of a file that a terminal would take for a command", async (t) => {
    const dataDir = await sampleLog(t);
    writeFileSync(join(dataDir, "audit", "\u001b[2J\u009bx.jsonl"), "");
    for (const format of ["text", "json", "yaml"]) {
      let answer = "";
      await assert.rejects(
        run(["verify", "--data-dir", dataDir, "-f", format], { write: (text) => (answer += text) }),
        { code: "failed" },
      );
      assert.match(answer, /2J/);
      // oxlint-disable-next-line no-control-regex -- control characters are what this is about
      assert.doesNotMatch(answer, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
  });

  it("verify fails where there is no log, rather than calling nothing sound", async (t) => {
    await assert.rejects(run(["verify", "--data-dir", temporaryDirectory(t)]), { code: "failed" });
  });

  it("ls and tail fail where there is no log and say how to name it, rather than showing nothing", async (t) => {
    const dataDir = temporaryDirectory(t);
    for (const name of ["ls", "tail"]) {
      let answer = "";
      await assert.rejects(run([name, "--data-dir", dataDir], { write: (text) => void (answer += text) }), (error) => {
        assert.ok(error instanceof CommandError && error.exitCode === 1);
        assert.ok(error.message.includes(join(dataDir, "audit")), error.message);
        assert.match(error.hint ?? "", /-c .*--data-dir/);
        return true;
      });
      assert.equal(answer, "");
    }
    let said = "";
    await run(["tail", "--follow", "--data-dir", dataDir], {
      say: (text) => void (said += text),
      wait: () => Promise.resolve(false),
    });
    assert.match(said, /there is no audit log in .* yet; waiting/);
  });

  it("looks where start would keep the log when neither option names a place", async (t) => {
    const dataDir = await sampleLog(t);
    const before = process.env["POSTERN_DATA_DIR"];
    process.env["POSTERN_DATA_DIR"] = dataDir;
    try {
      assert.match(await run(["ls", "--denied"]), /DeleteTable/);
    } finally {
      if (before === undefined) delete process.env["POSTERN_DATA_DIR"];
      else process.env["POSTERN_DATA_DIR"] = before;
    }
  });

  it("ls finds the request of the decision that a client was told of", async (t) => {
    const dataDir = await sampleLog(t);
    const found = await run(["ls", "--data-dir", dataDir, "--decision", "d", "-f", "json"]);
    assert.deepEqual(
      (JSON.parse(found) as { outcome: string }[]).map(({ outcome }) => outcome),
      ["denied"],
    );
    assert.equal(await run(["ls", "--data-dir", dataDir, "--decision", "e", "-f", "json"]), "[]\n");
  });

  it("tail prints YAML as one document for each record", async (t) => {
    const dataDir = await sampleLog(t);
    const documents = await run(["tail", "--data-dir", dataDir, "-f", "yaml", "-n", "2"]);
    assert.deepEqual(documents.match(/^---$|^outcome: .*$/gm), ["---", "outcome: completed", "---", "outcome: denied"]);
  });

  it("ls shows the table whose keys were asked for", async (t) => {
    const dataDir = temporaryDirectory(t);
    const recorder = await openRecorder(join(dataDir, "audit"));
    await recorder.record({
      event: "postern.table.described",
      code: "PTD01I",
      decision: "d",
      user: "alice",
      db_service: "example-dynamodb",
      db_user: "arn:aws:iam::123456789012:role/R",
      table: "invoices",
    });
    await recorder.close();
    assert.match(await run(["ls", "--data-dir", dataDir]), /postern\.table\.described {2}invoices/);
  });

  it("ls shows who logged in and administered what, by type or family", async (t) => {
    const dataDir = await clusterLog(t);
    assert.equal(
      await run(["ls", "--data-dir", dataDir]),
      [
        "TIME                  USER   ACTION                  ON        RESULT   STATUS  LATENCY  REASON",
        "2026-11-22 14:00:00Z  alice  user.login                        refused                   wrong password or code",
        "2026-11-22 14:00:00Z  root   user.create             bob",
        "2026-11-22 14:00:00Z  bob    postern.control.denied  role/dev  refused                   no role allows it",
        "2026-11-22 14:00:00Z         instance.join           ****abcd  refused                   the token has expired",
        "",
      ].join("\n"),
    );
    const events = async (...args: string[]): Promise<string[]> =>
      (JSON.parse(await run(["ls", "--data-dir", dataDir, "-f", "json", ...args])) as { event: string }[]).map(
        ({ event }) => event,
      );
    assert.deepEqual(await events("--type", "user.login"), ["user.login"]);
    assert.deepEqual(await events("--type", "user.*"), ["user.login", "user.create"]);
    assert.deepEqual(await events("--type", "user.*", "--user", "root", "--since", "1h"), ["user.create"]);
    assert.deepEqual(await events("--denied"), ["postern.control.denied"]);
    await assert.rejects(events("--type", "user.logn"), { exitCode: 2, hint: "did you mean user.login?" });
    for (const none of ["user", "user.logins.*", ".*", "*"])
      await assert.rejects(events("--type", none), { exitCode: 2 });
    await assert.rejects(events("--type", "user.login", "--event", "user.login"), CommanderError);
  });

  it("refuses values that it cannot read, and events that do not exist", async (t) => {
    const dataDir = temporaryDirectory(t);
    for (const args of [
      ["--since", "yesterday"],
      ["--limit", "0"],
      ["-f", "xml"],
    ]) {
      await assert.rejects(run(["ls", "--data-dir", dataDir, ...args]), CommanderError);
    }
    await assert.rejects(run(["ls", "--data-dir", dataDir, "--event", "db.session.strat"]), { exitCode: 2 });
  });

  it("ends every help text in examples", () => {
    const command = auditCommand({ dataDirOf: () => "" });
    for (const each of [command, ...command.commands]) {
      let help = "";
      each.configureOutput({ writeOut: (text) => (help += text) });
      each.outputHelp();
      assert.match(help, /\nExamples:\n(?: {2}postern audit .*\n?)+$/, each.name());
    }
  });
});

async function run(args: string[], ports: Partial<AuditCommandPorts> = {}): Promise<string> {
  let answer = "";
  const command = auditCommand({
    dataDirOf: () => "",
    write: (text) => void (answer += text),
    color: false,
    clock: new ManualClock(),
    ...ports,
  });
  for (const each of [command, ...command.commands] as Command[])
    each.exitOverride().configureOutput({ writeErr: () => undefined });
  await command.parseAsync(args, { from: "user" });
  return answer;
}

/** A failed login, an act done, one refused, and a join. */
async function clusterLog(t: TestContext): Promise<string> {
  const dataDir = temporaryDirectory(t);
  const recorder = await openRecorder(join(dataDir, "audit"));
  const from = { "addr.remote": "192.0.2.1:4711" };
  await recorder.record({
    event: "user.login",
    code: "T1000W",
    user: "alice",
    method: "local",
    mfa_device: null,
    ...from,
    success: false,
    error: "wrong password or code",
    attributes: null,
  });
  await recorder.record({
    event: "user.create",
    code: "T1002I",
    user: "root",
    service: "auth",
    ...from,
    name: "bob",
    roles: ["dev"],
  });
  await recorder.record({
    event: "postern.control.denied",
    code: "PCT01E",
    user: "bob",
    service: "auth",
    ...from,
    verb: "delete",
    kind: "role",
    name: "dev",
    reason: "no role allows it",
  });
  await recorder.record({
    event: "instance.join",
    code: "TJ002E",
    token_name: "****abcd",
    method: "token",
    role: "db",
    host_id: null,
    node_name: "gw-1",
    attributes: null,
    ...from,
    success: false,
    error: "the token has expired",
  });
  await recorder.close();
  return dataDir;
}

async function sampleLog(t: TestContext, operation = "DeleteTable"): Promise<string> {
  const dataDir = temporaryDirectory(t);
  const recorder = await openRecorder(join(dataDir, "audit"));
  const facts = newFacts(newSession());
  await recorder.record({ event: "db.session.start", code: "TDB00I", session: facts.session, error: null });
  const request = await recorder.begin(facts);
  await recorder.finish(request, COMPLETED);
  await recorder.record({
    event: "db.session.dynamodb.request",
    ...facts,
    ...COMPLETED,
    target: `DynamoDB_20120810.${operation}`,
    decision: {
      id: "d",
      allow: false,
      reasons: [{ code: "rule_not_matched", message: "no role allows it", access: 0, role: null }],
      roles: [],
      revision: "r",
      eval_us: 1,
    },
    outcome: "denied",
    status_code: 400,
    response: null,
  });
  await recorder.close();
  return dataDir;
}
