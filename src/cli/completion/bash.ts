/** Completion in bash. */

import type { Command } from "commander";
import { type Node, nodesOf, patterns, quoted, valueFlags } from "./tree.ts";

/** A script for bash. */
export function bashCompletion(program: Command): string {
  const name = program.name();
  const nodes = nodesOf(program);
  return `# Completion of ${name} in bash: source <(${name} completion bash)
_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} path=${name} words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
      ${patterns(nodes.slice(1).map(({ path }) => path))}) path="$path \${COMP_WORDS[i]}" ;;
      ${patterns(valueFlags(nodes))}) ((i++)) ;;
    esac
  done
  case "$path" in
${nodes.map((node) => `    ${quoted(node.path)}) words=${quoted(wordsOf(node).join(" "))} ;;\n`).join("")}  esac
  case "$path \${COMP_WORDS[COMP_CWORD-1]}" in
${nodes.flatMap(valuesOf).join("")}  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _${name} ${name}
`;
}

function wordsOf({ children, choices, options }: Node): string[] {
  const long = options.flatMap(({ flags }) => flags.filter((flag) => flag.startsWith("--")));
  return [...children.map(({ word }) => word), ...choices, ...long];
}

function valuesOf({ path, options }: Node): string[] {
  return options
    .filter(({ takesValue }) => takesValue)
    .map(
      ({ flags, choices }) =>
        `    ${patterns(flags.map((flag) => `${path} ${flag}`))}) words=${quoted(choices.join(" "))} ;;\n`,
    );
}
