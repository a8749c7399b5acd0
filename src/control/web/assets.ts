/** The files that pages refer to, each under an address that names its content. */

import { createHash } from "node:crypto";
import { SCRIPT } from "./script.ts";
import { STYLE } from "./style.ts";

/** A gate in a wall. */
const ICON = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#1f5f5b"/><path d="M9 26V15a7 7 0 0 1 14 0v11z" fill="#f4f1ea"/><circle cx="19.5" cy="19" r="1.5" fill="#1f5f5b"/></svg>`;

export interface Asset {
  readonly path: string;
  readonly type: string;
  readonly text: string;
}

/** All of them. */
export const ASSETS = {
  style: asset("style.css", "text/css; charset=utf-8", STYLE),
  script: asset("passkeys.js", "text/javascript; charset=utf-8", SCRIPT),
  icon: asset("postern.svg", "image/svg+xml", ICON),
} as const satisfies Readonly<Record<string, Asset>>;

function asset(name: string, type: string, text: string): Asset {
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return { path: `/web/assets/${digest}/${name}`, type, text };
}
