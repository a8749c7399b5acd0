/** The commands of a program as the shells' completions see them: words that lead somewhere, and what may follow. */

import type { Command } from "commander";

/** A command by one of its names. */
export interface Node {
  /** The words that lead to it. */
  readonly path: string;
  readonly description: string;
  /** Words for commands below it, each once. */
  readonly children: readonly Word[];
  readonly options: readonly ShownOption[];
  /** What its arguments may be, where that is known. */
  readonly choices: readonly string[];
}

export interface Word {
  readonly word: string;
  readonly description: string;
}

export interface ShownOption {
  /** Each with its dashes. */
  readonly flags: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** What the value may be; empty where it may be anything, such as a file. */
  readonly choices: readonly string[];
}

/** A program's commands, the program itself first; a command with several names is there once for each. */
export function nodesOf(command: Command, path: string = command.name()): Node[] {
  return [
    {
      path,
      description: command.description(),
      children: command.commands.map((child) => ({ word: child.name(), description: child.description() })),
      options: [...command.options.map(shown), HELP],
      choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
    },
    ...command.commands.flatMap((child) =>
      [child.name(), ...child.aliases()].flatMap((name) => nodesOf(child, `${path} ${name}`)),
    ),
  ];
}

const HELP: ShownOption = { flags: ["--help"], description: "show help", takesValue: false, choices: [] };

function shown(option: Command["options"][number]): ShownOption {
  return {
    flags: [option.short, option.long].filter((flag) => typeof flag === "string"),
    description: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  };
}

/** A text that a shell of the Bourne family takes as it is. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Patterns of `case`, each taken as it is. */
export function patterns(texts: readonly string[]): string {
  return texts.map(quoted).join("|");
}

/** `path flag`, for each option of each command that takes a value. */
export function valueFlags(nodes: readonly Node[]): string[] {
  return nodes.flatMap(({ path, options }) =>
    options.filter(({ takesValue }) => takesValue).flatMap(({ flags }) => flags.map((flag) => `${path} ${flag}`)),
  );
}
