/** A real OIDC provider on this machine, over HTTP, whose people say on its own pages who they are. */

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import Provider from "oidc-provider";
import { DEVICE_GRANT } from "./oidc-words.ts";
import { isCallback, type Shown, type WebBrowser } from "./web-browser.ts";

export interface TestProvider {
  readonly issuer: string;
  readonly clientSecret: string;
  /** What the provider says of people, by the name that they log in with there; they can be changed. */
  readonly people: Map<string, Readonly<Record<string, unknown>>>;
  /** What was asked for, as method and path. */
  readonly asked: string[];
  close(): Promise<void>;
}

export const CLIENT = "postern";

/** @param redirectUrl where it may send browsers back to */
export async function startProvider(redirectUrl: string): Promise<TestProvider> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const people = new Map<string, Readonly<Record<string, unknown>>>();
  const clientSecret = randomBytes(24).toString("base64url");
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT,
        client_secret: clientSecret,
        redirect_uris: [redirectUrl],
        grant_types: ["authorization_code", DEVICE_GRANT],
        response_types: ["code"],
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "one" }] },
    cookies: { keys: [randomBytes(16).toString("hex")] },
    claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
    features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
    findAccount: (_: unknown, id: string) => {
      const claims = people.get(id);
      return claims === undefined ? undefined : { accountId: id, claims: () => ({ sub: id, ...claims }) };
    },
    ttl: {
      AccessToken: 60,
      AuthorizationCode: 60,
      DeviceCode: 600,
      IdToken: 60,
      Interaction: 300,
      Session: 300,
      Grant: 300,
    },
  });
  const asked: string[] = [];
  const answer = provider.callback();
  server.on("request", (request, response) => {
    asked.push(`${request.method} ${(request.url ?? "").split("?")[0]}`);
    answer(request, response);
  });
  return {
    issuer,
    clientSecret,
    people,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Fills in the provider's forms until it sends the browser on, to a place that `until` knows: who, then yes to what is asked for. */
export async function agreeAs(
  browser: WebBrowser,
  first: Shown,
  account: string,
  until: (url: URL) => boolean = isCallback,
): Promise<Shown> {
  let page = first;
  for (let form = 0; form < 6 && page.status === 200 && page.text.includes("<form"); form++) {
    const filled = page.text.includes('name="login"') ? { login: account, password: "x" } : {};
    page = await browser.submit(page, filled, until);
  }
  return page;
}
