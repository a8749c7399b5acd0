/** `postern ctl -c FILE …` as a person runs it: a process of its own. */

import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));

export interface CtlRan {
  readonly code: number | null;
  readonly out: string;
  readonly told: string;
}

/** Runs one command and gives what it printed, said and ended with. */
export function runCtl(
  file: string,
  args: readonly string[],
  { input = "", env = {} }: { readonly input?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<CtlRan> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [LAUNCHER, "ctl", "-c", file, ...args], {
      env: { PATH: process.env["PATH"] ?? "", NO_COLOR: "1", ...env },
    });
    let [out, told] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (told += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, told }));
    child.stdin.end(input);
  });
}
