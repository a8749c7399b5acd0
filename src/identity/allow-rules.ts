/** Whom a join token of the `iam` method lets in: AWS identities, as STS states them, against rules. */

import { globFits } from "./glob.ts";

/** One rule of `spec.allow`; both members must fit. */
export interface AllowRule {
  readonly aws_account: string;
  /** With `*` as wildcard within a part. Absent: everybody in the account. */
  readonly aws_arn?: string;
}

/** Who somebody is, as STS said. */
export interface AwsIdentity {
  readonly account: string;
  readonly arn: string;
}

export const AWS_ACCOUNT = /^[0-9]{12}$/;

/** The two forms of a rule, for hints. */
export const AWS_ARN_RULE =
  "arn:aws:sts::123456789012:assumed-role/NAME/*, or arn:aws:iam::123456789012:role/NAME without the role's path";

/** Why a text cannot be the `aws_arn` of a rule; undefined when it can. */
export function ruleArnFault(text: string): string | undefined {
  const [arn, partition = "", service = "", region, account = "", ...resource] = text.split(":");
  const isArn = arn === "arn" && /^aws[a-z-]*$/.test(partition) && region === "" && AWS_ACCOUNT.test(account);
  const [kind = "", ...names] = resource.join(":").split("/");
  if (text.length > 2048 || !isArn || !/^[\x21-\x7e]+$/.test(text)) return "expected the ARN of an AWS identity";
  if (names.includes("")) return "expected a name after each slash";
  if (service === "sts" && kind === "assumed-role")
    return names.length === 2 ? undefined : "expected assumed-role, a role's name and a session's";
  if (service === "iam" && kind === "role")
    return names.length === 1 ? undefined : "expected a role's name without its path, which STS does not state";
  if (service === "iam" && kind === "user") return names.length > 0 ? undefined : "expected a user's name";
  return "expected an assumed-role, a role or a user";
}

/** The first rule that lets an identity in; undefined when none does. */
export function ruleFor(identity: AwsIdentity, rules: readonly AllowRule[]): AllowRule | undefined {
  const spellings = spellingsOf(identity);
  return rules.find(
    ({ aws_account, aws_arn }) =>
      aws_account === identity.account &&
      (aws_arn === undefined || spellings.some((spelling) => arnFits(aws_arn, spelling))),
  );
}

/** STS names an assumed role with its session, and without its path; a rule may also name the role. */
function spellingsOf({ arn }: AwsIdentity): string[] {
  const [, partition, account, role] = /^arn:([a-z-]+):sts::([0-9]{12}):assumed-role\/([^/]+)\/[^/]+$/.exec(arn) ?? [];
  return role === undefined ? [arn] : [arn, `arn:${partition}:iam::${account}:role/${role}`];
}

/**
 * Whether a text fits a pattern. A `*` stays within its part: callers of AssumeRole choose the session's name, so a star
 * that reached over a slash would let `assumed-role/*-admin` take the session `x-admin` of any role.
 */
function arnFits(pattern: string, text: string): boolean {
  const parts = text.split(/([/:])/);
  const patterns = pattern.split(/([/:])/);
  return parts.length === patterns.length && parts.every((part, at) => globFits(patterns[at] ?? "", part));
}
