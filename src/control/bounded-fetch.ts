/** Requests to identity providers: to safe places only, with answers that have an end. */

import type { CustomFetch } from "openid-client";
import { PosternError } from "../base/errors.ts";

/** In bytes: documents and key sets of large providers have some tens of thousands. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "[::1]", "localhost"]);

/**
 * A `fetch` that reads its answer whole, as far as that is allowed to go. Redirects are not followed.
 *
 * @param options `plain`: also over HTTP, to this machine; `send`: what sends a request
 * @throws PosternError `oidc_provider_invalid` for another place or a longer answer
 */
export function boundedFetch({ plain, send }: { readonly plain: boolean; readonly send: typeof fetch }): CustomFetch {
  return async (address, options) => {
    const url = new URL(address);
    const isHere = plain && url.protocol === "http:" && LOOPBACK.has(url.hostname);
    if (url.protocol !== "https:" && !isHere) throw invalid(`it names the place ${url.origin}, which is not safe`);
    const response = await send(url, { ...(options as RequestInit), redirect: "manual" });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      if (size > MAX_ANSWER_BYTES) throw invalid(`its answer has more than ${MAX_ANSWER_BYTES} bytes`);
      chunks.push(chunk);
    }
    const { status, statusText, headers } = response;
    const body = size === 0 ? null : new Blob(chunks as Uint8Array<ArrayBuffer>[]);
    return new Response(body, { status, statusText, headers });
  };
}

function invalid(reason: string): PosternError {
  return new PosternError("oidc_provider_invalid", `Cannot log in: the provider cannot be used: ${reason}`, {
    hint: "check issuer_url of the connector, and what the provider publishes under it",
  });
}
