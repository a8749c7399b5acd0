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
