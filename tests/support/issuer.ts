/** Whoever signs workload tokens: keys made by jose, and their public part behind TLS on this machine. */

import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK, SignJWT } from "jose";
import { makeCertificate } from "./certificate.ts";

export type SigningKey = Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];

export interface TestIssuer {
  /** `localhost:port`, as a GitHub Enterprise Server is named. */
  readonly host: string;
  readonly url: string;
  /** PEM of who vouches for it. */
  readonly ca: string;
  /** The public keys that it gives. */
  readonly keys: JWK[];
  /** Paths that were asked for. */
  readonly asked: string[];
  /** What it answers in the place of its keys. */
  answer: { readonly status: number; readonly text?: string; readonly headers?: Record<string, string> };
  /** Signs a token for who asks at `/token`, as GitHub does for a job. */
  sign: (authorization: string | undefined, query: URLSearchParams) => Promise<string>;
  /** Makes another key, given out under this name unless it is to be secret. */
  newKey(kid: string, algorithm?: string): Promise<SigningKey>;
  close(): Promise<void>;
}

export async function startIssuer(): Promise<TestIssuer> {
  const { cert, key } = makeCertificate(["localhost"]);
  const keys: JWK[] = [];
  const asked: string[] = [];
  const server = createServer({ cert, key }, ({ url = "", headers: { authorization } }, response) => {
    asked.push(url);
    const { status, text = JSON.stringify({ keys }), headers = {} } = issuer.answer;
    const respond = (body: string): void => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(body);
    };
    const { pathname, searchParams } = new URL(url, "https://localhost");
    if (pathname !== "/token") respond(text);
    else void issuer.sign(authorization, searchParams).then((value) => respond(JSON.stringify({ value })));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  const issuer: TestIssuer = {
    host,
    url: `https://${host}/_services/token`,
    ca: cert,
    keys,
    asked,
    answer: { status: 200 },
    sign: () => Promise.reject(new Error("Nobody signs here")),
    async newKey(kid, algorithm = "RS256") {
      const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
      keys.push({ ...(await exportJWK(publicKey)), kid, use: "sig" });
      return privateKey;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return issuer;
}

/** Signs claims; times are seconds since the epoch. */
export function signed(
  claims: Record<string, unknown>,
  {
    key,
    kid,
    algorithm = "RS256",
  }: { readonly key: SigningKey | Uint8Array; readonly kid?: string; readonly algorithm?: string },
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, ...(kid === undefined ? {} : { kid }), typ: "JWT" })
    .sign(key);
}
