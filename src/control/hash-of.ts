/** What is kept of a text that somebody will show again: enough to know it by, and nothing that could be shown. */

import { createHash } from "node:crypto";

/** SHA-256 in base64url, as PKCE's `S256` has it. For random texts only: what people choose can be guessed from it. */
export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
