/** The API between the command line and the auth service: a Hono app over logins and the cluster, JSON in and out. */

import { Hono } from "hono";
import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { trustedCertificates } from "../identity/authority.ts";
import type { Principal } from "../identity/principal.ts";
import type { SecondFactor } from "../identity/second-factor.ts";
import type { EventSink } from "./administration.ts";
import { answer, answerOf, readBody } from "./api-answers.ts";
import { type Caller, Callers, type Connected } from "./callers.ts";
import { addWebPages, type WebOptions } from "./web/routes.ts";

export interface ApiOptions extends WebOptions {
  readonly events: EventSink;
  readonly secondFactor: SecondFactor;
  readonly version: string;
  /** Documents of the databases that a user may know of, by name. */
  readonly databasesOf: (user: Principal) => readonly object[];
}

/** The app. Whoever serves it says of each request what is known of its connection. */
export type Api = Hono<{ Bindings: { readonly connected: Connected } }>;

/** Makes the app of a cluster. */
export function clusterApi(options: ApiOptions): Api {
  const { cluster, logins, secondFactor, version, log } = options;
  const callers = new Callers(options);
  const api: Api = new Hono();

  only(api, "GET", "/webapi/ping", async () =>
    answer(200, { server_version: version, cluster_name: cluster.name, proxy: { second_factor: secondFactor } }),
  );

  only(api, "POST", "/v1/login", async (request, { address }) => {
    const { user, password, otp, public_key: publicKey, ttl_ms: lifetime } = await readBody(request, LOGIN);
    const login = await logins.logIn({ user, password, code: otp, address, publicKey, lifetime });
    return answer(200, {
      certificate: login.certificate.certificate,
      user: shown(login.principal),
      expires: new Date(login.certificate.expires).toISOString(),
      cluster: cluster.name,
      trusted: trustedCertificates(await cluster.authority("host")),
    });
  });

  only(api, "GET", "/v1/status", async (_, connected) => {
    const { user, expires }: Caller = await callers.identify(connected);
    return answer(200, { user: shown(user), cluster: cluster.name, expires: new Date(expires).toISOString() });
  });

  only(api, "GET", "/v1/databases", async (_, connected) =>
    answer(200, { databases: options.databasesOf((await callers.identify(connected)).user) }),
  );

  addWebPages(api, options);

  api.notFound(() => answerOf(new PosternError("path_unknown", "Cannot answer: there is nothing at this path"), log));
  api.onError((thrown) => answerOf(thrown, log));
  return api;
}

/** One path with the one method that it knows. */
function only(
  api: Api,
  method: "GET" | "POST",
  path: string,
  respond: (request: Request, connected: Connected) => Promise<Response>,
): void {
  api.all(path, async (context) => {
    if (context.req.method !== method)
      throw new PosternError("method_not_allowed", `Cannot answer: this path knows ${method} only`);
    return await respond(context.req.raw, context.env.connected);
  });
}

const LOGIN = z.strictObject({
  user: z.string(),
  password: z.string().transform((text) => new Secret(text)),
  otp: z.string().max(64).optional(),
  public_key: z.string().max(4096),
  ttl_ms: z.number().int().min(1000).optional(),
});

function shown({ name, roles, traits }: Principal): Pick<Principal, "name" | "roles" | "traits"> {
  return { name, roles, traits };
}
