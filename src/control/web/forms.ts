/** How a form of ours is read: only from our own pages, bounded, and with the fields that it has. */

import { Buffer, isAscii } from "node:buffer";
import { PosternError } from "../../base/errors.ts";
import { readBounded } from "../api-answers.ts";

/**
 * Reads a form's fields; those that are absent are empty.
 *
 * @param origin the door's own, as browsers know it
 * @throws PosternError `form_foreign` for what another site sent, `content_type_invalid`, `body_too_large`, `body_invalid`
 */
export async function readForm<F extends string>(
  request: Request,
  fields: readonly F[],
  origin: string,
): Promise<Readonly<Record<F, string>>> {
  refuseForeign(request.headers, origin);
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i.test(type))
    throw new PosternError("content_type_invalid", "Cannot read the form: it is sent as something else");
  const body = Buffer.from(await readBounded(request));
  // Browsers escape everything else, and what cannot be read must not become a password.
  if (!isAscii(body)) throw invalid();
  const given = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body.toString("latin1"))) {
    if (!(fields as readonly string[]).includes(name) || given.has(name) || value.includes("\uFFFD")) throw invalid();
    given.set(name, value);
  }
  return Object.fromEntries(fields.map((name) => [name, given.get(name) ?? ""])) as Record<F, string>;
}

/**
 * Browsers say where a request began. Those that do not yet must at least name the origin; with pages that send no
 * referrer they say `null`, so that they are refused.
 */
function refuseForeign(headers: Headers, origin: string): void {
  const site = headers.get("sec-fetch-site");
  if (site === null ? headers.get("origin") === origin : site === "same-origin") return;
  throw new PosternError("form_foreign", "Cannot take the form: it was not sent by a page of this door");
}

function invalid(): PosternError {
  return new PosternError("body_invalid", "Cannot read the form: it is not what this page sends");
}
