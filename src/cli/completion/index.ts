/** `postern completion`: lets a shell complete commands, options and what options take, made from the commands themselves. */

import process from "node:process";
import { Argument, Command } from "commander";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import { zshCompletion } from "./zsh.ts";

/** A script for each shell. */
const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** The `completion` command of a program that has its other commands. */
export function completionCommand(program: Command): Command {
  return new Command("completion")
    .description("print what lets a shell complete commands and options")
    .addArgument(new Argument("<SHELL>", "the shell").choices(Object.keys(SHELLS)))
    .action((shell: keyof typeof SHELLS) => void process.stdout.write(SHELLS[shell](program)))
    .addHelpText(
      "after",
      `
Examples:
  source <(postern completion bash)
  postern completion bash > ~/.local/share/bash-completion/completions/postern
  source <(postern completion zsh)
  postern completion fish > ~/.config/fish/completions/postern.fish`,
    );
}
