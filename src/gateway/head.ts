/** The rules for a request's head: what is not plainly one DynamoDB call is refused before its body is read. */

import { answersTo, type FixedListener, hostName } from "./listener.ts";
import type { Exchange } from "./ports.ts";
import { Refusal } from "./refusal.ts";

/** The head of a request that keeps the rules. */
export interface RequestHead {
  /** The value of `X-Amz-Target`, trimmed; not yet known to be an operation. */
  readonly target: string;
  /** One of the two media types that DynamoDB's JSON protocol knows. */
  readonly contentType: "application/x-amz-json-1.0" | "application/json";
  readonly contentEncoding: "identity" | "gzip" | "deflate";
  /** What the client accepts back, passed on so that answers are encoded as it asked; `null` when it said nothing. */
  readonly acceptEncoding: string | null;
  readonly userAgent: string;
}

/** Headers that change what a request means: twice is once too many. */
const SINGLE = new Set([
  "authorization",
  "content-encoding",
  "content-length",
  "content-type",
  "host",
  "transfer-encoding",
  "x-amz-content-sha256",
  "x-amz-date",
  "x-amz-security-token",
  "x-amz-target",
]);

/**
 * Checks method, path, host, origin and headers, and picks out those that matter.
 *
 * @throws Refusal for the first rule that is broken
 */
export function readHead(exchange: Exchange, listener: FixedListener): RequestHead {
  const seen = new Map<string, string>();
  const { headers } = exchange;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] ?? "").toLowerCase();
    if (seen.has(name) && SINGLE.has(name)) {
      throw malformed("SerializationException", `The header "${name}" is given more than once`);
    }
    seen.set(name, headers[at + 1] ?? "");
  }
  refuseStrangers(seen, listener);
  if (exchange.method !== "POST") {
    throw malformed(
      "UnknownOperationException",
      `The method ${printable(exchange.method)} is not supported: use POST /`,
    );
  }
  if (exchange.target !== "/") {
    const query = exchange.target.includes("?") ? " with a query string" : "";
    throw malformed(
      "UnknownOperationException",
      `The path ${printable(pathOf(exchange.target))}${query} is not supported: use POST /`,
    );
  }
  const transferEncoding = seen.get("transfer-encoding");
  if (transferEncoding !== undefined && transferEncoding.trim().toLowerCase() !== "chunked") {
    throw malformed("SerializationException", `The transfer encoding ${printable(transferEncoding)} is not supported`);
  }
  const expect = seen.get("expect");
  if (expect !== undefined && expect.trim().toLowerCase() !== "100-continue") {
    throw malformed("SerializationException", `The expectation ${printable(expect)} is not supported`);
  }
  // Space and tab only: String.trim() would take a no-break space for nothing too.
  const target = seen.get("x-amz-target")?.replaceAll(/^[ \t]+|[ \t]+$/g, "") ?? "";
  if (target === "") throw malformed("UnknownOperationException", "The header X-Amz-Target is missing");
  return {
    target,
    contentType: contentTypeOf(seen.get("content-type")),
    contentEncoding: contentEncodingOf(seen.get("content-encoding")),
    acceptEncoding: seen.get("accept-encoding") ?? null,
    userAgent: (seen.get("user-agent") ?? "").slice(0, 256),
  };
}

/** A page in a browser must not ride a developer's listener: no foreign host name, no web origin. */
function refuseStrangers(seen: ReadonlyMap<string, string>, listener: FixedListener): void {
  const origin = seen.get("origin");
  if (origin !== undefined) {
    throw new Refusal(
      "request_rejected",
      `Requests from web pages (Origin ${printable(origin)}) are refused`,
      "AccessDeniedException",
    );
  }
  if (listener.kind === "unix") return;
  const host = seen.get("host") ?? "";
  const name = hostName(host.trim());
  if (name === null || !answersTo(listener, name)) {
    throw new Refusal(
      "request_rejected",
      `This listener does not answer to the host name ${printable(host)}; use localhost, or list it in the listener's host_names`,
      "AccessDeniedException",
    );
  }
}

function contentTypeOf(value: string | undefined): RequestHead["contentType"] {
  if (value === "application/x-amz-json-1.0") return value;
  const [type = "", ...parameters] = (value ?? "").split(";").map((part) => part.trim().toLowerCase());
  // The body is read as UTF-8 in any case, so saying so changes nothing; any other parameter might.
  const harmless = parameters.every((parameter) => parameter === "charset=utf-8" || parameter === 'charset="utf-8"');
  if (harmless && (type === "application/x-amz-json-1.0" || type === "application/json")) return type;
  throw malformed(
    "SerializationException",
    value === undefined
      ? "The header Content-Type is missing: use application/x-amz-json-1.0"
      : `The content type ${printable(value)} is not supported: use application/x-amz-json-1.0`,
  );
}

function contentEncodingOf(value: string | undefined): RequestHead["contentEncoding"] {
  const encoding = value?.trim().toLowerCase() ?? "";
  if (encoding === "" || encoding === "identity") return "identity";
  if (encoding === "gzip" || encoding === "deflate") return encoding;
  throw malformed("SerializationException", `The content encoding ${printable(value ?? "")} is not supported`);
}

function malformed(type: "SerializationException" | "UnknownOperationException", message: string): Refusal {
  return new Refusal(type === "UnknownOperationException" ? "operation_unknown" : "request_rejected", message, type);
}

/** A request target without what may hold a secret: a query-string signature, a session token, user and password. */
export function pathOf(target: string): string {
  return target.replace(/[?#].*$/s, "").replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, "$1");
}

/** A client's text inside one of our messages: short, quoted and without control characters. */
export function printable(text: string): string {
  const short = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return JSON.stringify(short);
}
