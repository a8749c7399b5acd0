/** Trust policies: who may assume an AWS role. Whoever can, besides the gateway, goes round it. */

/** A trust policy as IAM keeps it. */
export interface TrustPolicy {
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
 * import { othersIn } from "./trust-policy.ts";
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

/**
 * Reads a role's trust policy through IAM with this process's own credentials.
 *
 * @throws whatever the SDK throws (its name is the AWS error code), or SyntaxError for a policy that is no JSON
 */
export async function trustPolicyOf(roleArn: string, region: string): Promise<TrustPolicy> {
  const { IAMClient, GetRoleCommand } = await import("@aws-sdk/client-iam");
  const iam = new IAMClient({ region, maxAttempts: 2 });
  try {
    const RoleName = roleArn.slice(roleArn.lastIndexOf("/") + 1);
    const { Role } = await iam.send(new GetRoleCommand({ RoleName }), { abortSignal: AbortSignal.timeout(10_000) });
    return JSON.parse(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? "{}")) as TrustPolicy;
  } finally {
    iam.destroy();
  }
}

/** The names by which a trust policy may mean the gateway itself. */
function ownNames(own: string): ReadonlySet<string> {
  const assumed = /^arn:([^:]+):sts::(\d{12}):assumed-role\/([^/]+)\//.exec(own);
  return new Set(assumed === null ? [own] : [own, `arn:${assumed[1]}:iam::${assumed[2]}:role/${assumed[3]}`]);
}

function principalsOf({ Principal }: TrustStatement): string[] {
  if (Principal === undefined) return [];
  if (Principal === "*") return ["everyone (*)"];
  return Object.values(Principal)
    .flatMap((names) => (typeof names === "string" ? [names] : [...names]))
    .map((name) => (name === "*" ? "everyone (*)" : name));
}

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
