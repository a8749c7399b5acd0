/** Doors of clusters on this machine: the real one over a store, and one that answers what a test wants. */

import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { pinOf } from "../../src/identity/authority.ts";
import type { HostRequest } from "../../src/identity/certificates.ts";
import type { SecondFactor } from "../../src/identity/second-factor.ts";
import type { ClusterAuthorities } from "./cluster-authorities.ts";
import { type Outside, startDoor, type TestDoor } from "./door.ts";

export interface RealDoor extends TestDoor {
  /** `127.0.0.1:port`. */
  readonly proxy: string;
  readonly pin: string;
}

/** The API over a cluster of its own, behind TLS. */
export async function openRealDoor(
  yaml: string,
  secondFactor: SecondFactor = "off",
  outside: Partial<Outside> = {},
): Promise<RealDoor> {
  const door = await startDoor(yaml, secondFactor, {}, outside);
  const [pin = ""] = await door.cluster.pins();
  return { ...door, proxy: `127.0.0.1:${door.port}`, pin };
}

export interface Asked {
  readonly path: string;
  readonly body: string;
}

export interface PlayedDoor {
  readonly proxy: string;
  readonly pin: string;
  /** What was asked of it so far. */
  readonly asked: Asked[];
  close(): Promise<void>;
}

/** What a played door answers; an object is sent as JSON. */
export type Play = (asked: Asked) => object | string | Promise<object | string>;

export interface PlayOptions {
  readonly port?: number;
  readonly status?: number;
  readonly host?: Partial<HostRequest>;
  /** The certificate to show beside its own, in the place of its authority's. */
  readonly beside?: string;
}

/** A door of the given cluster that says what a test wants. */
export async function playDoor(
  authorities: ClusterAuthorities,
  play: Play,
  { port = 0, status = 200, host, beside }: PlayOptions = {},
): Promise<PlayedDoor> {
  const { certificate } = await authorities.issueHost({ names: ["localhost", "127.0.0.1"], ...host });
  const authority = beside ?? authorities.host.active.certificate;
  const asked: Asked[] = [];
  const server = createServer(
    { cert: certificate + authority, key: authorities.keys.privateKey, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const one = { path: request.url ?? "", body: Buffer.concat(chunks).toString() };
        asked.push(one);
        void Promise.resolve(play(one)).then((answer) => {
          response.writeHead(status, { "content-type": "application/json" });
          response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
        });
      });
    },
  );
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    proxy: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    pin: pinOf(authority),
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What an honest door of this cluster answers to alice, but for what a test changes. */
export function honest(
  authorities: ClusterAuthorities,
  change: (answer: Record<string, unknown>, publicKey: string) => Promise<object | string> | object | string = (a) => a,
): Play {
  return async ({ path, body }) => {
    const cluster = authorities.host.cluster;
    if (path === "/webapi/ping") return { cluster_name: cluster, proxy: { second_factor: "off" }, server_version: "0" };
    const { public_key: publicKey } = JSON.parse(body) as { public_key: string };
    const issued = await authorities.issueUser({ publicKey });
    const answer = {
      certificate: issued.certificate,
      user: { name: "alice", roles: ["access"], traits: {} },
      expires: new Date(issued.expires).toISOString(),
      cluster,
      trusted: [authorities.host.active.certificate],
    };
    return change(answer, publicKey);
  };
}
