/** How the API reads a request's body and puts an error into an answer. */

import { Buffer } from "node:buffer";
import type * as z from "zod";
import { messageOf, PosternError } from "../base/errors.ts";
import { JsonError, type JsonValue, parseJson } from "../base/json.ts";
import type { Log } from "../telemetry/log.ts";

/** In bytes, unless a path takes more. */
export const MAX_BODY_BYTES = 65_536;

/**
 * Reads a JSON body.
 *
 * @throws PosternError `content_type_invalid`, `body_too_large`, `body_invalid`; none repeats a value that was sent
 */
export async function readBody<T>(request: Request, schema: z.ZodType<T>, limit = MAX_BODY_BYTES): Promise<T> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json[ \t]*(?:;|$)/i.test(type))
    throw new PosternError("content_type_invalid", "Cannot read the request: its body is not said to be JSON", {
      hint: "send Content-Type: application/json",
    });
  const bytes = await readBounded(request, limit);
  let value: JsonValue;
  try {
    value = parseJson(bytes, { depth: 8 });
  } catch (thrown) {
    if (!(thrown instanceof JsonError)) throw thrown;
    throw new PosternError("body_invalid", "Cannot read the request: its body is not one unambiguous JSON text");
  }
  const result = schema.safeParse(plain(value));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join(".") ?? "";
  throw new PosternError(
    "body_invalid",
    `Cannot read the request: ${where === "" ? "" : `${where}: `}${issue?.message ?? "unexpected"}`,
  );
}

/** Objects as the schema knows them. */
function plain(value: JsonValue): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
  }
  return Array.isArray(value) ? value.map(plain) : value;
}

/** @throws PosternError `body_too_large` */
export async function readBounded(request: Request, limit: number = MAX_BODY_BYTES): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge(limit);
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function tooLarge(limit: number): PosternError {
  return new PosternError("body_too_large", `Cannot read the request: its body has more than ${limit} bytes`);
}

/** Errors that are the caller's to know, with their status. */
const STATUS: Readonly<Record<string, number>> = {
  body_invalid: 400,
  public_key_invalid: 400,
  certificate_request_invalid: 400,
  resources_invalid: 400,
  resources_missing: 400,
  resources_too_many: 400,
  documents_several: 400,
  kind_unknown: 400,
  reference_missing: 400,
  password_invalid: 400,
  invite_ttl_invalid: 400,
  join_token_invalid: 400,
  browser_login_invalid: 400,
  login_required: 401,
  certificate_malformed: 401,
  certificate_untrusted: 401,
  certificate_wrong_kind: 401,
  certificate_not_yet_valid: 401,
  certificate_expired: 401,
  certificate_revoked: 403,
  host_certificate_required: 401,
  host_not_renewable: 403,
  host_locked: 403,
  join_refused: 403,
  join_challenge_refused: 403,
  identity_request_invalid: 400,
  identity_request_stale: 403,
  identity_refused: 403,
  identity_answer_invalid: 502,
  identity_not_allowed: 403,
  sts_unavailable: 503,
  workload_token_refused: 403,
  bot_user_missing: 403,
  bot_user_foreign: 403,
  issuer_unavailable: 503,
  join_limited: 429,
  join_busy: 503,
  control_denied: 403,
  login_refused: 403,
  login_locked: 403,
  user_locked: 403,
  user_removed: 403,
  db_user_invalid: 400,
  session_ending: 401,
  database_unknown: 404,
  connections_limited: 429,
  database_without_agent: 503,
  agents_unreachable: 503,
  browser_login_refused: 403,
  browser_login_unavailable: 403,
  local_auth_off: 403,
  connector_changed: 403,
  connector_elsewhere: 403,
  oidc_claims_invalid: 403,
  oidc_device_unavailable: 403,
  oidc_email_unverified: 403,
  oidc_no_roles: 403,
  oidc_provider_refused: 403,
  oidc_role_unknown: 403,
  oidc_token_refused: 403,
  oidc_user_taken: 403,
  path_unknown: 404,
  resource_missing: 404,
  browser_login_unknown: 404,
  connector_unknown: 404,
  device_login_unknown: 404,
  method_not_allowed: 405,
  resource_exists: 409,
  resource_changed: 409,
  resource_broken: 409,
  role_built_in: 409,
  role_in_use: 409,
  token_ambiguous: 409,
  body_too_large: 413,
  content_type_invalid: 415,
  login_limited: 429,
  login_failed: 500,
  oidc_provider_failed: 503,
  oidc_provider_invalid: 503,
  password_busy: 503,
  restore_unfinished: 503,
  audit_unavailable: 503,
};

/** What answers an error. Of what went wrong inside, the caller learns that it did, and the log what it was. */
export function answerOf(thrown: unknown, log: Log): Response {
  const status = thrown instanceof PosternError ? STATUS[thrown.code] : undefined;
  if (thrown instanceof PosternError && status !== undefined) {
    const { code, message, hint, position } = thrown;
    const more = { ...(hint === undefined ? {} : { hint }), ...(position === undefined ? {} : { position }) };
    return answer(status, { error: { code, message, ...more } });
  }
  log.error({ error: messageOf(thrown) }, "A request to the API could not be answered");
  const message = "Cannot answer: something went wrong inside";
  return answer(500, { error: { code: "internal", message, hint: "the log of the auth service says what" } });
}

/** An answer in JSON, which nobody may keep. */
export function answer(status: number, value: object): Response {
  return Response.json(value, {
    status,
    headers: { "cache-control": "no-store", "x-content-type-options": "nosniff" },
  });
}
