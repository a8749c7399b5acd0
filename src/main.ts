/** argv → command. The only file that ends the process. */

import { CommanderError } from "commander";
import { postern } from "./cli/postern.ts";
import { reportError } from "./cli/report-error.ts";

/** Exit codes: the same for every command. */
const EXIT = { done: 0, failed: 1, misused: 2 } as const;

// The SDK would greet every start on Node 20 with a warning about versions to come; the lock file pins one that runs here.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";

// Whoever reads us may stop reading, as head does: that is no failure of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) =>
  process.exit(error.code === "EPIPE" ? EXIT.done : EXIT.failed),
);

try {
  const code = await postern(process.argv.slice(2));
  process.exitCode = code;
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has already said what was wrong, on stderr; help and version are no mistakes.
    process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.misused;
  } else {
    process.exitCode = reportError(error);
  }
}
