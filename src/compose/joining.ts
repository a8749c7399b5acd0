/** What services and bots join the cluster by, at its door. */

import { sendToSts } from "../aws/caller-identity-request.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { Bots } from "../control/bots.ts";
import type { JoinServices } from "../control/api-join.ts";
import type { HostCertificatesOptions } from "../control/host-certificates.ts";
import type { AskSts } from "../control/identity-proofs.ts";
import { Joins } from "../control/joins.ts";
import { Renewals } from "../control/renewals.ts";
import { IssuerKeys } from "../identity/issuer-keys.ts";
import { getHttps } from "../platform/https-get.ts";
import type { Log } from "../telemetry/log.ts";

export interface JoinSurroundings {
  /** Says where STS is, where it is not AWS's own. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Hears why STS or an issuer cannot be asked: who joins is told only that. */
  readonly log: Log;
}

/** Makes them. */
export function joinServices(options: HostCertificatesOptions, { env, log }: JoinSurroundings): JoinServices {
  const askSts: AskSts = (replay) =>
    sendToSts(replay, env).catch((cause: unknown) => {
      log.warn({ error: messageOf(cause) }, "AWS STS cannot be asked who wants to join");
      throw new PosternError("sts_unavailable", "Cannot join by AWS identity: AWS STS cannot be asked", {
        cause,
        hint: "try again in a while; the log of the auth service says more",
      });
    });
  const getKeys = (url: string): Promise<string> =>
    getHttps(url).catch((error: unknown) => {
      log.warn({ url, error: messageOf(error) }, "The keys of an issuer of workload tokens cannot be had");
      throw error;
    });
  const issuers = new IssuerKeys(getKeys, options.clock);
  const bots = new Bots({ ...options, keysOf: (issuer, kid) => issuers.keysOf(issuer, kid) });
  return { joins: new Joins({ ...options, askSts }), bots, renewals: new Renewals(options) };
}
