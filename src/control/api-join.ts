/** The part of the API by which services join the cluster and stay in it. */

import * as z from "zod";
import { Secret } from "../base/secret.ts";
import { pinOf, trustedCertificates } from "../identity/authority.ts";
import type { HostRole } from "../identity/certificate-claims.ts";
import { roleNamed } from "../identity/join-token-schema.ts";
import { nameFault } from "../identity/names.ts";
import { answer, readBody } from "./api-answers.ts";
import { type Api, only } from "./api-routes.ts";
import type { Cluster } from "./cluster.ts";
import type { Bots } from "./bots.ts";
import type { Joined, Joins } from "./joins.ts";
import type { Renewals } from "./renewals.ts";

/** What the paths are answered by. */
export interface JoinServices {
  readonly joins: Joins;
  readonly bots: Bots;
  readonly renewals: Renewals;
}

/** Adds the paths. */
export function joinRoutes(api: Api, cluster: Cluster, { joins, bots, renewals }: JoinServices): void {
  only(api, "POST", "/v1/join", async (request, connected) => {
    const {
      token,
      role,
      node_name: nodeName,
      public_key: publicKey,
      challenge,
      identity,
    } = await readBody(request, JOIN);
    const proof = challenge === undefined || identity === undefined ? undefined : { challenge, request: identity };
    const joined = await joins.join({ token, role, nodeName, publicKey, identity: proof }, connected);
    return answer(200, { ...shown(joined), ...(await trusted(cluster)) });
  });

  only(api, "POST", "/v1/join/challenge", async (_, connected) => {
    const { challenge, expires } = joins.challenge(connected);
    return answer(200, { challenge, expires: new Date(expires).toISOString() });
  });

  only(api, "POST", "/v1/join/bot", async (request, connected) => {
    const { token, jwt, public_key: publicKey, ttl_ms: lifetime } = await readBody(request, BOT_JOIN);
    const { principal, certificate } = await bots.join({ token, jwt, publicKey, lifetime }, connected);
    const { name, roles, traits } = principal;
    return answer(200, {
      certificate: certificate.certificate,
      user: { name, roles, traits },
      expires: new Date(certificate.expires).toISOString(),
      cluster: cluster.name,
      trusted: trustedCertificates(await cluster.authority("host")),
    });
  });

  only(api, "POST", "/v1/host/renew", async (request, connected) => {
    const { public_key: publicKey } = await readBody(request, RENEWAL);
    const joined = await renewals.renew(publicKey, connected);
    return answer(200, { ...shown(joined), ...(await trusted(cluster)) });
  });

  // Nothing of it is a secret: by it a service that has joined learns that the authorities change.
  only(api, "GET", "/v1/authorities", async () => answer(200, await trusted(cluster)));
}

function shown({ hostId, role, certificate, renewable }: Joined): object {
  const { certificate: pem, expires } = certificate;
  return { host_id: hostId, role, certificate: pem, expires: new Date(expires).toISOString(), renewable };
}

/** Whom members of the cluster believe, those first who issue. */
async function trusted(cluster: Cluster): Promise<object> {
  const [host, user] = await Promise.all([cluster.authority("host"), cluster.authority("user")]);
  const named = (certificate: string): object => ({ certificate, pin: pinOf(certificate) });
  return {
    cluster: cluster.name,
    trusted: { host: trustedCertificates(host).map(named), user: trustedCertificates(user).map(named) },
  };
}

const PUBLIC_KEY = z.string().max(4096);

const JOIN = z
  .strictObject({
    token: z.string().min(1).max(1000),
    role: z
      .string()
      .max(16)
      .transform((text, context): HostRole => {
        const role = roleNamed(text);
        if (role !== undefined && role !== "bot") return role;
        context.addIssue({ code: "custom", message: "expected Db, Proxy or Auth" });
        return z.NEVER;
      }),
    node_name: z.string().refine((text) => nameFault(text) === undefined, "cannot be a name"),
    public_key: PUBLIC_KEY,
    challenge: z.string().max(1000).optional(),
    identity: z
      .strictObject({
        method: z.string().max(16),
        url: z.string().max(300),
        headers: z.array(z.tuple([z.string().max(100), z.string().max(8192)])).max(20),
        body: z.string().max(300),
      })
      .optional(),
  })
  .refine(({ challenge, identity }) => (challenge === undefined) === (identity === undefined), {
    message: "challenge and identity go together",
  });

const BOT_JOIN = z.strictObject({
  token: z.string().min(1).max(1000),
  jwt: z
    .string()
    .max(20_000)
    .transform((text) => new Secret(text)),
  public_key: PUBLIC_KEY,
  ttl_ms: z.number().int().min(1000).optional(),
});

const RENEWAL = z.strictObject({ public_key: PUBLIC_KEY });
