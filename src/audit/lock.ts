/** The lock of a stream: one writer, or its chain would fork. */

import { closeSync, openSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { PosternError } from "../base/errors.ts";

/** Gives the lock back; may be called twice. */
export type Unlock = () => void;

/**
 * Takes the lock of a stream. A lock whose process is gone is taken over.
 *
 * @throws {PosternError} `audit_locked` when another recorder holds it.
 */
export function lockStream(directory: string, stream: string): Unlock {
  const path = lockPathOf(directory, stream);
  const mine = JSON.stringify({ pid: process.pid, started: startOf(process.pid) });
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = openSync(path, "wx", 0o600);
      writeFileSync(file, mine);
      closeSync(file);
      return () => release(path, mine);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
      if (attempt === 0 && !isHeld(path)) remove(path);
    }
  }
  throw new PosternError("audit_locked", `Cannot open audit stream "${stream}": another process writes it`, {
    hint: `give each process a stream or data_dir of its own; if none runs, remove ${path}`,
  });
}

function lockPathOf(directory: string, stream: string): string {
  return join(directory, `${stream}.lock`);
}

function isHeld(path: string): boolean {
  let holder: { pid?: unknown; started?: unknown };
  try {
    holder = JSON.parse(readFileSync(path, "utf8")) as typeof holder;
  } catch {
    // Gone, or its writer is, or died, between creating and filling it.
    return isYoung(path);
  }
  const { pid, started } = holder;
  if (typeof pid !== "number" || !isRunning(pid)) return false;
  // Process numbers are used again: in a container after a restart it is often our own.
  const now = startOf(pid);
  if (now !== null && started !== null) return now === started;
  return pid !== process.pid;
}

/** Younger than any writer takes to fill it. */
function isYoung(path: string): boolean {
  try {
    return Math.abs(Date.now() - statSync(path).mtimeMs) < FILLING_MS;
  } catch {
    return false;
  }
}

const FILLING_MS = 2_000;

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** What tells two processes of one number apart; `null` where the system does not say. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    // Field 22, counted after the command's name, which may itself hold blanks and brackets.
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    return ticks === undefined ? null : `${boot}:${ticks}`;
  } catch {
    return null;
  }
}

function release(path: string, mine: string): void {
  try {
    if (readFileSync(path, "utf8") === mine) unlinkSync(path);
  } catch {
    // Somebody removed it already: nothing to give back.
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
  }
}
