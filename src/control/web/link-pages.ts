/** The pages behind invite and reset links. */

import { html } from "hono/html";
import type { InviteKind } from "../../identity/invites.ts";
import { MIN_PASSWORD_CHARACTERS } from "../../identity/passwords.ts";
import type { OpenedLink } from "../links.ts";
import { alert, faultLine, passkeyStatus } from "./parts.ts";
import type { Markup } from "./page.ts";

/** What was wrong with a form, by field. */
export type LinkFaults = Partial<Readonly<Record<"password" | "again" | "code" | "passkey", string>>>;

/** What a link's page is called. */
export const LINK_TITLES: Readonly<Record<InviteKind, string>> = {
  invite: "Set up your account",
  reset: "Set a new password",
};

/** Of very long names there is no picture: cameras cannot tell so many squares apart. */
const MOST_IN_PICTURE = 500;

/** The form by which a link is used. */
export function linkForm(link: OpenedLink, kind: InviteKind, faults: LinkFaults): Markup {
  const { user, totp, passkey } = link;
  const needsMore = totp !== undefined || passkey !== undefined;
  const first = kind === "invite" ? "You were invited." : "Your old password does not work any more.";
  const what = kind === "invite" ? "Choose a password" : "Choose a new one";
  const more =
    totp !== undefined ? " and connect an authenticator app" : passkey !== undefined ? " and create a passkey" : "";
  const options = passkey === undefined ? undefined : JSON.stringify(passkey);
  return html`
    <p class="quiet">${first} ${what}${more}. This link works once.</p>
    ${Object.keys(faults).length === 0 ? "" : alert("Nothing was set yet. Mend what is marked below, and type the password again.")}
    <form method="post" ${options === undefined ? "" : html`data-passkey="create" data-options="${options}"`}>
      ${needsMore ? html`<h2>1. Password</h2>` : ""}
      <label for="username">User name</label>
      <input id="username" type="text" value="${user}" autocomplete="username" readonly />
      ${passwordField("password", "New password", faults.password, `At least ${MIN_PASSWORD_CHARACTERS} characters. A few words in a row are easy to remember.`)}
      ${passwordField("password_again", "The same again", faults.again)}
      ${totp === undefined ? "" : totpPart(totp, faults.code)}
      ${passkey === undefined ? "" : passkeyPart(faults.passkey)}
      <button>
        ${passkey === undefined ? (kind === "invite" ? "Finish" : "Set password") : "Create passkey and finish"}
      </button>
    </form>
  `;
}

/** What is shown when a link was used. */
export function linkDone(user: string, proxy: string, pins: readonly string[]): Markup {
  const words = [
    "postern login",
    `--proxy=${proxy}`,
    `--user=${shellWord(user)}`,
    ...pins.map((pin) => `--ca-pin=${pin}`),
  ];
  return html`
    <p>Everything is set, <strong>${user}</strong>. Log in from a terminal:</p>
    <pre><code>${words.map((word) => html`<span>${word}</span> `)}</code></pre>
    <p class="hint">
      The pin is needed the first time only: by it your computer knows this cluster. You can close this page.
    </p>
  `;
}

/** For links that do not count, whichever way. */
export function linkRefused(): Markup {
  return html`
    <p>It may have been used already, be too old, or not be complete.</p>
    <p class="quiet">Whoever administers the cluster can make another: <code>postern ctl users reset NAME</code></p>
  `;
}

function passwordField(name: string, label: string, fault: string | undefined, hint?: string): Markup {
  const id = name.replace("_", "-");
  const described = [...(hint === undefined ? [] : [`${id}-hint`]), ...(fault === undefined ? [] : [`${id}-fault`])];
  return html` <label for="${id}">${label}</label>
    <input
      id="${id}"
      name="${name}"
      type="password"
      autocomplete="new-password"
      required
      minlength="${MIN_PASSWORD_CHARACTERS}"
      ${described.length === 0 ? "" : html`aria-describedby="${described.join(" ")}"`}
      ${fault === undefined ? "" : html`aria-invalid="true"`}
    />
    ${hint === undefined ? "" : html`<p class="hint" id="${id}-hint">${hint}</p>`} ${faultLine(id, fault)}`;
}

function totpPart({ secret, uri }: NonNullable<OpenedLink["totp"]>, fault: string | undefined): Markup {
  const address = uri.reveal();
  const letters = secret.reveal().match(/.{1,4}/g) ?? [];
  return html` <h2>2. Authenticator app</h2>
    ${
      address.length > MOST_IN_PICTURE
        ? ""
        : html`<p>Scan this with an authenticator app on your phone.</p>
            <div class="qr">${qrOf(address)}</div>`
    }
    <p class="hint">No camera? <a href="${address}">Open the app on this device</a>, or type this secret into it:</p>
    <p class="secret"><code>${letters.join(" ")}</code></p>
    <label for="code">Code that the app shows</label>
    <input
      id="code"
      name="code"
      class="digits"
      type="text"
      inputmode="numeric"
      autocomplete="one-time-code"
      required
      maxlength="8"
      aria-describedby="code-hint${fault === undefined ? "" : " code-fault"}"
      ${fault === undefined ? "" : html`aria-invalid="true"`}
    />
    <p class="hint" id="code-hint">Six digits, new ones every 30 seconds.</p>
    ${faultLine("code", fault)}`;
}

function passkeyPart(fault: string | undefined): Markup {
  return html` <h2>2. Passkey</h2>
    <p>
      Your browser will ask for a fingerprint, a face, a PIN or a security key. From then on a login needs it beside the
      password.
    </p>
    ${passkeyStatus(fault)}`;
}

async function qrOf(text: string): Promise<Markup> {
  const { encodeQR: encodeQr } = await import("qr");
  const rows = encodeQr(text, "raw", { ecc: "medium", border: 4 });
  // Runs of dark squares, a line each.
  const path = rows.flatMap((row, y) =>
    [
      ...row
        .map((dark) => (dark ? "1" : "0"))
        .join("")
        .matchAll(/1+/g),
    ].map(({ index, 0: run }) => `M${index} ${y}h${run.length}v1h-${run.length}z`),
  );
  const size = rows.length;
  return html`<svg
    viewBox="0 0 ${size} ${size}"
    role="img"
    aria-label="QR code with the secret for the app"
    shape-rendering="crispEdges"
  >
    <rect width="${size}" height="${size}" fill="#ffffff" />
    <path d="${path.join("")}" fill="#000000" />
  </svg>`;
}

/** So that a name means itself in a shell. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9@._+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
