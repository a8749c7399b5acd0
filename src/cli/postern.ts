/** The command line: one program, its commands, and what they have in common. */

import { Command } from "commander";
import type { Config } from "../config/config.ts";
import { packageVersion } from "./version.ts";

const EXAMPLES = `
Examples:
  postern doctor -c postern.yaml           look at all that it needs
  postern start -c postern.yaml            run the gateway
  postern login --proxy=localhost:3080     log in to a cluster
  postern audit tail -c postern.yaml       see what it decides
  postern policy test my-policies          test policies of your own
`;

/** Commands that are made of the same files. */
interface Group {
  readonly names: readonly string[];
  readonly make: (program: Command) => Promise<readonly Command[]>;
}

/** Most of what a command does in its time is to load files: only those of the group that is asked for. */
const GROUPS: readonly Group[] = [
  { names: ["start"], make: async () => [(await import("./start/index.ts")).startCommand()] },
  { names: ["doctor"], make: async () => [(await import("./doctor/index.ts")).doctorCommand()] },
  {
    names: ["login", "logout", "status"],
    make: async () => (await import("./login/index.ts")).loginCommands(),
  },
  { names: ["db"], make: async () => [(await import("./database/index.ts")).dbCommand()] },
  {
    names: ["proxy"],
    make: async () => {
      const [{ proxyCommand }, { clientSurroundings }, { onStopSignal }] = await Promise.all([
        import("./database/proxy.ts"),
        import("./login/surroundings.ts"),
        import("../platform/node-signals.ts"),
      ]);
      return [proxyCommand(clientSurroundings, onStopSignal)];
    },
  },
  {
    names: ["credentials"],
    make: async () => {
      const [{ credentialsCommand }, { clientSurroundings }] = await Promise.all([
        import("./database/credentials.ts"),
        import("./login/surroundings.ts"),
      ]);
      return [credentialsCommand(clientSurroundings)];
    },
  },
  { names: ["policy"], make: async () => [(await import("./policy/index.ts")).policyCommand()] },
  {
    names: ["audit"],
    make: async () => {
      const { auditCommand } = await import("./audit/index.ts");
      return [auditCommand({ dataDirOf: async (file) => (await readConfig(file)).postern.data_dir })];
    },
  },
  { names: ["configure"], make: async () => [(await import("./configure/index.ts")).configureCommand()] },
  { names: ["systemd"], make: async () => [(await import("./systemd/index.ts")).systemdCommand(readConfig)] },
  { names: ["ctl"], make: async () => [(await import("./ctl/index.ts")).ctlCommand(readConfig)] },
  { names: ["version"], make: async () => [(await import("./version.ts")).versionCommand()] },
  {
    names: ["completion"],
    make: async (program) => [(await import("./completion/index.ts")).completionCommand(program)],
  },
];

async function readConfig(file: string): Promise<Config> {
  return (await import("./start/index.ts")).readConfig(file);
}

/** Runs one command. @returns its exit code @throws CommanderError for help and misuse, PosternError for what failed */
export async function postern(argv: readonly string[]): Promise<number> {
  const program = new Command("postern")
    .description("A policy-engine-centric access gateway for Amazon DynamoDB")
    .version(packageVersion(), "-V, --version")
    .addHelpText("after", EXAMPLES);
  const [word = ""] = argv;
  const asked = GROUPS.filter(({ names }) => names.includes(word) && word !== "completion");
  // Whoever asks for help, or for what there is not, is told of all.
  for (const { make } of asked.length === 0 ? GROUPS : asked)
    for (const command of await make(program)) program.addCommand(command);
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
