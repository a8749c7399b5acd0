import assert from "node:assert/strict";
import { once } from "node:events";
import { performServerHandshake, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import { systemClock } from "../../src/base/clock.ts";
import { PosternError } from "../../src/base/errors.ts";
import { type DoorTunnels, type DoorTunnelsOptions, openDoorTunnels } from "../../src/compose/door-tunnels.ts";
import { silentLog } from "../../src/telemetry/log.ts";
import { AgentEnd } from "../../src/tunnel/agent.ts";
import { eventually } from "../support/eventually.ts";

const opened: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of opened.splice(0).toReversed()) await end();
});

const orders = { name: "orders", labels: {}, uri: "", region: "us-east-1", account_id: "1", fault: null };
const NEWS = { node_name: "a", version: "1", draining: false, databases: [orders] };
const HOUR = 3_600_000;

interface Cluster {
  readonly door: DoorTunnels;
  readonly port: number;
  /** What the cluster says of the host now; undefined: that it knows it. */
  fault: PosternError | undefined;
  now: number;
  expires: number;
  asked: number;
  change(): void;
}

async function cluster(lookEvery = 20): Promise<Cluster> {
  let told: (changes: readonly { kind: string; name: string }[]) => void = () => undefined;
  const state = { fault: undefined as PosternError | undefined, now: 0, expires: 24 * HOUR, asked: 0 };
  const clock: Clock = { ...systemClock, now: () => state.now };
  const options = {
    members: {
      identify: async () => ({ hostId: "host-1", expires: state.expires }),
      requireKnown: async () => {
        state.asked++;
        if (state.fault !== undefined) throw state.fault;
      },
    },
    store: {
      watch: async (listen: typeof told) => {
        told = listen;
        return async () => undefined;
      },
    },
    presence: { id: "p", report: () => undefined },
    callers: { identify: async () => ({ user: { name: "alice" } }) },
    routeCallers: {},
    clock,
    log: silentLog,
    isShown: () => true,
    lookEvery,
  } as unknown as DoorTunnelsOptions;
  const door = await openDoorTunnels(options);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on("error", () => undefined));
    void (async () => {
      const headers = new Headers({ upgrade: "postern-tunnel/1" });
      const asked = { kind: "upgrade", target: "/v1/tunnel", headers } as const;
      const verdict = await door.takeOver(asked, { address: "192.0.2.9", certificate: undefined });
      assert.ok(!(verdict instanceof Response));
      verdict.take(socket);
    })();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  opened.push(async () => {
    await door.close(0);
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return Object.assign(state, {
    door,
    port: (server.address() as AddressInfo).port,
    change: () => told([{ kind: "lock", name: "l" }]),
  });
}

/** An agent that says nothing of itself until it is made to. */
async function silent(port: number): Promise<{ socket: Socket; news: ServerHttp2Stream }> {
  const socket = connect(port, "127.0.0.1").on("error", () => undefined);
  opened.push(() => void socket.destroy());
  const session = performServerHandshake(socket).on("error", () => undefined);
  const [news] = (await once(session, "stream")) as [ServerHttp2Stream];
  news.on("error", () => undefined).respond({ ":status": 200 });
  return { socket, news };
}

function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.on("error", () => undefined).once("close", () => resolve()));
}

const locked = new PosternError("host_locked", "locked");

describe("a tunnel", () => {
  it("outlives no lock on its service, though that has said nothing of itself", async () => {
    const whole = await cluster(60_000);
    const { socket } = await silent(whole.port);
    const closed = closing(socket);
    whole.fault = locked;
    whole.change();
    await closed;
    assert.deepEqual(whole.door.served(), []);
  });

  it("is not there for a service that was locked while it was let in", async () => {
    const whole = await cluster(60_000);
    // Known when it shows its certificate, and no more when its connection is taken.
    whole.fault = locked;
    const socket = connect(whole.port, "127.0.0.1");
    performServerHandshake(socket).on("error", () => undefined);
    await closing(socket);
    assert.deepEqual(whole.door.served(), []);
  });

  it("ends with a lock of which the store could not tell at first, and with one of which no change was told", async () => {
    const whole = await cluster(60_000);
    const { socket } = await silent(whole.port);
    const closed = closing(socket);
    whole.fault = new PosternError("store_unreadable", "why");
    const before = whole.asked;
    whole.change();
    await eventually(() => whole.asked > before);
    assert.equal(socket.destroyed, false);
    whole.fault = locked;
    await closed;
    const looking = await cluster();
    const other = await silent(looking.port);
    const ended = closing(other.socket);
    looking.fault = locked;
    await ended;
  });

  it("that tells no news is ended, and one that tells them is not", async () => {
    const whole = await cluster();
    const [quiet, talking] = [await silent(whole.port), await silent(whole.port)];
    talking.news.write(`${JSON.stringify(NEWS)}\n`);
    await closing(quiet.socket);
    assert.deepEqual(
      whole.door.served().map(({ name }) => name),
      ["orders"],
    );
    assert.equal(talking.socket.destroyed, false);
  });

  it("does not outlive its service's certificate, and an agent that has renewed it opens another before", async () => {
    const whole = await cluster();
    let dialled = 0;
    const end = new AgentEnd({
      proxies: [String(whole.port)],
      dial: async (port) => {
        dialled++;
        const socket = connect(Number(port), "127.0.0.1");
        await once(socket, "connect");
        return { socket, proxy: "p" };
      },
      news: () => NEWS,
      serve: (connection) => connection.on("error", () => undefined).pipe(connection),
      timing: { ping: 5000, open: 5000, longestPause: 500 },
      random: Math.random,
      clock: systemClock,
      log: silentLog,
    });
    opened.push(() => end.stop(0));
    await eventually(() => whole.door.served().length === 1);
    const asked = { kind: "connect", target: "orders", headers: new Headers() } as const;
    const open = async () => await whole.door.takeOver(asked, { address: "192.0.2.1", certificate: undefined });
    const verdict = await open();
    assert.ok(!(verdict instanceof Response));
    const [near, far] = await pair();
    verdict.take(near);
    far.write("before");
    assert.equal(String((await once(far, "data"))[0]), "before");

    whole.now = 23 * HOUR;
    whole.expires = 48 * HOUR;
    await eventually(() => dialled === 2);
    await eventually(async () => {
      const next = await open();
      if (next instanceof Response) return false;
      next.leave();
      return true;
    });
    // What was open goes on, until the certificate has ended by which the tunnel was let in.
    far.write("still");
    assert.equal(String((await once(far, "data"))[0]), "still");
    const cut = closing(far);
    whole.now = 24 * HOUR;
    await cut;
    assert.equal(whole.door.served().length, 1);
    assert.equal(dialled, 2);
  });
});

async function pair(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const far = connect((server.address() as AddressInfo).port, "127.0.0.1").on("error", () => undefined);
  const [near] = (await once(server, "connection")) as [Socket];
  opened.push(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return [near.on("error", () => undefined), far];
}
