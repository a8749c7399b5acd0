/** The listening side on Node. */

import { chmod, lstat, unlink } from "node:fs/promises";
import { connect, type AddressInfo, type Server as NetServer, type Socket } from "node:net";
import { PosternError } from "../base/errors.ts";
import type { GatewayApp } from "../gateway/app.ts";
import { HttpService } from "./http-service.ts";
import type { ListenAddress, Listening, ServeOptions } from "./ports.ts";

const MAX_CONNECTIONS = 10_000;

/** Serves the app on one address until closed. */
export async function listenOnNode(app: GatewayApp, address: ListenAddress, options: ServeOptions): Promise<Listening> {
  const service = new HttpService(options);
  const { server } = service;
  const served = { app, onUnparsable: options.onUnparsable };
  server.maxConnections = MAX_CONNECTIONS;
  server.on("connection", (socket: Socket) => service.accept(socket, served));
  await listenAt(server, address);
  service.warm();
  return { address: boundAddress(server, address), drain: (timeoutMs) => service.drain(timeoutMs) };
}

/** Binds a server. @throws PosternError `listen_failed` */
export async function listenAt(server: NetServer, address: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => reject(cannotListen(address, cause)));
    const done = (): void => {
      server.removeAllListeners("error");
      resolve();
    };
    if (address.kind === "tcp") {
      server.listen(address.port, address.host, done);
      return;
    }
    // Who may connect is who may speak as the listener's user: the owner alone, from the first moment.
    const before = process.umask(0o177);
    try {
      server.listen(address.path, done);
    } finally {
      process.umask(before);
    }
  });
  // In a worker it was the parent that bound the path, under its own mask.
  if (address.kind === "unix") await chmod(address.path, 0o600);
}

/** Removes the socket of a process that died; one that still answers belongs to somebody. Once, before workers start. */
export async function removeStaleSocket(path: string): Promise<void> {
  // Connecting to a plain file is refused just like connecting to a dead socket; only a socket is ours to remove.
  if ((await lstat(path).catch(() => undefined))?.isSocket() !== true) return;
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code !== "ENOENT" && error.code !== "ECONNREFUSED"),
    );
  });
  if (!alive) await unlink(path).catch(() => undefined);
}

/** Where it listens, with the port that the system chose. */
export function boundAddress(server: NetServer, address: ListenAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  const bound = server.address() as AddressInfo;
  return bound.family === "IPv6" ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}

function cannotListen(address: ListenAddress, cause: NodeJS.ErrnoException): PosternError {
  const where = address.kind === "unix" ? `unix:${address.path}` : `${address.host}:${address.port}`;
  const taken = cause.code === "EADDRINUSE";
  return new PosternError(
    "listen_failed",
    `Cannot listen on ${where}: ${taken ? "another program does" : cause.message}`,
    {
      cause,
      hint: taken
        ? "stop that program, or give the listener another port"
        : "give the listener an address of this machine that this user may use",
    },
  );
}
