/** How a page of the door goes out: what every page has around it, and what browsers are told about it. */

import { html } from "hono/html";
import { ASSETS } from "./assets.ts";

/** Markup in which every value was escaped. */
export type Markup = ReturnType<typeof html>;

export interface Page {
  readonly status: number;
  readonly title: string;
  readonly cluster: string;
  readonly content: Markup;
  /** Whether something has to be mended; the name of the page says so first. */
  readonly isFaulty?: boolean;
  /** Whether the page needs the script for passkeys. */
  readonly script?: boolean;
  /** Where forms of the page may lead beside the door itself: an origin. */
  readonly leadsTo?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The answer that a page is. Nobody may keep it, frame it, or be told its address, which may hold what a link is good for. */
export async function pageAnswer(page: Page): Promise<Response> {
  const { status, title, cluster, content, isFaulty = false, script = false, leadsTo, headers = {} } = page;
  const text = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${isFaulty ? "Error: " : ""}${title} · ${cluster}</title>
        <link rel="icon" href="${ASSETS.icon.path}" type="image/svg+xml" />
        <link rel="stylesheet" href="${ASSETS.style.path}" />
        ${script ? html`<script src="${ASSETS.script.path}" defer></script>` : ""}
      </head>
      <body>
        <header>
          <img src="${ASSETS.icon.path}" alt="" width="28" height="28" />
          <p>Postern <span>${cluster}</span></p>
        </header>
        <main>
          <h1>${title}</h1>
          ${content}
        </main>
      </body>
    </html> `;
  return new Response(text.toString(), {
    status,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": contentPolicy(script, leadsTo),
      "cross-origin-opener-policy": "same-origin",
      "permissions-policy": script
        ? "publickey-credentials-create=(self), publickey-credentials-get=(self)"
        : "publickey-credentials-create=(), publickey-credentials-get=()",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
      ...ALWAYS,
      ...headers,
    },
  });
}

/** What every answer to a browser says. */
const ALWAYS = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
};

/** A file that belongs to all pages; its address changes with what is in it. */
export function assetAnswer({ type, text }: { readonly type: string; readonly text: string }): Response {
  return new Response(text, {
    headers: {
      ...ALWAYS,
      "content-type": type,
      "content-security-policy": "default-src 'none'",
      "cache-control": "public, max-age=31536000, immutable",
    },
  });
}

function contentPolicy(script: boolean, leadsTo: string | undefined): string {
  return [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    ...(script ? ["script-src 'self'"] : []),
    `form-action 'self'${leadsTo === undefined ? "" : ` ${leadsTo}`}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
