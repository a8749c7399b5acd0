/** A connection to a database's agent: through the door by CONNECT, and inside it TLS that only the agent can end. */

import type { Buffer } from "node:buffer";
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { connect, type SecureContext, type TLSSocket } from "node:tls";
import { messageOf, PosternError } from "../base/errors.ts";
import { onClose } from "../base/on-close.ts";
import { printable } from "../base/printable.ts";

/** Longest answer of a door that says no, in bytes. */
const MAX_ANSWER_BYTES = 65_536;
/** Longest of its words that are told on. */
const MAX_LINE = 1000;

/**
 * Asks the door for a connection to a database.
 *
 * @throws PosternError with the door's own code and words when it says no, `proxy_unreachable` when it says nothing
 */
export function askForDatabase(door: Duplex, database: string, timeoutMs: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const fail = (error: PosternError): void => {
      door.destroy();
      reject(error);
    };
    let isAnswered = false;
    onClose(door, () => {
      // What an answer says is more.
      if (!isAnswered) fail(unreachableDoor(database, "the connection was closed"));
    });
    const asked = request({
      createConnection: () => door,
      method: "CONNECT",
      path: encodeURIComponent(database),
      headers: { host: encodeURIComponent(database) },
      signal: AbortSignal.timeout(timeoutMs),
    });
    asked.once("connect", (response: IncomingMessage, socket: Duplex, head: Buffer) => {
      isAnswered = true;
      if (head.length > 0) socket.unshift(head);
      if (response.statusCode === 200) {
        resolve(socket);
        return;
      }
      // To CONNECT every answer has its body, if any, on the bare connection.
      void refusal(response, socket, timeoutMs).then(fail);
    });
    asked.once("error", (cause) => fail(unreachableDoor(database, cause.message, cause)));
    asked.end();
  });
}

function unreachableDoor(database: string, reason: string, cause?: unknown): PosternError {
  return new PosternError("proxy_unreachable", `Cannot reach database ${JSON.stringify(database)}: ${reason}`, {
    cause,
  });
}

async function refusal({ statusCode }: IncomingMessage, socket: Duplex, timeoutMs: number): Promise<PosternError> {
  let text = "";
  // The request's own bound ends with its head.
  const late = setTimeout(() => socket.destroy(), timeoutMs);
  try {
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.length > MAX_ANSWER_BYTES) break;
    }
    const { error } = JSON.parse(text) as { error: { code: unknown; message: unknown; hint?: unknown } };
    const { code, message, hint } = error;
    if (typeof code === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(code) && typeof message === "string")
      return new PosternError(code, lineOf(message), typeof hint === "string" ? { hint: lineOf(hint) } : {});
  } catch {
    // Then the status must do.
  } finally {
    clearTimeout(late);
  }
  return new PosternError("proxy_refused", `The proxy does not connect: it answers ${statusCode}`);
}

function lineOf(text: string): string {
  return printable(text.slice(0, MAX_LINE));
}

/** What the inner TLS needs. */
export interface InnerTls {
  /** With the user's certificate and key, and those who vouch for hosts. */
  readonly context: SecureContext;
  /** Throws unless the certificate (DER) is that of an agent. */
  readonly verifyAgent: (certificate: Uint8Array) => Promise<void>;
  /** Milliseconds. */
  readonly timeout: number;
}

/**
 * Agrees on TLS with the agent at the other end.
 *
 * @throws PosternError `agent_untrusted`, `agent_unreachable`
 */
export async function secureToAgent(through: Duplex, { context, verifyAgent, timeout }: InnerTls): Promise<TLSSocket> {
  const socket = connect({
    socket: through,
    secureContext: context,
    minVersion: "TLSv1.3",
    // Agents have no names that clients know: what they are is in their certificate, which is looked at below.
    checkServerIdentity: () => undefined,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error("it did not answer in time")), timeout);
      socket.once("secureConnect", () => resolve());
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the connection was closed")));
      socket.once("secureConnect", () => clearTimeout(timer));
      socket.once("close", () => clearTimeout(timer));
    });
  } catch (cause) {
    socket.on("error", () => undefined).destroy();
    const code = String((cause as NodeJS.ErrnoException).code ?? "");
    const isUntrusted = /CERT|SIGNATURE|ISSUER|SELF_SIGNED/.test(code);
    throw isUntrusted ? untrusted(cause) : unreachable(cause);
  }
  socket.on("error", () => socket.destroy());
  try {
    await verifyAgent(socket.getPeerX509Certificate()?.raw ?? new Uint8Array());
  } catch (cause) {
    socket.destroy();
    throw untrusted(cause);
  }
  return socket;
}

function untrusted(cause: unknown): PosternError {
  return new PosternError("agent_untrusted", `Cannot trust what answers for the database: ${messageOf(cause)}`, {
    cause,
    hint: "somebody may be listening in; ask whoever administers the cluster",
  });
}

function unreachable(cause: unknown): PosternError {
  return new PosternError("agent_unreachable", `Cannot reach the database's agent: ${messageOf(cause)}`, {
    cause,
    hint: "try again; the logs of the database service say more",
  });
}
