/** What is believed of a cluster's answer: that which was asked for, for now, and by those who vouch for its door. */

import { X509Certificate } from "node:crypto";
import { PosternError } from "../../base/errors.ts";
import type { ProxyAddress, Trusting } from "../../client/tls.ts";
import { pinOf } from "../../identity/authority.ts";
import { CLOCK_SKEW_MS } from "../../identity/authority-keys.ts";
import type { StatedUser } from "../../identity/certificate-reader.ts";
import { quoted } from "../../identity/names.ts";

/** What was asked for, and for nobody and nothing else. */
export function requireFitting(
  proxy: ProxyAddress,
  stated: StatedUser,
  asked: {
    readonly user: string | undefined;
    readonly cluster: string;
    readonly publicKey: string;
    readonly said: string;
  },
): void {
  const { user, cluster, publicKey, said } = asked;
  const key = stated.publicKey.export({ type: "spki", format: "pem" });
  if (key !== publicKey) throw notFitting(proxy, "its certificate is for another key");
  if (user !== undefined && stated.user.name !== user) {
    throw notFitting(proxy, `its certificate is for ${quoted(stated.user.name)}, and ${quoted(user)} asked for one`);
  }
  const other = [stated.cluster, said].find((one) => one !== cluster);
  if (other !== undefined) throw notFitting(proxy, `it speaks of cluster ${quoted(other)}, and is ${quoted(cluster)}`);
}

/** @throws PosternError `clock_skew` unless the certificate counts now */
export function requireMoment(
  proxy: ProxyAddress,
  { begins, expires }: StatedUser,
  now: number,
  clocks: string | undefined,
): void {
  const reason =
    now < begins - CLOCK_SKEW_MS
      ? `begins on ${new Date(begins).toISOString()}`
      : now >= expires
        ? `ended on ${new Date(expires).toISOString()}`
        : undefined;
  if (reason === undefined) return;
  const here = new Date(now).toISOString();
  throw new PosternError(
    "clock_skew",
    `Cannot use the certificate that ${proxy.text} has just issued: it ${reason}, and here it is ${here}${clocks === undefined ? "" : `; ${clocks}`}`,
    { hint: "set the clocks of this machine and of the cluster right" },
  );
}

/** Those who vouch for the door must be among those whom it would have trusted. */
export function requireAuthorities(proxy: ProxyAddress, trusted: readonly string[], trusting: Trusting): void {
  let pins: string[];
  try {
    pins = trusted.map((pem) => {
      const certificate = new X509Certificate(pem);
      if (!certificate.ca || !certificate.verify(certificate.publicKey)) throw new Error("it is no authority");
      return pinOf(pem);
    });
  } catch (cause) {
    throw notFitting(proxy, "what it says whom to trust cannot be used", cause);
  }
  if (trusting.by !== "cluster") return;
  if (!trusting.certificates.some((pem) => pins.includes(pinOf(pem)))) {
    throw notFitting(proxy, "it would have others trusted than those who vouch for it");
  }
}

/** An answer that is not believed. */
export function notFitting(proxy: ProxyAddress, reason: string, cause?: unknown): PosternError {
  return new PosternError("login_answer_refused", `Cannot use the answer of ${proxy.text}: ${reason}`, {
    cause,
    hint: "ask the cluster's administrator what answers at this address",
  });
}
