/** Completion in zsh, which shows what each word is for. */

import type { Command } from "commander";
import { type Node, nodesOf, patterns, quoted, valueFlags } from "./tree.ts";

/** A script for zsh: to be sourced, or to lie in `fpath` under the name `_postern`. */
export function zshCompletion(program: Command): string {
  const name = program.name();
  const nodes = nodesOf(program);
  return `#compdef ${name}
# Completion of ${name} in zsh: source <(${name} completion zsh)
_${name}() {
  local at=${name} i
  local -a found flags
  for ((i = 2; i < CURRENT; i++)); do
    case "$at \${words[i]}" in
      ${patterns(nodes.slice(1).map(({ path }) => path))}) at="$at \${words[i]}" ;;
      ${patterns(valueFlags(nodes))}) ((i++)) ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${nodes.flatMap(valuesOf).join("")}  esac
  case "$at" in
${nodes.map(wordsOf).join("")}  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -o option flags
  elif (( \${#found} )); then
    _describe command found
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _${name} ]]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;
}

function wordsOf({ path, children, choices, options }: Node): string {
  const found = [
    ...children.map(({ word, description }) => described(word, description)),
    ...choices.map((choice) => described(choice)),
  ];
  const flags = options.flatMap((option) => option.flags.map((flag) => described(flag, option.description)));
  return `    ${quoted(path)}) found=(${found.join(" ")}) flags=(${flags.join(" ")}) ;;\n`;
}

function valuesOf({ path, options }: Node): string[] {
  return options
    .filter(({ takesValue }) => takesValue)
    .map(({ flags, choices }) => {
      const what =
        choices.length === 0
          ? "_files"
          : `found=(${choices.map((choice) => described(choice)).join(" ")}); _describe value found`;
      return `    ${patterns(flags.map((flag) => `${path} ${flag}`))}) ${what}; return ;;\n`;
    });
}

/** A word with what it is for; a colon would be taken for the end of the word. */
function described(word: string, description = ""): string {
  const name = word.replaceAll("\\", "\\\\").replaceAll(":", "\\:");
  return quoted(description === "" ? name : `${name}:${description}`);
}
