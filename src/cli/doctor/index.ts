/** `postern doctor`: looks at everything that a request will need, before a request needs it. */

import { Command, Option } from "commander";
import { readConfig } from "../start/index.ts";
import { CommandError } from "../command-error.ts";
import { jsonText } from "../plain-text.ts";
import { yamlText } from "../yaml-text.ts";
import { examine } from "./examine.ts";
import { type Finding, formatFinding } from "./findings.ts";

const EXAMPLES = `
Examples:
  postern doctor -c postern.yaml
  postern doctor -c postern.yaml -f json | jq '.[] | select(.state != "ok")'
`;

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("look at configuration, policy, clock, STS, DynamoDB and AWS roles, and say what to mend")
    .requiredOption("-c, --config <file>", "configuration file")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["text", "json", "yaml"]).default("text"))
    .action(async (options: { config: string; format: "text" | "json" | "yaml" }) => {
      const findings: Finding[] = [];
      const color = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;
      for await (const finding of examine(readConfig(options.config), process.env)) {
        findings.push(finding);
        if (options.format === "text") process.stdout.write(formatFinding(finding, color));
      }
      if (options.format === "json") process.stdout.write(jsonText(findings, 2));
      if (options.format === "yaml") process.stdout.write(yamlText(findings));
      const failed = findings.filter(({ state }) => state === "fail").length;
      if (failed > 0) throw new CommandError(1, `${failed} of ${findings.length} examinations failed`);
    })
    .addHelpText("after", EXAMPLES);
}
