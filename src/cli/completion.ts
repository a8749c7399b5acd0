/** `postern completion`: lets a shell complete commands, options and what options take, made from the commands themselves. */

import process from "node:process";
import { Argument, Command } from "commander";

/** The `completion` command of a program that has its other commands. */
export function completionCommand(program: Command): Command {
  return new Command("completion")
    .description("print what lets a shell complete commands and options")
    .addArgument(new Argument("<SHELL>", "the shell").choices(["bash"]))
    .action(() => void process.stdout.write(bashCompletion(program)))
    .addHelpText(
      "after",
      `
Examples:
  source <(postern completion bash)
  postern completion bash > ~/.local/share/bash-completion/completions/postern`,
    );
}

/** A script for bash. */
export function bashCompletion(program: Command): string {
  const nodes = nodesOf(program, program.name());
  const options = nodes.flatMap(({ path, command }) =>
    command.options.map((option) => ({
      patterns: [option.short, option.long].flatMap((flag) => (typeof flag === "string" ? [`${path} ${flag}`] : [])),
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
    })),
  );
  const withValue = options.filter(({ takesValue }) => takesValue);
  return `# Completion of ${program.name()} in bash: source <(${program.name()} completion bash)
_${program.name()}() {
  local word=\${COMP_WORDS[COMP_CWORD]} path=${program.name()} words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
      ${caseOf(nodes.slice(1).map(({ path }) => path))}) path="$path \${COMP_WORDS[i]}" ;;
      ${caseOf(withValue.flatMap(({ patterns }) => patterns))}) ((i++)) ;;
    esac
  done
  case "$path" in
${nodes.map(({ path, command }) => `    ${caseOf([path])}) words=${quote(wordsOf(command).join(" "))} ;;\n`).join("")}  esac
  case "$path \${COMP_WORDS[COMP_CWORD-1]}" in
${withValue.map(({ patterns, choices }) => `    ${caseOf(patterns)}) words=${quote(choices.join(" "))} ;;\n`).join("")}  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _${program.name()} ${program.name()}
`;
}

interface Node {
  /** The words that lead to it. */
  readonly path: string;
  readonly command: Command;
}

function nodesOf(command: Command, path: string): Node[] {
  return [
    { path, command },
    ...command.commands.flatMap((child) =>
      [child.name(), ...child.aliases()].flatMap((name) => nodesOf(child, `${path} ${name}`)),
    ),
  ];
}

function wordsOf(command: Command): string[] {
  const flags = command.options.flatMap(({ long }) => (typeof long === "string" ? [long] : []));
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  return [...command.commands.map((child) => child.name()), ...choices, ...flags, "--help"];
}

function caseOf(patterns: readonly string[]): string {
  return patterns.map(quote).join("|");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
