import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { Command } from "commander";
import { bashCompletion } from "../../../src/cli/completion/bash.ts";
import { fishCompletion } from "../../../src/cli/completion/fish.ts";
import { zshCompletion } from "../../../src/cli/completion/zsh.ts";
import { dbCommand } from "../../../src/cli/database/index.ts";
import { loginCommands } from "../../../src/cli/login/index.ts";

function program(): Command {
  const all = new Command("postern");
  for (const command of [...loginCommands(), dbCommand()]) all.addCommand(command);
  const rm = new Command("rm").alias("del").option("--odd", 'it\'s: a \\ "trap" $HOME `x`');
  return all.addCommand(
    new Command("ctl").option("-c, --config <file>", "").addCommand(new Command("tokens").addCommand(rm)),
  );
}

/** What a shell itself would offer for the last of these words; `FILES` where it is left to find files. */
type Offered = (words: readonly string[]) => string[];

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

const inBash: Offered = (words) => {
  const script = `${bashCompletion(program())}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postern; printf '%s\\n' "\${COMPREPLY[@]:-FILES}"`;
  return lines(execFileSync("bash", ["-u", "-c", script, "bash", "postern", ...words], { encoding: "utf8" }));
};

/** With what zsh's own functions are given; which of it fits the word they see to. */
const inZsh: Offered = (words) => {
  const script = `
compdef() { : }
_files() { print FILES }
_describe() { local list=$argv[-1]; for one in \${(P)list}; do print -r -- "\${\${one//\\\\:/^}%%:*}"; done }
${zshCompletion(program())}
words=("$@"); CURRENT=$#; _postern`;
  const all = lines(execFileSync("zsh", ["-f", "-c", script, "zsh", "postern", ...words], { encoding: "utf8" }));
  return all.filter((word) => word === "FILES" || word.startsWith(words.at(-1) ?? ""));
};

const inFish: Offered = (words) => {
  const script = `${fishCompletion(program())}\ncd (mktemp -d); touch FILES\ncomplete -C "$argv"`;
  const line = ["postern", ...words].join(" ");
  return lines(execFileSync("fish", ["--no-config", "-c", script, line], { encoding: "utf8" })).map(
    (offer) => offer.split("\t")[0] ?? "",
  );
};

for (const [shell, offered] of [
  ["bash", inBash],
  ["zsh", inZsh],
  ["fish", inFish],
] as const) {
  const skip = spawnSync(shell, ["-c", "exit 0"]).status === 0 ? false : `${shell} is not installed`;
  const has = (words: readonly string[], expected: readonly string[]): void =>
    assert.deepEqual(offered(words).sort(), [...expected].sort(), words.join(" "));

  describe(`postern completion ${shell}`, { skip }, () => {
    it("offers commands, those below them, and their options", () => {
      has(["lo"], ["login", "logout"]);
      has(["db", "l"], ["ls"]);
      has(["db", "ls", "--c"], ["--cluster"]);
      has(["login", "--o"], ["--otp"]);
      has(["ctl", "tokens", "del", "--o"], ["--odd"]);
    });

    it("offers what an option takes, and leaves files to the shell", () => {
      has(["db", "ls", "-f", ""], ["text", "json", "yaml"]);
      has(["status", "--format", "j"], ["json"]);
      has(["ctl", "-c", ""], ["FILES"]);
      has(["ctl", "-c", "tokens", "t"], ["tokens"]);
    });
  });
}
