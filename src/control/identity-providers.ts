/** What is asked of OIDC providers: each answer bounded in size and time, and checked before any of it is believed. */

import type * as Client from "openid-client";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import type { OidcConnector } from "../identity/oidc-connector.ts";
import { boundedFetch } from "./bounded-fetch.ts";
import { faultOf, pendingOf } from "./provider-faults.ts";

/** Claims of tokens that have been verified, and of the person's own page at the provider. */
export type Claims = Readonly<Record<string, unknown>>;

/** What one login in a browser keeps to itself until the provider sends the browser back. */
export interface BrowserLeg {
  readonly redirectUrl: string;
  readonly state: string;
  readonly nonce: string;
  /** PKCE. */
  readonly verifier: Secret;
}

/** What a person types at the provider, on any device. */
export interface DeviceStart {
  /** Stays here. */
  readonly deviceCode: Secret;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | undefined;
  /** Seconds. */
  readonly expiresIn: number;
  readonly interval: number;
}

/** Where a login on another device stands. */
export type DeviceAnswer = Claims | "pending" | "slow_down";

interface Known {
  readonly config: Client.Configuration;
  /** By the monotonic clock. */
  readonly until: number;
}

/** As it is said of clocks everywhere here: a minute. */
const CLOCK_TOLERANCE_S = 60;
const TIMEOUT_S = 5;
const REMEMBERED_MS = 10 * 60_000;
const MAX_REMEMBERED = 50;
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
/** By the provider's private key: what is signed with our own secret, or not at all, proves nothing. */
const ALGORITHMS: ReadonlySet<string> = new Set([
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
]);

/** The providers of a cluster's connectors. What one says of itself is remembered for a while. */
export class IdentityProviders {
  readonly #clock: Clock;
  readonly #send: typeof fetch;
  // In the order in which they were asked.
  readonly #known = new Map<string, Known>();

  /** @param send what sends requests */
  constructor(clock: Clock, send: typeof fetch = fetch) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Where the browser is sent to. @throws PosternError `oidc_provider_failed`, `oidc_provider_invalid` */
  async authorizationUrl(connector: OidcConnector, { redirectUrl, state, nonce, verifier }: BrowserLeg): Promise<URL> {
    const client = await load();
    return this.#ask(connector, async (config) => {
      return client.buildAuthorizationUrl(config, {
        redirect_uri: redirectUrl,
        scope: connector.scopes.join(" "),
        state,
        nonce,
        code_challenge: await client.calculatePKCECodeChallenge(verifier.reveal()),
        code_challenge_method: "S256",
        response_type: "code",
      });
    });
  }

  /**
   * Who came back.
   *
   * @param query of the address at which the browser came back
   * @throws PosternError `oidc_provider_failed`, `oidc_provider_invalid`, `oidc_provider_refused`, `oidc_token_refused`
   */
  async exchange(connector: OidcConnector, query: URLSearchParams, leg: BrowserLeg): Promise<Claims> {
    const client = await load();
    return this.#ask(connector, async (config) => {
      const came = new URL(leg.redirectUrl);
      came.search = query.toString();
      const tokens = await client.authorizationCodeGrant(config, came, {
        expectedState: leg.state,
        expectedNonce: leg.nonce,
        pkceCodeVerifier: leg.verifier.reveal(),
        idTokenExpected: true,
      });
      return await claimsOf(client, config, tokens);
    });
  }

  /** Begins a login on another device. @throws as `exchange()`, and `oidc_device_unavailable` */
  async startDevice(connector: OidcConnector): Promise<DeviceStart> {
    const client = await load();
    return this.#ask(connector, async (config) => {
      if (config.serverMetadata().device_authorization_endpoint === undefined) {
        throw new PosternError(
          "oidc_device_unavailable",
          "Cannot log in without a browser: the provider of this connector has no logins on other devices",
          { hint: "leave --headless out" },
        );
      }
      const started = await client.initiateDeviceAuthorization(config, { scope: connector.scopes.join(" ") });
      const { verification_uri: uri, verification_uri_complete: complete } = started;
      for (const place of complete === undefined ? [uri] : [uri, complete])
        requirePlace(place, connector, "verification_uri");
      return {
        deviceCode: new Secret(started.device_code),
        userCode: started.user_code,
        verificationUri: uri,
        verificationUriComplete: complete,
        expiresIn: started.expires_in,
        interval: Math.min(Math.max(started.interval ?? 5, 1), 60),
      };
    });
  }

  /** Asks once. @throws as `exchange()` */
  async pollDevice(connector: OidcConnector, deviceCode: Secret): Promise<DeviceAnswer> {
    const client = await load();
    return this.#ask(connector, async (config) => {
      try {
        const tokens = await client.genericGrantRequest(config, DEVICE_GRANT, { device_code: deviceCode.reveal() });
        return await claimsOf(client, config, tokens);
      } catch (thrown) {
        const pending = pendingOf(thrown);
        if (pending === undefined) throw thrown;
        return pending;
      }
    });
  }

  /** What goes wrong is told without what was sent or received: errors of the library hold tokens. */
  async #ask<T>(connector: OidcConnector, work: (config: Client.Configuration) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#configOf(connector));
    } catch (thrown) {
      throw faultOf(thrown, connector);
    }
  }

  async #configOf(connector: OidcConnector): Promise<Client.Configuration> {
    const { issuerUrl, clientId, clientSecret } = connector;
    const key = JSON.stringify([issuerUrl, clientId, clientSecret?.reveal()]);
    const known = this.#known.get(key);
    if (known !== undefined && this.#clock.monotonic() < known.until) return known.config;
    const config = await discovered(connector, this.#send);
    this.#known.delete(key);
    this.#known.set(key, { config, until: this.#clock.monotonic() + REMEMBERED_MS });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return config;
  }
}

/** Not with the program: most processes ask no provider. */
function load(): Promise<typeof Client> {
  return import("openid-client");
}

async function discovered(connector: OidcConnector, send: typeof fetch): Promise<Client.Configuration> {
  const client = await load();
  const { issuerUrl, clientId, clientSecret } = connector;
  const issuer = new URL(issuerUrl);
  const bounded = boundedFetch({ plain: issuer.protocol === "http:", send });
  // oxlint-disable-next-line typescript/no-deprecated -- marked so to stand out: it is for this machine only
  const allowPlain: (config: Client.Configuration) => void = client.allowInsecureRequests;
  const local = issuer.protocol === "http:" ? [allowPlain] : [];
  const found = await client.discovery(issuer, clientId, undefined, client.None(), {
    [client.customFetch]: bounded,
    timeout: TIMEOUT_S,
    execute: local,
  });
  const metadata = found.serverMetadata();
  // The library lets some providers speak for issuers that they name only in their tokens: for anybody's, that is.
  if (!URL.canParse(metadata.issuer) || new URL(metadata.issuer).href !== issuer.href) throw invalid("issuer");
  const offered = metadata.id_token_signing_alg_values_supported ?? ["RS256"];
  const algorithms = offered.filter((one) => ALGORITHMS.has(one));
  if (algorithms.length === 0) throw invalid("id_token_signing_alg_values_supported");
  // Without the helpers that the library adds, and cannot copy.
  const bare = JSON.parse(JSON.stringify(metadata)) as Client.ServerMetadata;
  const server = { ...bare, id_token_signing_alg_values_supported: algorithms };
  const config = new client.Configuration(
    server,
    clientId,
    { [client.clockTolerance]: CLOCK_TOLERANCE_S } as Partial<Client.ClientMetadata>,
    authenticationOf(client, clientSecret, metadata.token_endpoint_auth_methods_supported),
  );
  config[client.customFetch] = bounded;
  config.timeout = TIMEOUT_S;
  // Without these, a token is believed because of the connection that it came over.
  client.enableNonRepudiationChecks(config);
  for (const extension of local) extension(config);
  return config;
}

/** As the provider would have it; where it says nothing, as the standard does. */
function authenticationOf(
  client: typeof Client,
  secret: Secret | undefined,
  methods: readonly string[] = ["client_secret_basic"],
): Client.ClientAuth {
  if (secret === undefined) return client.None();
  const byBody = !methods.includes("client_secret_basic") && methods.includes("client_secret_post");
  return byBody ? client.ClientSecretPost(secret.reveal()) : client.ClientSecretBasic(secret.reveal());
}

/** Of the token first: what is signed is not changed by what is not. */
async function claimsOf(
  client: typeof Client,
  config: Client.Configuration,
  tokens: Client.TokenEndpointResponse & Client.TokenEndpointResponseHelpers,
): Promise<Claims> {
  const claims = tokens.claims();
  if (claims === undefined) {
    throw new PosternError("oidc_token_refused", "Cannot log in: the provider gave no token that says who came", {
      hint: "see that the client at the provider may ask for the scope openid",
    });
  }
  if (config.serverMetadata().userinfo_endpoint === undefined) return claims;
  const page = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  const { email_verified: _, ...rest } = page;
  // What is said there of one address holds for no other.
  const isOther = claims["email"] !== undefined && claims["email"] !== page.email;
  return { ...(isOther ? rest : page), ...claims };
}

/** A provider that is reached safely sends people to no page that is not. */
function requirePlace(text: string, { issuerUrl }: OidcConnector, what: string): void {
  const place = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = place?.protocol === "http:" && new URL(issuerUrl).protocol === "http:";
  if (place === undefined || !(isPlain || place.protocol === "https:")) throw invalid(what);
}

function invalid(what: string): PosternError {
  return new PosternError("oidc_provider_invalid", `Cannot log in: what the provider says as its ${what} is not safe`, {
    hint: "check issuer_url of the connector, and what the provider publishes under it",
  });
}
