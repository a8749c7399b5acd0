/** The API's part of logins that a command line begins and waits for. */

import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { answer, readBody } from "./api-answers.ts";
import { type Api, only } from "./api-routes.ts";
import type { Cluster } from "./cluster.ts";
import type { ConnectorLogins } from "./connector-logins.ts";
import { loginAnswer } from "./login-answer.ts";

export interface WaitingLoginsOptions extends ConnectorLogins {
  readonly cluster: Cluster;
  /** Present where the cluster's own users log in in a browser. */
  readonly passkeys?: object | undefined;
  readonly localAuth: boolean;
}

/** Adds the routes below `/v1/login`. */
export function addWaitingLogins(api: Api, options: WaitingLoginsOptions): void {
  const { cluster, browserLogins, oidcLogins, deviceLogins } = options;

  only(api, "POST", "/v1/login/browser", async (request, { address }) => {
    const body = await readBody(request, BROWSER);
    const { connector, public_key: publicKey, ttl_ms: lifetime, challenge } = body;
    const callback = { port: body.callback_port, state: body.callback_state };
    if (connector !== undefined) await oidcLogins.requireConnector(connector);
    else if (options.passkeys === undefined || !options.localAuth) throw unavailable();
    const method = connector === undefined ? "local" : { connector };
    const { id, url, expires } = await browserLogins.begin({
      ...{ publicKey, lifetime, address, callback, challenge, method },
    });
    return answer(200, { id, url, expires: new Date(expires).toISOString() });
  });

  only(api, "POST", "/v1/login/redeem", async (request, { address }) => {
    const { id, code, verifier } = await readBody(request, REDEMPTION);
    return loginAnswer(cluster, await browserLogins.redeem({ id, code, verifier, address }));
  });

  only(api, "POST", "/v1/login/device", async (request, { address }) => {
    const { connector, public_key: publicKey, ttl_ms: lifetime } = await readBody(request, DEVICE);
    const started = await deviceLogins.begin({ connector, publicKey, lifetime, address });
    return answer(200, {
      id: started.id,
      // The one time that it is shown.
      secret: started.secret.reveal(),
      user_code: started.userCode,
      verification_uri: started.verificationUri,
      verification_uri_complete: started.verificationUriComplete ?? null,
      interval_ms: started.interval,
      expires: new Date(started.expires).toISOString(),
    });
  });

  only(api, "POST", "/v1/login/device/poll", async (request, { address }) => {
    const { id, secret } = await readBody(request, POLL);
    const polled = await deviceLogins.poll(id, secret, address);
    if ("certificate" in polled) return loginAnswer(cluster, polled);
    return answer(200, { status: polled.status, interval_ms: polled.interval });
  });
}

function unavailable(): PosternError {
  return new PosternError(
    "browser_login_unavailable",
    "Cannot log in in a browser: this cluster's own users log in by password",
    { hint: "postern login --user=NAME, or --auth=CONNECTOR" },
  );
}

const secret = z
  .string()
  .max(1024)
  .transform((text) => new Secret(text));
const WANTED = { public_key: z.string().max(4096), ttl_ms: z.number().int().min(1000).optional() };

const BROWSER = z.strictObject({
  ...WANTED,
  connector: z.string().max(255).optional(),
  callback_port: z.number(),
  callback_state: z.string().max(255),
  challenge: z.string().max(255),
});
const REDEMPTION = z.strictObject({ id: z.string().max(255), code: secret.optional(), verifier: secret });
const DEVICE = z.strictObject({ ...WANTED, connector: z.string().max(255) });
const POLL = z.strictObject({ id: z.string().max(255), secret });
