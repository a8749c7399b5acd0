/** `/web/oidc/…`: whose login it is, the way to the provider, and the way back. */

import { html } from "hono/html";
import type { ShownBrowserLogin } from "../browser-logins.ts";
import { CALLBACK_PATH, type OidcLogins } from "../oidc-logins.ts";
import { readForm } from "./forms.ts";
import { loginOver } from "./login-page.ts";
import { type Markup, pageAnswer } from "./page.ts";
import type { AddPage, PageContext, WebOptions } from "./routes.ts";

export interface OidcPagesOptions extends WebOptions {
  readonly oidcLogins: OidcLogins;
}

/** Adds the pages. */
export function addOidcPages(addPage: AddPage, options: OidcPagesOptions): void {
  const idOf = (context: PageContext): string => context.req.param("id") ?? "";
  addPage(CALLBACK_PATH, { GET: (context, { address }) => cameBack(options, context.req.raw, address) });
  addPage("/web/oidc/:id", {
    GET: (context) => shown(options, idOf(context)),
    POST: (context, { address }) => left(options, idOf(context), address, context.req.raw),
  });
}

/** Seen by whoever was sent the address of somebody else's login, too: before the provider is asked. */
async function shown(options: OidcPagesOptions, id: string): Promise<Response> {
  const { cluster, oidcLogins } = options;
  try {
    const login = await oidcLogins.look(id);
    return await pageAnswer({
      status: 200,
      title: `Log in to ${cluster.name}`,
      cluster: cluster.name,
      content: confirmation(login),
      // The provider may send the browser on and on before it comes back, and browsers look at each step of it.
      leadsTo: `https: http://127.0.0.1:* http://localhost:*`,
    });
  } catch (thrown) {
    return await loginOver(options, thrown);
  }
}

async function left(options: OidcPagesOptions, id: string, address: string, request: Request): Promise<Response> {
  await readForm(request, [], options.origin);
  try {
    const { url, cookie } = await options.oidcLogins.leave(id, address);
    return sentTo(url, cookie === undefined ? undefined : `${COOKIE}=${cookie.reveal()}; ${KEPT}; Max-Age=300`);
  } catch (thrown) {
    return await loginOver(options, thrown);
  }
}

async function cameBack(options: OidcPagesOptions, request: Request, address: string): Promise<Response> {
  try {
    const query = new URL(request.url).searchParams;
    const url = await options.oidcLogins.comeBack(query, cookieIn(request.headers), address);
    return sentTo(url, `${COOKIE}=; ${KEPT}; Max-Age=0`);
  } catch (thrown) {
    return await loginOver(options, thrown);
  }
}

/** No other site, no script and no plain connection has to do with it, whatever else is served by this host. */
const COOKIE = "__Host-postern-login";
/** Lax: it must come along when the provider sends the browser back. */
const KEPT = "Path=/; Secure; HttpOnly; SameSite=Lax";

function cookieIn(headers: Headers): string | undefined {
  const found = (headers.get("cookie") ?? "").split(/;[ ]*/).filter((one) => one.startsWith(`${COOKIE}=`));
  // Two of one name are not from us.
  return found.length === 1 ? found[0]?.slice(COOKIE.length + 1) : undefined;
}

function sentTo(url: URL, cookie: string | undefined): Response {
  const headers = new Headers({
    location: url.href,
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
  });
  if (cookie !== undefined) headers.set("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
}

function confirmation({ address, display, port, begun }: ShownBrowserLogin & { readonly display: string }): Markup {
  return html`
    <p>
      A <code>postern login</code> was begun at <strong>${address}</strong>, at
      ${new Date(begun).toISOString().slice(11, 19)} UTC. It waits on port ${port} of the machine that this browser runs
      on, and will be logged in as you.
    </p>
    <p class="quiet">If you did not begin it just now on this machine, close this page.</p>
    <form method="post">
      <button>Go on with ${display}</button>
    </form>
  `;
}
