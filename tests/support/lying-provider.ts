/** An OIDC provider whose every answer a test may replace; without that, it is honest. */

import { Buffer } from "node:buffer";
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a test changes; each gets what an honest provider would say. */
export interface Lies {
  discovery?: (metadata: Record<string, unknown>) => object;
  claims?: (claims: Record<string, unknown>) => object;
  /** The whole ID token. */
  token?: (claims: object, provider: LyingProvider) => string | undefined;
  /** The answer of the token's address. */
  tokens?: (response: ServerResponse) => void;
  userinfo?: (claims: Record<string, unknown>) => object;
  device?: (answer: Record<string, unknown>) => object;
  /** Instead of any answer, at any address but the discovery's. */
  instead?: (response: ServerResponse) => void;
}

export interface LyingProvider {
  readonly issuer: string;
  lies: Lies;
  /** What was sent to it, as text. */
  readonly asked: string[];
  readonly key: KeyObject;
  /** Signed as it says, with this key. */
  jwt(claims: object, header?: object, key?: KeyObject): string;
  close(): Promise<void>;
}

export const LIAR_SECRET = "the-secret-of-the-client-at-the-liar";
export const ACCESS_TOKEN = "an-access-token-that-nobody-else-may-see";

/** @param now milliseconds, by the clock of whoever asks it */
export async function startLyingProvider(now: () => number): Promise<LyingProvider> {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const asked: string[] = [];
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const provider: LyingProvider = {
    issuer,
    lies: {},
    asked,
    key: privateKey,
    jwt(claims, header = {}, key = privateKey) {
      const head = { alg: "RS256", kid: "one", ...header };
      const text = [head, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
      if (head.alg === "none") return `${text}.`;
      const signature =
        head.alg === "HS256"
          ? createHmac("sha256", LIAR_SECRET).update(text).digest()
          : sign("sha256", Buffer.from(text), key);
      return `${text}.${signature.toString("base64url")}`;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""} ${body}`);
    const { lies } = provider;
    const path = new URL(request.url ?? "/", issuer).pathname;
    const discovery = path === "/.well-known/openid-configuration";
    if (!discovery && lies.instead !== undefined) return lies.instead(response);
    const send = (value: object): void => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(value));
    };
    if (discovery) {
      const metadata = {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/keys`,
        userinfo_endpoint: `${issuer}/userinfo`,
        device_authorization_endpoint: `${issuer}/device`,
        id_token_signing_alg_values_supported: ["RS256", "HS256", "none"],
      };
      return send(lies.discovery?.(metadata) ?? metadata);
    }
    if (path === "/keys")
      return send({ keys: [{ ...publicKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "one" }] });
    if (path === "/device") {
      const started = {
        device_code: "a-device-code-that-stays-here",
        user_code: "WDJB-MJHT",
        verification_uri: `${issuer}/activate`,
        expires_in: 600,
        interval: 5,
      };
      return send(lies.device?.(started) ?? started);
    }
    const who = { sub: "1", email: "alice@example.com", email_verified: true, groups: ["dev"] };
    if (path === "/userinfo") return send(lies.userinfo?.(who) ?? who);
    if (path !== "/token") return void response.writeHead(404).end();
    if (lies.tokens !== undefined) return lies.tokens(response);
    const seconds = Math.floor(now() / 1000);
    // The code is the nonce that the browser was sent with.
    const nonce = new URLSearchParams(body).get("code") ?? undefined;
    const honest = { iss: issuer, aud: "postern", iat: seconds, exp: seconds + 300, nonce, ...who };
    const claims = lies.claims?.(honest) ?? honest;
    const token = lies.token === undefined ? provider.jwt(claims) : lies.token(claims, provider);
    send({
      access_token: ACCESS_TOKEN,
      token_type: "Bearer",
      expires_in: 60,
      ...(token === undefined ? {} : { id_token: token }),
    });
  }

  return provider;
}
