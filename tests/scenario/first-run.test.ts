/** A new user: an empty home, no configuration, and nothing but what the program itself says to do. */

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/eventually.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const PASSWORD = "correct horse battery";

/** `script` of util-linux gives a command a terminal. */
const noTerminal = spawnSync("script", ["--version"]).status === 0 ? false : "script is not installed";

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Started {
  readonly child: ChildProcess;
  text(): string;
  stop(): Promise<number | null>;
}

describe("postern start without a configuration", () => {
  let home = "";
  const running: Started[] = [];
  beforeEach(() => void (home = mkdtempSync(join(tmpdir(), "postern-first-"))));
  afterEach(async () => {
    for (const started of running.splice(0)) await started.stop();
    rmSync(home, { recursive: true, force: true });
  });

  const environment = (): NodeJS.ProcessEnv => ({ PATH: process.env["PATH"], HOME: home, NO_COLOR: "1" });

  function start(...words: string[]): Started {
    const child = spawn(process.execPath, [LAUNCHER, "start", ...words], {
      cwd: home,
      env: environment(),
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    const started = {
      child,
      text: () => text,
      stop: () => {
        child.kill();
        return ended;
      },
    };
    running.push(started);
    return started;
  }

  /** A line as it was printed, in a shell; its standard input is a file. */
  const shell = (line: string, input: string): Promise<Ran> =>
    new Promise((resolve) => {
      const child = execFile("/bin/sh", ["-c", line], { cwd: home, env: environment() }, (error, out, err) =>
        resolve({ code: error === null ? 0 : Number(error.code), out, err }),
      );
      child.stdin?.end(input);
    });

  const isReady = ({ child, text }: Started): boolean => {
    assert.equal(child.exitCode, null, text());
    return text().includes("Control-C stops it");
  };
  const lineWith = (text: string, word: string): string =>
    text.split("\n").find((line) => line.startsWith("  ") && line.includes(word)) ?? "";

  it("makes a cluster that one gets into by copying what it prints, and goes on with it the next time", async () => {
    const first = start("--listen", "127.0.0.1:0");
    await eventually(() => isReady(first));
    const added = await shell(lineWith(first.text(), "users add"), PASSWORD);
    assert.deepEqual([added.code, added.err], [0, ""]);
    const login = await shell(`${lineWith(first.text(), " login ")} --password-stdin`, PASSWORD);
    assert.equal(login.code, 0, login.err);
    assert.match(login.out, /Cluster: +localhost\n +Roles: +editor, access\n/);
    const rotation = await shell(`"${LAUNCHER}" ctl auth status`, "");
    assert.match(rotation.out, /^host /m, rotation.err);
    const audit = await shell(`"${LAUNCHER}" audit ls -f json`, "");
    assert.match(audit.out, /"user.login"/, audit.err);

    const data = join(home, ".local", "share", "postern");
    for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      assert.equal(statSync(path).mode & 0o077, 0, `${path} is nobody else's`);
    }
    assert.ok(readdirSync(data).includes("sealing.key"));
    assert.equal(await first.stop(), 0);

    const second = start("--listen", "127.0.0.1:0");
    await eventually(() => isReady(second));
    assert.doesNotMatch(second.text(), /users add/);
    const pin = /--ca-pin=(\S+)/;
    assert.equal(pin.exec(second.text())?.[1], pin.exec(first.text())?.[1]);
    assert.match(lineWith(second.text(), " login "), /--user=NAME/);
  });

  it("asks for the password on a terminal, twice, and shows nothing of it", { skip: noTerminal }, async () => {
    const first = start("--listen", "127.0.0.1:0");
    await eventually(() => isReady(first));
    const line = lineWith(first.text(), "users add").trim();
    const terminal = spawn("script", ["-qec", line, "/dev/null"], { cwd: home, env: environment() });
    let out = "";
    terminal.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    const closed = new Promise((resolve) => terminal.once("close", resolve));
    for (const prompt of ["New password: ", "The same again: "]) {
      await eventually(() => out.endsWith(prompt));
      terminal.stdin.write(`${PASSWORD}\r`);
    }
    await closed;
    assert.match(out, /New password: \s*The same again: \s*User "\S+" has been created/);
    assert.ok(!out.includes(PASSWORD), out);
  });

  it("says which port is taken, and how to take another", async () => {
    const other: Server = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const started = start("--listen", `127.0.0.1:${port}`);
    await eventually(() => started.child.exitCode !== null);
    other.close();
    assert.equal(started.child.exitCode, 1);
    assert.match(started.text(), new RegExp(`error: Cannot listen on 127.0.0.1:${port}: another program does\n`));
    assert.match(
      started.text(),
      /hint: stop that program, or take another port: postern start --listen 127.0.0.1:3081\n/,
    );
  });

  it("says that it runs already", async () => {
    const first = start("--listen", "127.0.0.1:0");
    await eventually(() => isReady(first));
    const second = start("--listen", "127.0.0.1:1");
    await eventually(() => second.child.exitCode !== null);
    assert.match(second.text(), /error: Cannot start: a cluster is running in ".*\/postern" already\n.*hint: /);
    assert.equal(first.child.exitCode, null);
    // Links that are made beside it lead to the one that runs.
    const { out, err } = await shell(`"${LAUNCHER}" ctl users add carol --roles=access`, "");
    const [, port] = /--proxy=127\.0\.0\.1:([0-9]+)/.exec(lineWith(first.text(), " login ")) ?? [];
    assert.match(out, new RegExp(`https://localhost:${port}/web/invite/`), err);
  });

  it("is for this machine only, and needs a directory", async () => {
    const open = start("--listen", "0.0.0.0:0");
    await eventually(() => open.child.exitCode !== null);
    assert.equal(open.child.exitCode, 2);
    assert.match(open.text(), /Cannot listen on "0.0.0.0:0" without a configuration file: others could reach it\n/);
    assert.deepEqual(readdirSync(home), []);
    const ctl = await shell(`"${LAUNCHER}" ctl status`, "");
    assert.equal(ctl.code, 2);
    assert.match(ctl.err, /postern start makes a cluster of your own/);
    const nowhere = await shell(`POSTERN_DATA_DIR=/proc/postern "${LAUNCHER}" start`, "");
    assert.equal(nowhere.code, 1);
    assert.match(
      nowhere.err,
      /^postern: error: Cannot use "\/proc\/postern": .*\npostern: hint: set POSTERN_DATA_DIR /,
    );
  });
});
