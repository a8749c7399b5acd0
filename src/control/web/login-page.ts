/** `/web/login/…`: a user of the cluster's own completes with a passkey what `postern login` began. */

import { html } from "hono/html";
import { PosternError } from "../../base/errors.ts";
import { Secret } from "../../base/secret.ts";
import type { Passkeys } from "../../identity/passkeys.ts";
import type { BrowserLogins, ShownBrowserLogin } from "../browser-logins.ts";
import type { Logins } from "../logins.ts";
import { readForm } from "./forms.ts";
import { type Markup, pageAnswer } from "./page.ts";
import { alert, passkeyStatus } from "./parts.ts";
import type { AddPage, PageContext, WebOptions } from "./routes.ts";

export interface LoginPageOptions extends WebOptions {
  readonly logins: Logins;
  readonly browserLogins: BrowserLogins;
  readonly passkeys: Passkeys;
}

/** Adds the page. */
export function addLoginPage(addPage: AddPage, options: LoginPageOptions): void {
  const idOf = (context: PageContext): string => context.req.param("id") ?? "";
  addPage("/web/login/:id", {
    GET: (context) => shown(options, idOf(context), { user: context.req.query("user") ?? "" }),
    POST: (context, { address }) => proved(options, idOf(context), address, context.req.raw),
  });
}

interface Tried {
  readonly user: string;
  readonly fault?: string;
  readonly status?: number;
}

async function shown(options: LoginPageOptions, id: string, tried: Tried): Promise<Response> {
  const { cluster, browserLogins, passkeys } = options;
  let login: ShownBrowserLogin;
  try {
    login = await browserLogins.look(id);
    if (login.method !== "local") throw new PosternError("browser_login_unknown", "The login is for another page");
  } catch (thrown) {
    return await loginOver(options, thrown);
  }
  const { status = 200, fault } = tried;
  return pageAnswer({
    status,
    title: `Log in to ${cluster.name}`,
    isFaulty: fault !== undefined,
    cluster: cluster.name,
    content: loginForm(login, tried, JSON.stringify(passkeys.requestOptions(id))),
    script: true,
    leadsTo: `http://127.0.0.1:${login.port}`,
  });
}

async function proved(options: LoginPageOptions, id: string, address: string, request: Request): Promise<Response> {
  const { origin, logins, browserLogins } = options;
  const { user, password, passkey } = await readForm(request, ["user", "password", "passkey"], origin);
  try {
    const { method } = await browserLogins.look(id);
    // Nothing is tried for a login that this page cannot complete.
    if (method !== "local") throw new PosternError("browser_login_unknown", "The login is for another page");
    const proof = await logins.prove({ user, password: new Secret(password), passkey, login: id, address });
    const callback = await browserLogins.complete(id, proof);
    return new Response(null, {
      status: 303,
      headers: { location: callback.href, "cache-control": "no-store", "referrer-policy": "no-referrer" },
    });
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown;
    if (thrown.code === "login_refused") return await shown(options, id, { user, fault: REFUSED, status: 403 });
    if (thrown.code === "login_limited") return await shown(options, id, { user, fault: LIMITED, status: 429 });
    return await loginOver(options, thrown);
  }
}

const REFUSED =
  "User name, password or passkey is not right, or there were too many failures. Try again in a while, or ask whoever administers the cluster.";
const LIMITED = "There were too many attempts from your network. Try again in a few seconds.";

function loginForm({ address }: ShownBrowserLogin, { user, fault }: Tried, options: string): Markup {
  return html`
    <p class="quiet">
      Somebody started <code>postern login</code> at <strong>${address}</strong>. If that was not you, close this page.
    </p>
    ${fault === undefined ? "" : alert(fault)}
    <form method="post" data-passkey="get" data-options="${options}">
      <label for="user">User name</label>
      <input
        id="user"
        name="user"
        type="text"
        value="${user}"
        autocomplete="username"
        autocapitalize="none"
        spellcheck="false"
        required
        maxlength="255"
        ${user === "" ? html`autofocus` : ""}
      />
      <label for="password">Password</label>
      <input
        id="password"
        name="password"
        type="password"
        autocomplete="current-password"
        required
        ${user === "" ? "" : html`autofocus`}
      />
      ${passkeyStatus(undefined)}
      <button>Log in with passkey</button>
    </form>
  `;
}

/** For logins that are unknown, over or for somebody else; in the same words. @throws what is not about them */
export async function loginOver({ cluster }: WebOptions, thrown: unknown): Promise<Response> {
  const isOver = thrown instanceof PosternError && ["browser_login_unknown", "connector_unknown"].includes(thrown.code);
  if (!isOver) throw thrown;
  const content = html`
    <p>It may be completed already, or it took too long.</p>
    <p class="quiet">Begin again in the terminal: <code>postern login</code></p>
  `;
  return pageAnswer({ status: 404, title: "This login is over", cluster: cluster.name, content });
}
