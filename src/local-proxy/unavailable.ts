/** What a client of the local port is told when there is no way to the database: an answer that AWS's SDKs understand. */

import type { Socket } from "node:net";
import type { PosternError } from "../base/errors.ts";

/** How long a client may take to send the request that is answered, in milliseconds, and how much it may send. */
const PATIENCE_MS = 5000;
const MAX_BYTES = 32_768;

/** Errors that no further try mends: SDKs must not go on trying for a while. */
const FINAL: ReadonlySet<string> = new Set([
  "access_key_wrong",
  "agent_untrusted",
  "certificate_expired",
  "certificate_revoked",
  "certificate_untrusted",
  "database_unknown",
  // Policy's no to who asks for the certificate: a lock, say.
  "denied",
  "login_required",
  "proxy_untrusted",
  "session_ending",
  "user_locked",
  "user_removed",
]);

/** Answers the request that comes, whatever it is, and ends the connection. */
export function answerUnavailable(socket: Socket, error: PosternError): void {
  let head = "";
  const end = (): void => {
    clearTimeout(timer);
    socket.off("data", read);
    if (socket.destroyed) return;
    socket.end(answerOf(error));
    // What else it sends is nobody's.
    socket.resume();
    setTimeout(() => socket.destroy(), PATIENCE_MS).unref();
  };
  const read = (chunk: Uint8Array): void => {
    head = (head + String.fromCharCode(...chunk.subarray(0, MAX_BYTES))).slice(-MAX_BYTES);
    // An answer before the request would be one to nothing.
    if (head.includes("\r\n\r\n") || head.length >= MAX_BYTES) end();
  };
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  timer.unref();
  socket.on("data", read);
  // Somebody may have stopped it who has looked at the beginning.
  socket.resume();
}

function answerOf({ code, message, hint }: PosternError): string {
  const words = `${message}${hint === undefined ? "" : `: ${hint}`}`;
  const isFinal = FINAL.has(code);
  const body = JSON.stringify(
    isFinal
      ? { __type: "com.amazon.coral.service#AccessDeniedException", Message: words }
      : { __type: "com.amazonaws.dynamodb.v20120810#ServiceUnavailable", message: words },
  );
  return [
    isFinal ? "HTTP/1.1 400 Bad Request" : "HTTP/1.1 503 Service Unavailable",
    "content-type: application/x-amz-json-1.0",
    `content-length: ${new TextEncoder().encode(body).length}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
