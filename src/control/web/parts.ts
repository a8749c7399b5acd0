/** Parts that forms of several pages have. */

import { html } from "hono/html";
import type { Markup } from "./page.ts";

/** What stands above a form that was not taken. */
export function alert(words: string): Markup {
  return html`<div class="alert" role="alert"><p>${words}</p></div>`;
}

/** A fault beside its field. */
export function faultLine(id: string, fault: string | undefined): Markup | string {
  return fault === undefined ? "" : html`<p class="fault" id="${id}-fault">${fault}</p>`;
}

/** Where the script says how it goes, and what stands there when there is none. */
export function passkeyStatus(fault: string | undefined): Markup {
  return html` <input type="hidden" name="passkey" value="" />
    <p class="hint" id="passkey-status" role="status" hidden></p>
    <p class="fault" id="passkey-fault" role="alert" ${fault === undefined ? html`hidden` : ""}>${fault}</p>
    <noscript><p class="fault">Passkeys need JavaScript: allow it for this page and load it again.</p></noscript>`;
}
