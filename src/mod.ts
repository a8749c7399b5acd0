/** The embeddable surface: a gateway inside a program of one's own, on Node or Deno. */

import process from "node:process";
import { openGateway } from "./compose.ts";
import { loadBuiltinBundle, loadControlBundle } from "./cli/policy/builtin.ts";
import { loadConfig } from "./config/load.ts";
import { resolveDatabase } from "./aws/database.ts";
import { type GatewayApp, gatewayApp } from "./gateway/app.ts";
import { loadBundle } from "./policy/bundle.ts";
import { thisPlatform } from "./platform/this-platform.ts";
import { silentLog, type Log } from "./telemetry/log.ts";

export type { GatewayApp, GatewayBindings } from "./gateway/app.ts";
export type { Decision, Reason, ReasonCode } from "./policy/decision.ts";
export type { PolicyAccess, PolicyInput } from "./policy/input.ts";
export type { Log } from "./telemetry/log.ts";
export { PosternError } from "./base/errors.ts";

export interface CreateGatewayOptions {
  /** Hears what happens to the service; silent when absent. */
  readonly log?: Log;
  /** The environment, for AWS credentials and endpoints; the process's own when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A gateway without listeners of its own. */
export interface Gateway {
  /** The app of each configured listener, in their order: `apps[0].fetch(request)` answers as that listener would. */
  readonly apps: readonly GatewayApp[];
  /** Ends reloading and closes the audit log. */
  close(): Promise<void>;
}

/**
 * Opens the gateway that a configuration file describes, and gives its listeners as Hono apps to mount wherever they are
 * wanted. A policy bundle, where the configuration names one, must be built already.
 *
 * @throws PosternError what keeps it from being ready, with the place in the file
 */
export async function createGateway(configFile: string, options: CreateGatewayOptions = {}): Promise<Gateway> {
  const env = options.env ?? process.env;
  const config = loadConfig(configFile, { env, validateDatabase: resolveDatabase });
  const { bundle } = config.policy;
  const platform = await thisPlatform();
  const gateway = await openGateway(config, {
    upstream: platform.createUpstream(),
    log: options.log ?? silentLog,
    env,
    loadPolicy: () => (bundle === undefined ? loadBuiltinBundle() : loadBundle(bundle)),
    loadControl: loadControlBundle,
    version: "embedded",
  });
  return {
    apps: gateway.listeners.map((listener) => gatewayApp(gateway.services, listener)),
    close: () => gateway.close("closed"),
  };
}
