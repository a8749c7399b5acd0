/** Names of files that last. */

import { closeSync, fsyncSync, openSync } from "node:fs";

/** Makes what was named in a directory durable. @throws whatever the system says; some cannot do it */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The same where the system can: Windows and some file systems cannot, and have no need of it either. @throws for a broken disk */
export function syncDirectoryIfCan(directory: string): void {
  try {
    syncDirectory(directory);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EIO") throw cause;
  }
}
