/** Labels as on a command line: `env=dev,team=payments`. */

import { quoted } from "../identity/names.ts";

/** The labels, or why they are none. */
export function parseLabels(
  text: string,
): { readonly labels: Readonly<Record<string, string>> } | { readonly fault: string } {
  const labels = new Map<string, string>();
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    const key = part.slice(0, Math.max(0, at)).trim();
    if (key === "") return { fault: `${quoted(part)} is not key=value` };
    if (labels.has(key)) return { fault: `the key ${quoted(key)} is there twice` };
    labels.set(key, part.slice(at + 1).trim());
  }
  return { labels: Object.fromEntries(labels) };
}
