/** What the SDK throws, in our words: a code to act on, a message for our log, and nothing secret in either. */

import { AwsError, type AwsErrorCode } from "./errors.ts";

/** The failure of one AssumeRole. */
export function stsError(
  thrown: unknown,
  call: { readonly roleArn: string; readonly sessionName: string; readonly region: string },
): AwsError {
  if (thrown instanceof AwsError) return thrown;
  const { name, status } = described(thrown);
  const kind =
    KINDS.find(({ names }) => names.test(name)) ?? (status !== undefined && status < 500 ? REJECTED : UNREACHABLE);
  const answer = status === undefined ? name : `${name}, HTTP ${status}`;
  const message = `Cannot assume role "${call.roleArn}" as "${call.sessionName}" in ${call.region}: ${kind.reason} (${answer})`;
  const hint = kind.hint === undefined ? {} : { hint: kind.hint };
  return new AwsError(kind.code, message, { cause: scrubbed(thrown), retryable: kind.retryable, ...hint });
}

/** The failure of finding credentials of our own. */
export function credentialsError(thrown: unknown): AwsError {
  if (thrown instanceof AwsError) return thrown;
  return new AwsError("credentials_missing", "Cannot find AWS credentials of this process: no provider gave any", {
    cause: scrubbed(thrown),
    retryable: true,
    hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE), or run with an instance or task role",
  });
}

interface Kind {
  readonly code: AwsErrorCode;
  readonly names: RegExp;
  readonly reason: string;
  readonly retryable: boolean;
  readonly hint?: string;
}

const REJECTED: Kind = { code: "sts_rejected", names: /^$/, reason: "STS rejected the call", retryable: false };
const UNREACHABLE: Kind = {
  code: "sts_unreachable",
  names: /^$/,
  reason: "STS cannot be reached or fails",
  retryable: true,
};

const KINDS: readonly Kind[] = [
  {
    code: "sts_access_denied",
    names: /^(AccessDenied|AccessDeniedException|UnauthorizedOperation)$/,
    reason: "AWS does not let us",
    retryable: false,
    hint: "let the role's trust policy name the gateway's own identity (with its external id; sts:TagSession and sts:SetSourceIdentity if tags are configured), and let the gateway's policy allow sts:AssumeRole on the role",
  },
  {
    code: "credentials_rejected",
    names:
      /^(ExpiredToken|ExpiredTokenException|InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|IncompleteSignature|RequestExpired|InvalidSignatureException|AuthFailure)$/,
    reason: "AWS does not take the credentials that signed the call",
    retryable: true,
    hint: "check that the gateway's own credentials are current and this machine's clock is right",
  },
  {
    code: "sts_throttled",
    names:
      /^(Throttling|ThrottlingException|ThrottledException|TooManyRequestsException|RequestLimitExceeded|SlowDown)$/,
    reason: "STS asks us to slow down",
    retryable: true,
  },
  {
    code: "sts_rejected",
    names: /^RegionDisabledException$/,
    reason: "STS is not active in that region for this account",
    retryable: false,
    hint: "set AWS_REGION to a region that is enabled",
  },
];

function described(thrown: unknown): { readonly name: string; readonly status: number | undefined } {
  if (typeof thrown !== "object" || thrown === null) return { name: "unknown", status: undefined };
  const { name, code, $metadata } = thrown as {
    name?: unknown;
    code?: unknown;
    $metadata?: { httpStatusCode?: unknown };
  };
  const status = typeof $metadata?.httpStatusCode === "number" ? $metadata.httpStatusCode : undefined;
  // Of a failed connection the code (ECONNREFUSED) says more than the name (Error).
  const told = status === undefined && typeof code === "string" ? code : name;
  return { name: typeof told === "string" && /^[\w.:]{1,80}$/.test(told) ? told : "unknown", status };
}

/**
 * The cause for our log: name and message only, for SDK errors drag requests and responses along; without the message
 * where STS repeats the signed request, session token included, or where a failed credential_process is quoted with its
 * arguments; and with any long opaque run blotted out.
 */
function scrubbed(thrown: unknown): Error {
  const { name } = described(thrown);
  const text =
    thrown instanceof Error && !/Signature/.test(name) && !thrown.message.includes("Command failed")
      ? thrown.message
      : "";
  const cause = new Error(text.slice(0, 500).replaceAll(/[A-Za-z0-9+/=_%-]{80,}/g, "[…]"));
  cause.name = name;
  delete cause.stack;
  return cause;
}
