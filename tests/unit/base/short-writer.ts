/** Writes files that its limit on their size cuts off: node --import tsx short-writer.ts DIRECTORY. Prints what each attempt came to. */

import { randomBytes } from "node:crypto";
import process from "node:process";
import { addKeyToList, writeKeyList } from "../../../src/base/key-list.ts";
import { PrivateFiles } from "../../../src/base/private-files.ts";

const [directory = ""] = process.argv.slice(2);
const files = new PrivateFiles({ code: "profile", place: "elsewhere", again: "again" });
const attempts: Readonly<Record<string, () => unknown>> = {
  private: () => files.write(`${directory}/private`, "x".repeat(5000)),
  added: () => addKeyToList({ directory, name: "full" }),
  written: () =>
    writeKeyList(
      { directory, name: "fresh" },
      Array.from({ length: 16 }, () => randomBytes(32)),
    ),
};
const came: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    attempt();
    came[name] = "written";
  } catch (error) {
    came[name] = (error as { code?: string }).code ?? String(error);
  }
}
process.stdout.write(JSON.stringify(came));
