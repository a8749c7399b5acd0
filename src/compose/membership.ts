/** An agent's membership of a cluster, as its configuration says. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { IdentityFile } from "../agent/host-identity.ts";
import { FollowedMembership } from "../agent/followed-membership.ts";
import { type Member, Membership } from "../agent/membership.ts";
import { signCallerIdentity } from "../aws/caller-identity-request.ts";
import { SdkSts } from "../aws/sts.ts";
import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import type { ProxyAddress } from "../client/tls.ts";
import { formatAddress, parseAddress } from "../config/address.ts";
import type { Config, JoinToken } from "../config/config.ts";
import { CHALLENGE_HEADER, type SignedIdentityRequest } from "../identity/iam-join.ts";
import type { Log } from "../telemetry/log.ts";

export interface MembershipParts {
  readonly log: Log;
  readonly clock: Clock;
  /** For AWS credentials and region, where it joins by those. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether this process joins and renews; of several workers one does. */
  readonly keeps: boolean;
}

/** Whether this configuration is an agent's: one that is a member of a cluster elsewhere. */
export function isAgent({ postern, db_service, auth_service }: Config): boolean {
  return postern.proxy_server !== undefined && db_service.enabled && auth_service?.enabled !== true;
}

/** Joins, or takes up what was joined before. @throws PosternError as `Membership.open()` */
export async function openMembership(config: Config, { log, clock, env, keeps }: MembershipParts): Promise<Member> {
  const { proxy_server = "", ca_pin, nodename, data_dir, join_method, auth_token } = config.postern;
  const file = new IdentityFile(data_dir);
  if (!keeps) return await FollowedMembership.open({ file, clock, log });
  return await Membership.open({
    proxy: proxyOf(proxy_server),
    pins: ca_pin,
    nodeName: nodename,
    clock,
    log,
    file,
    token: () => tokenOf(config, auth_token),
    ...(join_method === "iam" ? { proveIdentity: identityProof(config, { clock, env }) } : {}),
    random: Math.random,
    sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }).catch(() => undefined),
    needed: config.db_service.listeners.length === 0 && config.proxy_service?.enabled !== true,
  });
}

/** The doors of the cluster, as the configuration names them. */
export function proxiesOf({ postern }: Config): readonly ProxyAddress[] {
  return [proxyOf(postern.proxy_server ?? "")];
}

function proxyOf(text: string): ProxyAddress {
  const parsed = parseAddress(text);
  if ("address" in parsed && parsed.address.kind === "tcp") {
    const { host, port } = parsed.address;
    return { host, port, text: formatAddress(parsed.address) };
  }
  throw new PosternError("proxy_server_invalid", `Cannot dial ${JSON.stringify(text)}: it is not host:port`);
}

/** Longer than any token, and its line end. */
const MAX_TOKEN_BYTES = 1024;

function tokenOf(config: Config, token: JoinToken | undefined): Secret {
  const fail = (reason: string, cause?: unknown): PosternError =>
    new PosternError("join_token_unreadable", `Cannot join the cluster: ${reason}`, {
      cause,
      position: config.positionOf(["postern"]),
      hint: "postern ctl tokens add --type=db --format=text makes a token; name its file in postern.auth_token",
    });
  if (token === undefined) throw fail("there is no token to join by");
  if (token.kind === "token") return token.token;
  let text: string;
  try {
    text = readFileSync(token.path, "utf8").trim();
  } catch (cause) {
    throw fail(`the token's file "${token.path}" cannot be read: ${messageOf(cause)}`, cause);
  }
  if (text === "" || text.length > MAX_TOKEN_BYTES) throw fail(`the file "${token.path}" holds no token`);
  return new Secret(text);
}

function identityProof(
  config: Config,
  { clock, env }: Pick<MembershipParts, "clock" | "env">,
): (challenge: string) => Promise<SignedIdentityRequest> {
  const sts = new SdkSts({ env });
  // Only its partition matters.
  const region = env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"] ?? config.db_service.databases[0]?.aws?.region;
  return async (challenge) =>
    signCallerIdentity({
      credentials: await sts.ownCredentials(),
      region: region ?? "us-east-1",
      headers: { [CHALLENGE_HEADER]: challenge },
      clock,
    });
}
