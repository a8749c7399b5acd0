/** The command line: one program, its commands, and what they have in common. */

import { Command } from "commander";
import { auditCommand } from "./audit/index.ts";
import { completionCommand } from "./completion.ts";
import { configureCommand } from "./configure/index.ts";
import { ctlCommand } from "./ctl/index.ts";
import { doctorCommand } from "./doctor/index.ts";
import { loginCommands } from "./login/index.ts";
import { policyCommand } from "./policy/index.ts";
import { readConfig, startCommand } from "./start/index.ts";
import { systemdCommand } from "./systemd/index.ts";
import { packageVersion, versionCommand } from "./version.ts";

const EXAMPLES = `
Examples:
  postern doctor -c postern.yaml           look at all that it needs
  postern start -c postern.yaml            run the gateway
  postern login --proxy=localhost:3080     log in to a cluster
  postern audit tail -c postern.yaml       see what it decides
  postern policy test my-policies          test policies of your own
`;

/** Runs one command. @returns its exit code @throws CommanderError for help and misuse, PosternError for what failed */
export async function postern(argv: readonly string[]): Promise<number> {
  const program = new Command("postern")
    .description("A policy-engine-centric access gateway for Amazon DynamoDB")
    .version(packageVersion(), "-V, --version")
    .addHelpText("after", EXAMPLES);
  program.addCommand(startCommand());
  program.addCommand(doctorCommand());
  program.addCommand(configureCommand());
  for (const command of loginCommands()) program.addCommand(command);
  program.addCommand(policyCommand());
  program.addCommand(auditCommand({ dataDirOf: (file) => readConfig(file).postern.data_dir }));
  program.addCommand(ctlCommand(readConfig));
  program.addCommand(systemdCommand(readConfig));
  program.addCommand(versionCommand());
  program.addCommand(completionCommand(program));
  forEachCommand(program, (command) => {
    command
      .exitOverride()
      .showHelpAfterError(false)
      .configureOutput({
        outputError: (text, write) =>
          write(
            `postern: ${text.trimEnd().replace(/^error: /, "error: ")}\npostern: hint: ${pathOf(command)} --help\n`,
          ),
      });
  });
  await program.parseAsync(argv, { from: "user" });
  return Number(process.exitCode ?? 0);
}

function forEachCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) forEachCommand(child, visit);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
