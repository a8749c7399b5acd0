/** The platform that this process runs on. */

import type { Platform } from "./ports.ts";

/** Loads only the files of the runtime at hand. */
export async function thisPlatform(): Promise<Platform> {
  if ("Deno" in globalThis) return (await import("./deno.ts")).denoPlatform;
  return (await import("./node.ts")).nodePlatform;
}
