/** The door's pages: which there are, and what answers when something is wrong. */

import type { Context } from "hono";
import { html } from "hono/html";
import type { Clock } from "../../base/clock.ts";
import { messageOf, PosternError } from "../../base/errors.ts";
import { AddressLimiter } from "../../identity/lockout.ts";
import type { Passkeys } from "../../identity/passkeys.ts";
import type { Log } from "../../telemetry/log.ts";
import type { Api, ApiBindings } from "../api-routes.ts";
import type { BrowserLogins } from "../browser-logins.ts";
import type { Connected } from "../callers.ts";
import type { Cluster } from "../cluster.ts";
import type { Links } from "../links.ts";
import type { Logins } from "../logins.ts";
import type { OidcLogins } from "../oidc-logins.ts";
import { ASSETS } from "./assets.ts";
import { addLinkPages } from "./links.ts";
import { addLoginPage } from "./login-page.ts";
import { addOidcPages } from "./oidc-pages.ts";
import { assetAnswer, pageAnswer } from "./page.ts";

export interface WebOptions {
  readonly cluster: Cluster;
  readonly links: Links;
  readonly logins: Logins;
  readonly browserLogins: BrowserLogins;
  readonly oidcLogins: OidcLogins;
  /** Where the cluster asks for passkeys. */
  readonly passkeys?: Passkeys | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** `https://host:port` as browsers have it: without `:443`. Never taken from a request. */
  readonly origin: string;
  /** `host:port` for the command line. */
  readonly proxy: string;
}

/** What answers one method of a page. */
export type Respond = (context: PageContext, connected: Connected) => Promise<Response>;
export type PageContext = Context<{ Bindings: ApiBindings }>;

/** Adds a page with its methods to the door. HEAD is answered as GET. */
export type AddPage = (path: string, methods: { readonly GET: Respond; readonly POST?: Respond }) => void;

/** Adds all pages, below `/web`. */
export function addWebPages(api: Api, options: WebOptions): void {
  const { clock } = options;
  const limiter = new AddressLimiter(clock);
  // Judged by who finds the pages: another reader of the path could read it otherwise.
  api.use("/web/*", (context, next) =>
    context.env.isPageless === true ? Promise.resolve(context.body(null, 404)) : next(),
  );
  for (const asset of Object.values(ASSETS))
    addMethods(api, asset.path, options, { GET: async () => assetAnswer(asset) });
  const addPage: AddPage = (path, methods) => {
    const limited = (respond: Respond): Respond => {
      return async (context, connected) => {
        const wait = limiter.take(connected.address);
        if (wait > 0) throw new LimitedError(wait);
        return await respond(context, connected);
      };
    };
    const { GET, POST } = methods;
    addMethods(api, path, options, {
      GET: limited(GET),
      ...(POST === undefined ? {} : { POST: limited(POST) }),
    });
  };
  addLinkPages(addPage, options);
  const { logins, browserLogins, passkeys } = options;
  if (passkeys !== undefined) addLoginPage(addPage, { ...options, logins, browserLogins, passkeys });
  addOidcPages(addPage, options);
  api.all("/web/*", () => faultPage(new PosternError("path_unknown", "There is nothing here"), options));
}

function addMethods(
  api: Api,
  path: string,
  options: WebOptions,
  methods: { readonly GET: Respond; readonly POST?: Respond },
): void {
  api.all(path, async (context) => {
    const { method } = context.req.raw;
    const respond = method === "GET" || method === "HEAD" ? methods.GET : method === "POST" ? methods.POST : undefined;
    try {
      if (respond === undefined) throw new PosternError("method_not_allowed", "This page does not know the method");
      return await respond(context, context.env.connected);
    } catch (thrown) {
      const answer = await faultPage(thrown, options);
      if (respond === undefined)
        answer.headers.set("allow", methods.POST === undefined ? "GET, HEAD" : "GET, HEAD, POST");
      return answer;
    }
  });
}

/** Whoever comes too often; when to come again is in the answer's head. */
class LimitedError extends PosternError {
  readonly wait: number;

  constructor(wait: number) {
    super("page_limited", "Too many requests came from this address");
    this.wait = wait;
  }
}

const FAULTS: Readonly<Record<string, readonly [status: number, title: string, words: string]>> = {
  path_unknown: [404, "Nothing here", "There is no page at this address."],
  method_not_allowed: [405, "Not like this", "This page cannot be asked in this way."],
  form_foreign: [
    403,
    "Not taken",
    "This form was sent from another site, or by a browser that does not say from where.",
  ],
  body_invalid: [400, "Not taken", "The form was not what this page sends."],
  content_type_invalid: [415, "Not taken", "The form was not what this page sends."],
  body_too_large: [413, "Not taken", "The form was too large."],
  page_limited: [429, "One moment", "Too many requests came from your network. Try again in a few seconds."],
  password_busy: [503, "One moment", "The cluster is busy with passwords just now. Try again in a few seconds."],
  audit_unavailable: [503, "Not now", "The cluster cannot write its audit log. Tell whoever administers it."],
};

async function faultPage(thrown: unknown, { cluster, log }: WebOptions): Promise<Response> {
  const known = thrown instanceof PosternError ? FAULTS[thrown.code] : undefined;
  if (known === undefined) log.error({ error: messageOf(thrown) }, "A page of the door could not be answered");
  const [status, title, words] = known ?? [500, "Something went wrong", "The log of the cluster says what."];
  const content = html`<p>${words}</p>`;
  const headers: Record<string, string> =
    thrown instanceof LimitedError ? { "retry-after": `${Math.ceil(thrown.wait / 1000)}` } : {};
  return pageAnswer({ status, title, cluster: cluster.name, content, headers });
}
