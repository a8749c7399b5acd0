/** What went wrong at an identity provider, in our words: what was sent and received is in none of them. */

import { PosternError } from "../base/errors.ts";
import { quoted } from "../identity/names.ts";
import type { OidcConnector } from "../identity/oidc-connector.ts";

/** How the library's errors look from outside: it is not loaded for them. */
interface LibraryError {
  readonly code?: unknown;
  /** The provider's own word, such as `access_denied`. */
  readonly error?: unknown;
  readonly cause?: unknown;
}

/** Undefined for what is no sign of a login that is still to be confirmed elsewhere. */
export function pendingOf(thrown: unknown): "pending" | "slow_down" | undefined {
  const word = wordOf(thrown);
  return word === "authorization_pending" ? "pending" : word === "slow_down" ? "slow_down" : undefined;
}

/** The error for whoever logs in. It has no cause: the library's errors hold tokens and codes. */
export function faultOf(thrown: unknown, { name, issuerUrl }: OidcConnector): PosternError {
  if (thrown instanceof PosternError) return thrown;
  const inner = innermost(thrown);
  if (inner instanceof PosternError) return inner;
  const { code } = Object(thrown) as LibraryError;
  const word = wordOf(thrown);
  if (word !== undefined) return refused(word);
  const provider = `the provider of connector ${quoted(name)}`;
  if (code === "OAUTH_JWT_TIMESTAMP_CHECK_FAILED")
    return token("it has ended, or does not hold yet", "see that the clocks here and at the provider are right");
  if (code === "OAUTH_JWT_CLAIM_COMPARISON_FAILED") return token(`${claimOf(thrown)} is not what it must be`);
  if (isMismatch(code) && wordAt(thrown, "attribute") === "sub")
    return token("what else the provider says is about somebody else");
  if (code === "OAUTH_HTTP_REQUEST_FORBIDDEN" || code === "OAUTH_REQUEST_PROTOCOL_FORBIDDEN") return unsafe();
  if (code === "OAUTH_KEY_SELECTION_FAILED") return token("none of the provider's keys has signed it");
  if (typeof code === "string" && PROTOCOL.test(code))
    return token("it is incomplete, or not signed by the provider as it must be, or there is none");
  if (code === "OAUTH_RESPONSE_IS_NOT_CONFORM" || code === "OAUTH_RESPONSE_IS_NOT_JSON" || isMismatch(code))
    return failed(
      provider,
      `what answers under ${new URL(issuerUrl).origin} is not that provider, or it is out of order`,
    );
  const reason = code === "OAUTH_TIMEOUT" || isTimeout(inner) ? "there was no answer in time" : networkReason(inner);
  return failed(provider, reason);
}

/** The provider said no, or the person did there. */
export function refused(word: string): PosternError {
  return new PosternError("oidc_provider_refused", `Cannot log in: the provider answered ${word}`, {
    hint: HINTS[word] ?? "ask whoever administers the provider",
  });
}

const HINTS: Readonly<Record<string, string>> = {
  access_denied: "begin again, and confirm the login there",
  expired_token: "begin again, and confirm the login sooner",
  invalid_client: "client_id or client_secret of the connector is not what the provider has",
  unauthorized_client: "let the client at the provider log people in this way",
  invalid_grant: "begin again: postern login",
};

const PROTOCOL = /^OAUTH_(?:INVALID_RESPONSE|PARSE_ERROR|UNSUPPORTED_OPERATION|JWT_)/;

function isMismatch(code: unknown): boolean {
  return code === "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED" || code === "OAUTH_MISSING_SERVER_METADATA";
}

/** OAuth's own errors are short words: what else stands there is not repeated. */
function wordOf(thrown: unknown): string | undefined {
  const { error } = Object(thrown) as LibraryError;
  if (typeof error !== "string") return undefined;
  return /^[a-z_]{1,64}$/.test(error) ? error : "an error that is none of the standard";
}

function claimOf(thrown: unknown): string {
  const claim = wordAt(thrown, "claim");
  return claim === undefined ? "what it says" : `its ${claim}`;
}

/** The name that an error, or what caused it, gives to what it is about. */
function wordAt(thrown: unknown, key: "claim" | "attribute"): string | undefined {
  let at: unknown = thrown;
  for (let depth = 0; depth < 4 && typeof at === "object" && at !== null; depth++) {
    const { [key]: word } = at as Readonly<Record<string, unknown>>;
    if (typeof word === "string" && /^[a-z_]{1,32}$/.test(word)) return word;
    at = (at as LibraryError).cause;
  }
  return undefined;
}

function unsafe(): PosternError {
  return new PosternError("oidc_provider_invalid", "Cannot log in: the provider names a place that is not safe", {
    hint: "check issuer_url of the connector, and what the provider publishes under it",
  });
}

function innermost(thrown: unknown): unknown {
  let at = thrown;
  for (let depth = 0; depth < 5; depth++) {
    const { cause } = Object(at) as LibraryError;
    if (!(cause instanceof Error)) break;
    at = cause;
  }
  return at;
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError");
}

/** Errors of the network say where and how, and nothing of what was sent. */
function networkReason(error: unknown): string {
  const { code } = Object(error) as LibraryError;
  return typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code) ? code : "it did not answer as it should";
}

function failed(provider: string, reason: string): PosternError {
  return new PosternError("oidc_provider_failed", `Cannot log in: ${provider} cannot be asked: ${reason}`, {
    hint: "try again; if it stays so, check issuer_url of the connector from the auth service's machine",
  });
}

function token(reason: string, hint = "ask whoever administers the provider"): PosternError {
  return new PosternError("oidc_token_refused", `Cannot log in: the provider's token does not count: ${reason}`, {
    hint,
  });
}
