/** The user's commands as on a terminal, in this process: what they print, say and answer, and a home of their own. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Command, CommanderError } from "commander";
import { systemClock, type Clock } from "../../src/base/clock.ts";
import type { Input } from "../../src/cli/login/ask.ts";
import { ctlCommand } from "../../src/cli/ctl/index.ts";
import { dbCommand } from "../../src/cli/database/index.ts";
import { loginCommands } from "../../src/cli/login/index.ts";
import { Profiles } from "../../src/cli/login/profiles.ts";
import { reportError } from "../../src/cli/report-error.ts";
import { readConfig } from "../../src/cli/start/index.ts";

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CommandLine {
  /** POSTERN_HOME; not there until something is written. */
  readonly home: string;
  /** What happens when a browser is to be opened; without it, there is none. */
  browse: ((url: string) => void) | undefined;
  /** Runs one command; `input` is its standard input. */
  run(words: readonly string[], input?: Input | string): Promise<Ran>;
  close(): void;
}

export function commandLine(clock: Clock = systemClock): CommandLine {
  const directory = mkdtempSync(join(tmpdir(), "postern-home-"));
  const home = join(directory, "home");
  const line: CommandLine = {
    home,
    browse: undefined,
    async run(words, input = "") {
      let [out, err] = ["", ""];
      const surroundings = {
        profiles: new Profiles(home),
        input: typeof input === "string" ? Readable.from([Buffer.from(input)]) : input,
        write: (text: string) => void (out += text),
        say: (text: string) => void (err += text),
        clock,
        openBrowser: (url: string) => {
          line.browse?.(url);
          return line.browse !== undefined;
        },
      };
      const program = new Command("postern");
      for (const command of loginCommands(() => surroundings)) program.addCommand(command);
      program.addCommand(dbCommand(() => surroundings));
      program.addCommand(ctlCommand(readConfig, () => surroundings));
      for (const command of withDescendants(program))
        command.exitOverride().configureOutput({ writeErr: surroundings.say, writeOut: surroundings.write });
      try {
        await program.parseAsync(words, { from: "user" });
        return { code: 0, out, err };
      } catch (error) {
        if (error instanceof CommanderError) return { code: error.exitCode === 0 ? 0 : 2, out, err };
        const code = reportError(error, surroundings.say);
        return { code, out, err };
      }
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
  return line;
}

function withDescendants(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withDescendants)];
}
