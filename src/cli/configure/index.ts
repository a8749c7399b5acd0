/** `postern configure db`: writes the file of an agent, or of a gateway beside an application, from flags. */

import { Command, Option } from "commander";
import { outputOf, writeWhole } from "../write-file.ts";
import { agentFile } from "./agent-file.ts";
import { AGENT_FLAGS, type AgentFlag, type AgentOptions } from "./flags.ts";

/** The `configure` command with its subcommand. */
export function configureCommand(): Command {
  const db = new Command("db").description("write the file of a gateway to a database, for postern start -c");
  for (const flag of Object.values(AGENT_FLAGS)) db.addOption(optionOf(flag));
  db.option("-o, --output <file>", "where to write it: a path or file:///path; - or nothing: standard output")
    .option("--force", "replace a file that is there")
    .action(({ output, force, ...given }: AgentOptions & { output?: string; force?: true }) => {
      const path = outputOf(output);
      const { text, holdsToken, notes } = agentFile(given, path ?? "postern.yaml");
      if (path === undefined) process.stdout.write(text);
      else writeWhole(path, text, { mode: holdsToken ? 0o600 : 0o644, force: force === true });
      for (const note of notes) process.stderr.write(`postern: note: ${note}\n`);
      if (path !== undefined) process.stderr.write(`postern: Wrote ${path}; start it with: postern start -c ${path}\n`);
    })
    .addHelpText("after", EXAMPLES);
  return new Command("configure")
    .description("write configuration files")
    .addCommand(db)
    .addHelpText(
      "after",
      "\nExamples:\n  postern configure db --name orders --region us-east-1 --account-id 123456789012",
    );
}

const EXAMPLES = `
Examples:
  postern configure db --name orders --region us-east-1 --account-id 123456789012 \\
    --proxy postern.example.com:443 --token /tmp/token --ca-pin sha256:… --labels env=dev -o /etc/postern.yaml
  postern configure db --name orders --region us-east-1 --account-id 123456789012 --user alice --db-user ExampleRole`;

function optionOf({ flag, meaning, required, repeated, choices }: AgentFlag): Option {
  const option = new Option(flag, meaning);
  if (required === true) option.makeOptionMandatory();
  if (repeated === true)
    option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);
  if (choices !== undefined) option.choices(choices).default(choices[0]);
  return option;
}
