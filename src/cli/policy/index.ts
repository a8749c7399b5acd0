/** `postern policy`: builds, tests, checks and formats the policy packages of an installation. */

import { Command } from "commander";

import { writeWhole } from "../../../scripts/lib/compile-policy.mjs";
import { parseBundle } from "../../policy/bundle.ts";
import { CommandError } from "../command-error.ts";
import { compileDirectory } from "./compile.ts";
import { resourcesAsData, stageResources } from "./resources-as-data.ts";
import { idlePackages, readUserPolicy, requireDirectory, type UserPolicy } from "./user-policy.ts";
import { runOpa, withBuiltin } from "./wrap-opa.ts";

export { loadBuiltinBundle } from "./builtin.ts";
export { compileDirectory } from "./compile.ts";

/** The command with its sub-commands. */
export function policyCommand(): Command {
  return new Command("policy")
    .description("build, test, check and format your own policy packages")
    .addCommand(buildCommand())
    .addCommand(testCommand())
    .addCommand(checkCommand())
    .addCommand(fmtCommand())
    .addHelpText(
      "after",
      `
Your packages are called postern.custom.NAME. Their "deny" adds denials, their "obligations" add obligations.

Examples:
  postern policy check ./my-policies
  postern policy test ./my-policies
  postern policy build ./my-policies -o my-policies.tar.gz`,
    );
}

function buildCommand(): Command {
  return new Command("build")
    .description("compile the built-in policy and the packages of DIR to one bundle")
    .argument("<DIR>", "folder of .rego, .json and .yaml files")
    .requiredOption("-o, --output <FILE>", "the bundle to write (.tar.gz)")
    .option("--revision <R>", "what decisions call it (default: a digest of the sources)")
    .action(async (directory: string, options: { output: string; revision?: string }) => {
      warnOfIdle(await readUserPolicy(directory));
      const bytes = await compileDirectory(directory, {
        say: (line) => void process.stderr.write(`${line}\n`),
        ...(options.revision === undefined ? {} : { revision: options.revision }),
      });
      await writeWhole(options.output, bytes);
      const { revision } = await parseBundle(bytes, options.output);
      process.stdout.write(`${options.output} ${revision}\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern policy build ./my-policies -o my-policies.tar.gz
  postern policy build ./my-policies -o my-policies.tar.gz --revision "$(git rev-parse --short HEAD)"`,
    );
}

function warnOfIdle(policy: UserPolicy): void {
  for (const warning of idlePackages(policy)) process.stderr.write(`postern: warning: ${warning}\n`);
}

interface TestOptions {
  readonly verbose?: true;
  readonly run?: string;
  readonly coverage?: true;
  readonly resources?: string;
}

function testCommand(): Command {
  return new Command("test")
    .description("run the tests of DIR against the built-in policy")
    .argument("<DIR>", "folder with your packages and their *_test.rego files")
    .option("-v, --verbose", "show each test")
    .option("-r, --run <REGEX>", "only tests whose names match")
    .option("-c, --coverage", "report which lines were covered")
    .option("--resources <DIR>", "with the roles and users of this resources directory")
    .action(async (directory: string, options: TestOptions) => {
      await requireDirectory(directory);
      const resources = options.resources === undefined ? undefined : await resourcesAsData(options.resources);
      const own = [
        ...(options.verbose === true ? ["--verbose"] : []),
        ...(options.coverage === true ? ["--coverage"] : []),
        ...(options.run === undefined ? [] : ["--run", options.run]),
      ];
      await withBuiltin(async (flags, builtin) => {
        if (resources !== undefined) await stageResources(resources, builtin);
        const said = await runOpa(["test", ...flags, ...own, builtin, directory], "Policy tests failed");
        if (said) return;
        throw new CommandError(1, `No test was found in "${directory}"`, {
          hint: "tests are rules whose names begin with test_, in files named *_test.rego",
        });
      });
    })
    .addHelpText(
      "after",
      `
Examples:
  postern policy test ./my-policies
  postern policy test ./my-policies --verbose --run office_hours
  postern policy test ./my-policies --resources ./resources`,
    );
}

function checkCommand(): Command {
  return new Command("check")
    .description("find mistakes in the packages of DIR: types of input, unknown builtins, names of packages")
    .argument("<DIR>", "folder with your packages")
    .action(async (directory: string) => {
      warnOfIdle(await readUserPolicy(directory));
      await withBuiltin(async (flags, builtin) => {
        await runOpa(["check", "--strict", ...flags, builtin, directory], "Policy check failed");
      });
    })
    .addHelpText(
      "after",
      `
Examples:
  postern policy check ./my-policies`,
    );
}

function fmtCommand(): Command {
  return new Command("fmt")
    .description("format the .rego files of DIR in place")
    .argument("<DIR>", "folder with your packages")
    .option("--check", "change nothing; show what would change and exit 1 if anything would")
    .action(async (directory: string, options: { check?: true }) => {
      await requireDirectory(directory);
      const flags = options.check === true ? ["--diff", "--fail"] : ["--write"];
      await runOpa(["fmt", ...flags, directory], "Policy files are not formatted");
    })
    .addHelpText(
      "after",
      `
Examples:
  postern policy fmt ./my-policies
  postern policy fmt ./my-policies --check`,
    );
}
