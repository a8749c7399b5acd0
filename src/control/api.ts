/** The API between the command line and the auth service: a Hono app over logins and the cluster, JSON in and out. */

import { Hono } from "hono";
import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import type { Principal } from "../identity/principal.ts";
import type { SecondFactor } from "../identity/second-factor.ts";
import type { EventSink } from "./administration.ts";
import { type AdministratorOf, administrationRoutes } from "./api-administration.ts";
import { answer, answerOf, readBody } from "./api-answers.ts";
import { databaseRoutes, type DatabaseServices } from "./api-databases.ts";
import { joinRoutes, type JoinServices } from "./api-join.ts";
import { type Api, only } from "./api-routes.ts";
import { addWaitingLogins } from "./api-waiting-logins.ts";
import { type Caller, Callers } from "./callers.ts";
import type { ConnectorLogins } from "./connector-logins.ts";
import { loginAnswer, shownPrincipal } from "./login-answer.ts";
import { addWebPages, type WebOptions } from "./web/routes.ts";

export interface ApiOptions extends WebOptions, ConnectorLogins {
  /** Absent: no database is reached through here. */
  readonly reaching?: DatabaseServices;
  /** Absent: nothing can join here. */
  readonly joining?: JoinServices;
  readonly events: EventSink;
  readonly secondFactor: SecondFactor;
  /** Whether users of the cluster's own are let in by what it knows of them. */
  readonly localAuth: boolean;
  readonly version: string;
  /** Documents of the databases that a user may know of, by name. */
  readonly databasesOf: (user: Principal) => readonly object[];
  readonly administratorOf: AdministratorOf;
}

/** Makes the app of a cluster. */
export function clusterApi(options: ApiOptions): Api {
  const { cluster, logins, secondFactor, localAuth, version, log } = options;
  const callers = options.reaching?.callers ?? new Callers(options);
  const api: Api = new Hono();

  only(api, "GET", "/webapi/ping", async () =>
    answer(200, {
      server_version: version,
      cluster_name: cluster.name,
      proxy: { second_factor: secondFactor },
      auth: { local: localAuth, connectors: await options.connectors.shown() },
    }),
  );

  only(api, "POST", "/v1/login", async (request, { address }) => {
    const { user, password, otp, public_key: publicKey, ttl_ms: lifetime } = await readBody(request, LOGIN);
    const login = await logins.logIn({ user, password, code: otp, address, publicKey, lifetime });
    return loginAnswer(cluster, login);
  });

  only(api, "GET", "/v1/status", async (_, connected) => {
    const { user, expires }: Caller = await callers.identify(connected);
    return answer(200, { user: shownPrincipal(user), cluster: cluster.name, expires: new Date(expires).toISOString() });
  });

  only(api, "GET", "/v1/databases", async (_, connected) =>
    answer(200, { databases: options.databasesOf((await callers.identify(connected)).user) }),
  );

  if (options.reaching !== undefined) databaseRoutes(api, cluster, options.reaching);
  if (options.joining !== undefined) joinRoutes(api, cluster, options.joining);
  administrationRoutes(api, { callers, administratorOf: options.administratorOf });
  addWaitingLogins(api, options);
  addWebPages(api, options);

  api.notFound(() => answerOf(new PosternError("path_unknown", "Cannot answer: there is nothing at this path"), log));
  api.onError((thrown) => answerOf(thrown, log));
  return api;
}

const LOGIN = z.strictObject({
  user: z.string(),
  password: z.string().transform((text) => new Secret(text)),
  otp: z.string().max(64).optional(),
  public_key: z.string().max(4096),
  ttl_ms: z.number().int().min(1000).optional(),
});
