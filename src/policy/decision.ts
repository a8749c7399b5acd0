/** The answer of policy: a union that cannot be read without looking, and the closed list of reason codes. */

/** Every reason code there is, with what it means. The Rego, the documentation and the tests read this table. */
export const REASONS = {
  // Said by the Rego.
  no_roles: "the user holds no role",
  role_unknown: "the user holds a role that is not loaded, so its denials cannot be known",
  role_not_matched: "no role of the user allows this database with this database user",
  rule_not_matched: "no role that allows the database and the database user has a rule that allows this access",
  keys_unproven: "only some partition keys are allowed or denied, and those of the access are not proven",
  attributes_unproven: "only some attributes are allowed or denied, and those of the access are not all known",
  labels_denied: "a role denies this database by its labels",
  db_user_denied: "a role denies this database user",
  rule_denied: "a role denies this access by a rule",
  custom_denied: "a policy package of this installation denies the request",
  // Said by the host of the policy.
  policy_unavailable: "no policy is loaded",
  policy_undefined: "policy gave no decision, or one of the wrong shape",
  policy_failed: "policy evaluation failed",
  policy_timeout: "policy evaluation exceeded its budget of steps",
  policy_out_of_memory: "policy evaluation exceeded its memory",
  obligation_unknown: "policy demands something that this gateway cannot do",
  // Said by the gateway before or after policy.
  operation_unknown: "the operation is not known to this gateway",
  request_rejected: "the request could not be read without doubt",
  sender_unproven: "the signature, token or clock of the request does not prove who sent it",
  locked: "the user is locked",
  session_expired: "the login has ended: log in again",
  login_outdated: "what the login gave was voided, or must be given anew: log in again",
  user_unknown: "the user is not defined",
  database_unknown: "the database of this listener is not defined",
  db_user_invalid: "the database user is not an AWS role of this database",
  continuation_not_bound: "a shard iterator or token was given to another user, role or statement, or by nobody",
  control_plane_lost: "the cluster has not been heard of for longer than decisions may go on without it",
  audit_unavailable: "the audit log cannot be written",
} as const;

export type ReasonCode = keyof typeof REASONS;

export interface Reason {
  readonly code: ReasonCode;
  readonly message: string;
  /** Position in `input.request.accesses`; null when the reason concerns the request as a whole. */
  readonly access: number | null;
  /** The role that says so; null when it is the absence of one. */
  readonly role: string | null;
}

/** What the gateway must do, or deny. Kinds are added together with the code that fulfils them. */
export interface Obligation {
  readonly kind: string;
  readonly [parameter: string]: unknown;
}

interface DecisionFacts {
  /** The roles that allowed it; empty for a denial. */
  readonly roles: readonly string[];
  /** Digest of the policy and its data that gave this answer. */
  readonly revision: string;
  /** Microseconds spent on it. */
  readonly evalUs: number;
}

export type Decision = DecisionFacts &
  (
    | { readonly allow: true; readonly obligations: readonly Obligation[] }
    | { readonly allow: false; readonly reasons: readonly Reason[] }
  );

/** A denial that did not come from policy itself. */
export function deny(code: ReasonCode, message: string, facts: { revision: string; evalUs: number }): Decision {
  return { allow: false, reasons: [{ code, message, access: null, role: null }], roles: [], ...facts };
}
