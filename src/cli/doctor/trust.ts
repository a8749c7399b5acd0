/** Who else may assume an AWS role: whoever can, goes round the gateway. */

import { messageOf } from "../../base/errors.ts";
import { type Finding, ok, warn } from "./findings.ts";

/** A trust policy as IAM keeps it. */
interface TrustPolicy {
  readonly Statement?: TrustStatement | readonly TrustStatement[];
}

interface TrustStatement {
  readonly Effect?: string;
  readonly Principal?: "*" | Readonly<Record<string, string | readonly string[]>>;
  readonly NotPrincipal?: unknown;
  readonly Condition?: Readonly<Record<string, unknown>>;
}

/**
 * The principals other than the gateway that a trust policy lets in.
 *
 * @param own ARN of the gateway as STS knows it; for an assumed role, `arn:aws:sts::…:assumed-role/NAME/SESSION`
 *
 * @example
 * ```ts
 * import { othersIn } from "./trust.ts";
 * const policy = { Statement: { Effect: "Allow", Principal: { AWS: ["arn:aws:iam::123456789012:role/gw", "arn:aws:iam::123456789012:root"] } } };
 * console.assert(othersIn(policy, "arn:aws:sts::123456789012:assumed-role/gw/i-1").join() === "arn:aws:iam::123456789012:root");
 * ```
 */
export function othersIn(policy: TrustPolicy, own: string): string[] {
  const itself = ownNames(own);
  const others = new Set<string>();
  for (const statement of listOf(policy.Statement)) {
    if (statement.Effect !== "Allow") continue;
    if (statement.NotPrincipal !== undefined) others.add("everyone but some (NotPrincipal)");
    for (const principal of principalsOf(statement)) {
      if (!itself.has(principal)) others.add(principal);
    }
  }
  return [...others];
}

/** Looks at a role's trust policy through IAM, where the gateway may read it. */
export async function examineTrust(roleArn: string, own: string, region: string): Promise<Finding> {
  const subject = `trust of ${roleArn}`;
  const name = roleArn.slice(roleArn.lastIndexOf("/") + 1);
  let policy: TrustPolicy;
  try {
    const { IAMClient, GetRoleCommand } = await import("@aws-sdk/client-iam");
    const iam = new IAMClient({ region, maxAttempts: 2 });
    const { Role } = await iam.send(new GetRoleCommand({ RoleName: name }), { abortSignal: AbortSignal.timeout(10_000) });
    iam.destroy();
    policy = JSON.parse(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? "{}")) as TrustPolicy;
  } catch (error) {
    const why = error instanceof Error && error.name !== "Error" ? error.name : messageOf(error);
    return warn(subject, `it cannot be read (${why})`, "allow the gateway iam:GetRole on it to have this looked at, or look yourself: only the gateway should be trusted");
  }
  const others = othersIn(policy, own);
  return others.length === 0
    ? ok(subject, "only the gateway may assume it")
    : warn(subject, `${others.join(", ")} may assume it too, and so go round the gateway`, "trust the gateway's own role or user alone");
}

/** The names by which a trust policy may mean the gateway itself. */
function ownNames(own: string): ReadonlySet<string> {
  const assumed = /^arn:([^:]+):sts::(\d{12}):assumed-role\/([^/]+)\//.exec(own);
  return new Set(assumed === null ? [own] : [own, `arn:${assumed[1]}:iam::${assumed[2]}:role/${assumed[3]}`]);
}

function principalsOf({ Principal }: TrustStatement): string[] {
  if (Principal === undefined) return [];
  if (Principal === "*") return ["everyone (*)"];
  return Object.values(Principal).flatMap((names) => (typeof names === "string" ? [names] : [...names])).map((name) => (name === "*" ? "everyone (*)" : name));
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
