/** Letting a person edit a text in the editor of their choice. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { CommandError } from "../command-error.ts";

/** A text that was edited; its file stays until it is forgotten. */
export interface EditedText {
  readonly text: string;
  readonly path: string;
  forget(): void;
}

/** Opens `$VISUAL`, `$EDITOR` or vi. @throws CommandError when it cannot be run or ends with a failure */
export async function editText(text: string, name: string): Promise<EditedText> {
  const directory = mkdtempSync(join(tmpdir(), "postern-edit-"));
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o600 });
  const forget = (): void => rmSync(directory, { recursive: true, force: true });
  const editor = [process.env["VISUAL"], process.env["EDITOR"]].find((one) => one !== undefined && one !== "") ?? "vi";
  // As a shell would: people set editors with flags. The path is an argument of its own, never a part of the command.
  const { status, error } = spawnSync("/bin/sh", ["-c", `${editor} "$1"`, "sh", path], { stdio: "inherit" });
  if (error !== undefined || status !== 0) {
    forget();
    const reason = error === undefined ? `it ended with ${status ?? "a signal"}` : error.message;
    throw new CommandError(1, `Cannot edit with "${editor}": ${reason}`, {
      hint: "set EDITOR to an editor that is there",
    });
  }
  return { text: readFileSync(path, "utf8"), path, forget };
}
