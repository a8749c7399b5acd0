/** What whoever is not logged in is told, or not any more. */

import { CommandError } from "../command-error.ts";

export function notLoggedIn(message = "Not logged in."): CommandError {
  return new CommandError(1, message, { hint: "postern login --proxy=HOST:PORT --user=NAME" });
}

export function expired(): CommandError {
  return new CommandError(1, "Active profile expired.", { hint: "postern login" });
}
