/** The end of every login: an answer that fits is a profile. */

import type { Secret } from "../../base/secret.ts";
import type { ProxyAddress, Trusting } from "../../client/tls.ts";
import { readOwnCertificate } from "../../identity/certificate-reader.ts";
import { Door, type LoginAnswer } from "./door.ts";
import { notFitting, requireAuthorities, requireFitting, requireMoment } from "./fitting.ts";
import type { Profile } from "./profiles.ts";
import type { ClientSurroundings } from "./surroundings.ts";

/** What was asked, of whom. */
export interface AskedProfile {
  readonly proxy: ProxyAddress;
  readonly trusting: Trusting;
  readonly cluster: string;
  /** Absent: whoever the cluster says. */
  readonly user: string | undefined;
  /** PEM. */
  readonly publicKey: string;
  readonly privateKey: Secret;
  /** How far the clocks are apart, where they are. */
  readonly clocks: string | undefined;
}

/** The profile of an answer, which is not kept here. @throws PosternError `login_answer_refused`, `clock_skew` */
export async function fittingProfile(
  { certificate, cluster: said, trusted }: LoginAnswer,
  { proxy, trusting, cluster, user, publicKey, privateKey, clocks }: AskedProfile,
  { clock }: Pick<ClientSurroundings, "clock">,
): Promise<Profile> {
  const stated = await readOwnCertificate(certificate).catch((cause: unknown) => {
    throw notFitting(proxy, "its certificate cannot be read", cause);
  });
  requireFitting(proxy, stated, { user, cluster, publicKey, said });
  requireMoment(proxy, stated, clock.now(), clocks);
  requireAuthorities(proxy, trusted, trusting);
  // Whom to trust was told by nobody in particular: that the next command will get in as well is tried now.
  if (trusting.by === "nobody")
    await new Door({ proxy, trusting: { by: "cluster", certificates: trusted }, clock, cluster }).ping();
  const door = trusting.by === "system" ? "system" : "cluster";
  return { proxy, door, certificate, privateKey, trusted, stated };
}
