/** What services and bots join the cluster by, at its door. */

import { sendToSts } from "../aws/caller-identity-request.ts";
import { PosternError } from "../base/errors.ts";
import { Bots } from "../control/bots.ts";
import type { JoinServices } from "../control/api-join.ts";
import type { HostCertificatesOptions } from "../control/host-certificates.ts";
import type { AskSts } from "../control/identity-proofs.ts";
import { Joins } from "../control/joins.ts";
import { Renewals } from "../control/renewals.ts";
import { IssuerKeys } from "../identity/issuer-keys.ts";
import { getHttps } from "../platform/https-get.ts";

/** Makes them; `env` says where STS is, where it is not AWS's own. */
export function joinServices(
  options: HostCertificatesOptions,
  env: Readonly<Record<string, string | undefined>>,
): JoinServices {
  const askSts: AskSts = (replay) =>
    sendToSts(replay, env).catch((cause: unknown) => {
      throw new PosternError("sts_unavailable", "Cannot join by AWS identity: AWS STS cannot be asked", {
        cause,
        hint: "try again in a while; the log of the auth service says more",
      });
    });
  const issuers = new IssuerKeys((url) => getHttps(url), options.clock);
  const bots = new Bots({ ...options, keysOf: (issuer, kid) => issuers.keysOf(issuer, kid) });
  return { joins: new Joins({ ...options, askSts }), bots, renewals: new Renewals(options) };
}
