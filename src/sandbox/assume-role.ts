/** AssumeRole's rules: which parameters are well formed, who is trusted, for how long, with which session tags. */

import type { Identities, Minted, SandboxPrincipal } from "./identities.ts";

/** A refusal in the words of STS. */
export interface StsRefusal {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

/** The parameters of an AssumeRole call that was allowed, beside what it minted. */
export interface AssumedRole {
  readonly minted: Minted;
  readonly sourceIdentity: string | null;
}

// From the STS API reference for AssumeRole.
const sessionNamePattern = /^[\w+=,.@-]{2,64}$/;
const externalIdPattern = /^[\w+=,.@:/-]{2,1224}$/;
const tagPattern = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
const knownParameters =
  /^(?:Action|Version|RoleArn|RoleSessionName|DurationSeconds|ExternalId|SourceIdentity|Tags\.member\.\d+\.(?:Key|Value)|TransitiveTagKeys\.member\.\d+)$/;
const chainedMaximum = 3600;

/** Judges a call of AssumeRole by `caller` and, when it is allowed, mints the session. */
export function assumeRole(
  parameters: URLSearchParams,
  caller: SandboxPrincipal,
  identities: Identities,
): AssumedRole | StsRefusal {
  for (const name of parameters.keys()) {
    // Session policies and MFA would narrow or gate the session: ignoring them would grant more than was asked for.
    if (!knownParameters.test(name)) return invalid(`The sandbox does not know the parameter '${name}'`);
    if (parameters.getAll(name).length > 1) return invalid(`The parameter '${name}' is present more than once`);
  }
  const arn = parameters.get("RoleArn") ?? "";
  if (arn.length < 20 || arn.length > 2048)
    return invalid(`Value '${arn}' at 'roleArn' failed to satisfy constraint: length 20 to 2048`);
  if (!/^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]+$/.test(arn)) return invalid(`${arn} is invalid`);
  const sessionName = parameters.get("RoleSessionName") ?? "";
  if (!sessionNamePattern.test(sessionName)) {
    return invalid(
      `1 validation error detected: Value '${sessionName}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*, length 2 to 64`,
    );
  }
  const duration = parseDuration(parameters.get("DurationSeconds"));
  if (typeof duration !== "number") return duration;
  const externalId = parameters.get("ExternalId");
  if (externalId !== null && !externalIdPattern.test(externalId)) {
    return invalid(
      `Value '${externalId}' at 'externalId' failed to satisfy constraint: pattern [\\w+=,.@:\\/-]*, length 2 to 1224`,
    );
  }
  const sourceIdentity = parameters.get("SourceIdentity");
  if (sourceIdentity !== null && !sessionNamePattern.test(sourceIdentity))
    return invalid(`Value '${sourceIdentity}' at 'sourceIdentity' failed to satisfy constraint`);
  const tags = parseTags(parameters);
  if ("code" in tags) return tags;

  const role = identities.findRole(arn);
  // A role that is absent and a role that does not trust the caller look the same, as in AWS.
  if (role === undefined || !trusts(role.trust.principals, caller)) return denied(caller, "sts:AssumeRole", arn);
  if (role.trust.externalId !== undefined && role.trust.externalId !== externalId)
    return denied(caller, "sts:AssumeRole", arn);
  const allowed = role.trust.sessionTags ?? [];
  if (allowed !== "any" && [...tags.tags.keys()].some((key) => !allowed.includes(key)))
    return denied(caller, "sts:TagSession", arn);
  if (sourceIdentity !== null && role.trust.sourceIdentity !== true)
    return denied(caller, "sts:SetSourceIdentity", arn);
  if (caller.kind === "role-session" && duration > chainedMaximum) {
    return invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining");
  }
  if (duration > (role.maxSessionDuration ?? 3600)) {
    return invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
  }
  return { minted: identities.mint(role, sessionName, duration, Object.fromEntries(tags.tags)), sourceIdentity };
}

function trusts(principals: readonly string[], caller: SandboxPrincipal): boolean {
  return principals.some(
    (principal) =>
      principal === caller.trustedAs ||
      principal === caller.arn ||
      principal === caller.accountId ||
      principal === `arn:aws:iam::${caller.accountId}:root`,
  );
}

function parseDuration(text: string | null): number | StsRefusal {
  if (text === null) return 3600;
  const seconds = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= 900 && seconds <= 43_200) return seconds;
  return invalid(
    `1 validation error detected: Value '${text}' at 'durationSeconds' failed to satisfy constraint: Member must have value from 900 to 43200`,
  );
}

function parseTags(parameters: URLSearchParams): { readonly tags: ReadonlyMap<string, string> } | StsRefusal {
  const tags = new Map<string, string>();
  const folded = new Set<string>();
  const count = [...parameters.keys()].filter((name) => /^Tags\.member\.\d+\.Key$/.test(name)).length;
  const values = [...parameters.keys()].filter((name) => /^Tags\.member\.\d+\.Value$/.test(name)).length;
  if (count !== values) return invalid("Every session tag must have a Key and a Value");
  if (count > 50)
    return invalid("Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50");
  for (let index = 1; index <= count; index += 1) {
    const key = parameters.get(`Tags.member.${index}.Key`);
    const value = parameters.get(`Tags.member.${index}.Value`);
    if (key === null || value === null) return invalid("Session tags must be numbered from 1 without gaps");
    if (key.length < 1 || key.length > 128 || !tagPattern.test(key))
      return invalid(`Value '${key}' at 'tags.${index}.member.key' failed to satisfy constraint`);
    if (value.length > 256 || !tagPattern.test(value))
      return invalid(`Value at 'tags.${index}.member.value' failed to satisfy constraint`);
    if (key.toLowerCase().startsWith("aws:")) return invalid(`Tag key '${key}' begins with the reserved 'aws:'`);
    if (folded.has(key.toLowerCase()))
      return invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
    folded.add(key.toLowerCase());
    tags.set(key, value);
  }
  return { tags };
}

function invalid(message: string): StsRefusal {
  return { status: 400, code: "ValidationError", message };
}

function denied(caller: SandboxPrincipal, action: string, resource: string): StsRefusal {
  return {
    status: 403,
    code: "AccessDenied",
    message: `User: ${caller.arn} is not authorized to perform: ${action} on resource: ${resource}`,
  };
}
