import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { Command } from "commander";
import { bashCompletion } from "../../../src/cli/completion.ts";
import { loginCommands } from "../../../src/cli/login/index.ts";

/** What bash itself would offer for the last of these words. */
function offered(program: Command, words: readonly string[]): string[] {
  const script = `${bashCompletion(program)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postern; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["-u", "-c", script, "bash", "postern", ...words], { encoding: "utf8" });
  return out.split("\n").filter((line) => line !== "");
}

function program(): Command {
  const all = new Command("postern");
  for (const command of loginCommands()) all.addCommand(command);
  const rm = new Command("rm").alias("del").option("--odd", "it's");
  return all.addCommand(
    new Command("ctl").option("-c, --config <file>", "").addCommand(new Command("tokens").addCommand(rm)),
  );
}

describe("postern completion bash", () => {
  it("offers commands, those below them, and their options", () => {
    assert.deepEqual(offered(program(), ["lo"]), ["login", "logout"]);
    assert.deepEqual(offered(program(), ["db", ""]), ["ls", "--help"]);
    assert.deepEqual(offered(program(), ["db", "ls", "--c"]), ["--cluster"]);
    assert.deepEqual(offered(program(), ["login", "--o"]), ["--otp"]);
    assert.deepEqual(offered(program(), ["ctl", "tokens", "del", "--o"]), ["--odd"]);
  });

  it("offers what an option takes, and leaves files to the shell", () => {
    assert.deepEqual(offered(program(), ["db", "ls", "-f", ""]), ["text", "json", "yaml"]);
    assert.deepEqual(offered(program(), ["status", "--format", "j"]), ["json"]);
    assert.deepEqual(offered(program(), ["ctl", "-c", ""]), []);
    assert.deepEqual(offered(program(), ["ctl", "-c", "tokens", "t"]), ["tokens"]);
  });
});
