/** Lets only those ride the port who know its access key: on one machine there may be others than its user. */

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { isSameText } from "../base/same-text.ts";
import type { Secret } from "../base/secret.ts";

const MAX_HEAD_BYTES = 32_768;
const PATIENCE_MS = 15_000;

/**
 * Whether the first request on a connection is signed with this access key id. What was read is put back. The others on a
 * connection come from the same program.
 */
export async function showsKey(socket: Socket, key: Secret): Promise<boolean> {
  const chunks: Buffer[] = [];
  let size = 0;
  const isWhole = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => done(false), PATIENCE_MS);
    const done = (whole: boolean): void => {
      clearTimeout(timer);
      socket.off("data", read);
      socket.off("end", end);
      socket.off("close", end);
      socket.pause();
      resolve(whole);
    };
    const end = (): void => done(false);
    const read = (chunk: Buffer): void => {
      chunks.push(chunk);
      size += chunk.length;
      if (Buffer.concat(chunks).includes("\r\n\r\n")) done(true);
      else if (size > MAX_HEAD_BYTES) done(false);
    };
    socket.on("data", read);
    socket.once("end", end);
    socket.once("close", end);
  });
  const bytes = Buffer.concat(chunks);
  if (!socket.destroyed && bytes.length > 0) socket.unshift(bytes);
  if (!isWhole) return false;
  const head = bytes.toString("latin1").split("\r\n\r\n", 1)[0] ?? "";
  const shown = /^authorization:[^\r\n]*\bCredential=([^/\s,]{1,128})\//im.exec(head)?.[1] ?? "";
  return isSameText(shown, key.reveal());
}
