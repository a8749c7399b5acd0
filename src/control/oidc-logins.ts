/** The way of a browser to an identity provider and back: only the browser that saw whose login it is comes back with it. */

import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import * as z from "zod";
import { messageOf, PosternError } from "../base/errors.ts";
import { isSameText } from "../base/same-text.ts";
import { Secret } from "../base/secret.ts";
import type { OidcConnector } from "../identity/oidc-connector.ts";
import { quoted } from "../identity/names.ts";
import type { KeyRing, SealingContext } from "../identity/sealing.ts";
import type { Log } from "../telemetry/log.ts";
import type { BrowserLogins, ShownBrowserLogin } from "./browser-logins.ts";
import type { Connectors } from "./connectors.ts";
import type { ConnectorUsers } from "./connector-users.ts";
import { hashOf } from "./hash-of.ts";
import type { Claims, IdentityProviders } from "./identity-providers.ts";
import { refused } from "./provider-faults.ts";

export interface OidcLoginsOptions {
  readonly logins: BrowserLogins;
  readonly connectors: Connectors;
  readonly providers: IdentityProviders;
  readonly users: ConnectorUsers;
  readonly ring: KeyRing;
  /** Where browsers reach the door: `https://host:port`, without a path. */
  readonly publicUrl: () => string;
  readonly log: Log;
}

/** Where providers send browsers back to. */
export const CALLBACK_PATH = "/web/oidc/callback";

/** Where a browser goes next, and what it is to keep until it comes back. */
export interface Departure {
  readonly url: URL;
  /** Absent when it does not get as far as the provider. */
  readonly cookie?: Secret;
}

const MAX_CLAIMS_BYTES = 65_536;

/** The logins of one cluster that go by way of a provider. */
export class OidcLogins {
  readonly #options: OidcLoginsOptions;

  constructor(options: OidcLoginsOptions) {
    this.#options = options;
  }

  /** Whether there is a connector by which this door can log people in. @throws PosternError `connector_unknown`, `connector_elsewhere` */
  async requireConnector(connectorName: string): Promise<void> {
    this.#redirectOf(await this.#options.connectors.named(connectorName));
  }

  /** What the page in front of the provider shows. @throws PosternError `browser_login_unknown`, `connector_unknown` */
  async look(id: string): Promise<ShownBrowserLogin & { readonly display: string }> {
    const login = await this.#options.logins.look(id);
    const { display, name } = await this.#options.connectors.named(connectorOf(login));
    return { ...login, display: display ?? name };
  }

  /**
   * Sends a browser whose person has seen whose login it is to the provider. When that cannot be, the command line is told.
   *
   * @throws PosternError `browser_login_unknown`
   */
  async leave(id: string, address: string): Promise<Departure> {
    const { logins, connectors, providers, ring } = this.#options;
    const kept = await logins.open(id);
    try {
      const connector = await connectors.named(connectorOf(kept.record));
      const [token, cookie] = [randomText(), randomText()];
      const leg = {
        redirectUrl: this.#redirectOf(connector),
        state: `${id}.${token}`,
        nonce: randomText(),
        verifier: new Secret(randomText()),
      };
      const url = await providers.authorizationUrl(connector, leg);
      await logins.note(id, kept, {
        state_hash: hashOf(leg.state),
        cookie_hash: hashOf(cookie),
        nonce: leg.nonce,
        verifier: ring.seal(leg.verifier, legContext(id)),
        redirect_url: leg.redirectUrl,
      });
      return { url, cookie: new Secret(cookie) };
    } catch (thrown) {
      return { url: await this.#fail(id, thrown, { user: "", address }) };
    }
  }

  /**
   * Takes a browser that came back. The address is that of the command line's own port, with a code or with why not.
   *
   * @throws PosternError `browser_login_unknown` when it is not what a provider sends back to this browser
   */
  async comeBack(query: URLSearchParams, cookie: string | undefined, address: string): Promise<URL> {
    const { logins, connectors, providers, users, ring } = this.#options;
    const [state = "", ...more] = query.getAll("state");
    const [id = ""] = state.split(".");
    const { record } = await logins.open(id);
    const leg = LEG.safeParse(record.leg).data;
    const isOurs = leg !== undefined && more.length === 0 && isSameText(hashOf(state), leg.state_hash);
    if (!isOurs || cookie === undefined || !isSameText(hashOf(cookie), leg.cookie_hash)) throw notThisBrowser();
    let user = "";
    try {
      const word = query.get("error");
      if (word !== null) throw refused(/^[a-z_]{1,64}$/.test(word) ? word : "an error that is none of the standard");
      const name = connectorOf(record);
      const connector = await connectors.named(name);
      const verifier = ring.open(leg.verifier, legContext(id));
      const { redirect_url: redirectUrl, nonce } = leg;
      const claims = await providers.exchange(connector, query, { redirectUrl, state, nonce, verifier });
      requireSize(claims);
      user = nameIn(connector, claims);
      user = (await users.judge(name, claims)).name;
      return await logins.complete(id, { by: "connector", user, mfa: null, connector: name, claims });
    } catch (thrown) {
      return await this.#fail(id, thrown, { user, address });
    }
  }

  async #fail(id: string, thrown: unknown, browser: { readonly user: string; readonly address: string }): Promise<URL> {
    // Of what is ours nobody outside learns more than that it was.
    if (!(thrown instanceof PosternError))
      this.#options.log.error({ error: messageOf(thrown) }, "A login by way of a provider failed");
    const told =
      thrown instanceof PosternError
        ? thrown
        : new PosternError("login_failed", "Cannot log in: something went wrong inside", {
            hint: "the log of the auth service says what",
          });
    return await this.#options.logins.fail(id, told, browser);
  }

  /** Of the addresses that the connector names the one of this door. @throws PosternError `connector_elsewhere` */
  #redirectOf({ name, redirectUrls }: OidcConnector): string {
    const own = new URL(CALLBACK_PATH, this.#options.publicUrl()).href;
    const found = redirectUrls.find((one) => new URL(one).href === own);
    if (found !== undefined) return found;
    throw new PosternError(
      "connector_elsewhere",
      `Cannot log in by connector ${quoted(name)} here: its redirect_url does not lead to this proxy`,
      { hint: `ask an administrator to add ${own} to redirect_url, here and at the provider` },
    );
  }
}

const LEG = z.strictObject({
  state_hash: z.string(),
  cookie_hash: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  redirect_url: z.string(),
});

/** @throws PosternError `oidc_claims_invalid` for more than a login can keep */
export function requireSize(claims: Claims): void {
  if (Buffer.byteLength(JSON.stringify(claims)) <= MAX_CLAIMS_BYTES) return;
  throw new PosternError("oidc_claims_invalid", `Cannot log in: the claims have more than ${MAX_CLAIMS_BYTES} bytes`, {
    hint: "let the provider send fewer: leave scopes out, or filter groups there",
  });
}

/** Who they say they are, for the record; empty when that is no text. */
export function nameIn({ usernameClaim }: OidcConnector, claims: Claims): string {
  const name = claims[usernameClaim];
  return typeof name === "string" ? name.slice(0, 255) : "";
}

function connectorOf({ method }: Pick<ShownBrowserLogin, "method">): string {
  if (method === "local") throw unknown();
  return method.connector;
}

/** Where the verifier of a login is sealed: `leg.verifier` of the record of this name. */
export function legContext(id: string): SealingContext {
  return { kind: "browser_login", name: id, purpose: "PKCE verifier" };
}

function randomText(): string {
  return randomBytes(32).toString("base64url");
}

function unknown(): PosternError {
  return new PosternError("browser_login_unknown", "Cannot log in: this login does not go by way of a provider");
}

function notThisBrowser(): PosternError {
  return new PosternError(
    "browser_login_unknown",
    "Cannot log in: this is not the browser that began this login, or another one of its tabs has gone on with it",
    { hint: "begin again: postern login" },
  );
}
