/** Proofs of an AWS identity: a signed request that answers our challenge, which STS confirms, and a rule that lets it in. */

import { PosternError } from "../base/errors.ts";
import { type AllowRule, type AwsIdentity, ruleFor } from "../identity/allow-rules.ts";
import {
  challengeFor,
  type IdentityReplay,
  judgeIdentityRequest,
  readIdentityAnswer,
  type SignedIdentityRequest,
} from "../identity/iam-join.ts";
import { quoted } from "../identity/names.ts";

/** Sends a request to STS as it is, and gives its answer. @throws PosternError `sts_unavailable` */
export type AskSts = (replay: IdentityReplay) => Promise<{ readonly status: number; readonly body: string }>;

/** What an agent signed, and for which challenge. */
export interface IdentityProof {
  readonly challenge: string;
  readonly request: SignedIdentityRequest;
}

/** Who signed for this key, by STS's word. @throws PosternError `identity_…`, `sts_unavailable` */
export async function confirmIdentity(
  { challenge, request }: IdentityProof,
  publicKey: Uint8Array,
  now: number,
  askSts: AskSts,
): Promise<AwsIdentity> {
  const replay = judgeIdentityRequest(request, challengeFor(challenge, publicKey), now);
  const { status, body } = await askSts(replay);
  return readIdentityAnswer(status, body, replay);
}

/** @throws PosternError `identity_not_allowed` */
export function requireAllowed(identity: AwsIdentity, rules: readonly AllowRule[]): void {
  if (ruleFor(identity, rules) !== undefined) return;
  throw new PosternError(
    "identity_not_allowed",
    `Cannot join by AWS identity: no rule of the token lets in ${quoted(identity.arn)} of account ${identity.account}`,
    { hint: "ask an administrator for a rule: spec.allow of the token" },
  );
}
