/** Completion in fish, which shows what each word is for. */

import type { Command } from "commander";
import { type Node, nodesOf, type ShownOption, valueFlags } from "./tree.ts";

/** A script for fish. */
export function fishCompletion(program: Command): string {
  const name = program.name();
  const nodes = nodesOf(program);
  const patterns = (texts: readonly string[]): string => texts.map(quoted).join(" ");
  return `# Completion of ${name} in fish: ${name} completion fish | source
function __${name}_at
    set -l at ${name}
    set -l skip no
    for token in (commandline -opc)[2..]
        if test $skip = yes
            set skip no
            continue
        end
        switch "$at $token"
            case ${patterns(nodes.slice(1).map(({ path }) => path))}
                set at "$at $token"
            case ${patterns(valueFlags(nodes))}
                set skip yes
        end
    end
    test "$at" = "$argv"
end
complete -c ${name} -e
${nodes.flatMap((node) => linesOf(name, node)).join("\n")}
`;
}

function linesOf(name: string, { path, children, choices, options }: Node): string[] {
  const here = `complete -c ${name} -n ${quoted(`__${name}_at ${path}`)}`;
  return [
    ...children.map(({ word, description }) => `${here} -f -a ${quoted(word)} -d ${quoted(description)}`),
    ...(choices.length === 0 ? [] : [`${here} -f -a ${quoted(choices.join(" "))}`]),
    ...options.map((option) => `${here} ${flagsOf(option)}${valueOf(option)} -d ${quoted(option.description)}`),
  ];
}

function flagsOf({ flags }: ShownOption): string {
  return flags.map((flag) => (flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)).join(" ");
}

/** Without choices it may be a file. */
function valueOf({ takesValue, choices }: ShownOption): string {
  if (!takesValue) return "";
  return choices.length === 0 ? " -r -F" : ` -x -a ${quoted(choices.join(" "))}`;
}

/** Fish knows two escapes between single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
