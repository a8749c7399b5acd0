import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer as createHttp, request } from "node:http";
import { request as requestTls } from "node:https";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, afterEach, describe, it } from "node:test";
import { connect as connectTls } from "node:tls";
import { systemClock } from "../../../src/base/clock.ts";
import { PosternError } from "../../../src/base/errors.ts";
import { Secret } from "../../../src/base/secret.ts";
import { makeLocalCertificate } from "../../../src/identity/local-certificate.ts";
import { type LocalProxy, type LocalProxyOptions, openLocalProxy } from "../../../src/local-proxy/local-proxy.ts";
import { eventually } from "../../support/eventually.ts";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of opened.splice(0).toReversed()) await end();
});
const directory = mkdtempSync(join(tmpdir(), "postern-local-"));
after(() => rmSync(directory, { recursive: true }));

/** What stands for an agent: it does with a connection whatever the test says. */
async function agentOf(serve: (socket: Socket) => void): Promise<() => Promise<Socket>> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on("error", () => undefined));
    serve(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  opened.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return async () => {
    const socket = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    return socket;
  };
}

async function proxyOf(open: LocalProxyOptions["open"], more: Partial<LocalProxyOptions> = {}): Promise<LocalProxy> {
  const proxy = await openLocalProxy({
    address: { port: 0 },
    open,
    onRefused: () => undefined,
    clock: systemClock,
    random: () => 0,
    ...more,
  });
  opened.push(() => proxy.close());
  return proxy;
}
function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === "::1") === true);
}
const portOf = ({ address }: LocalProxy): number => Number(address.split(":")[1]);

describe("a local port", () => {
  it("is on loopback only, and joins a client with the agent both ways, each end by itself", async () => {
    const proxy = await proxyOf(
      await agentOf((socket) => {
        // Answers only when all was said.
        let said = 0;
        socket.on("data", (chunk: Buffer) => (said += chunk.length));
        socket.once("end", () => socket.end(`heard ${said}`));
      }),
    );
    assert.match(proxy.address, /^127\.0\.0\.1:\d+$/);
    const client = connect({ port: portOf(proxy), host: "127.0.0.1", allowHalfOpen: true });
    client.end("x".repeat(3_000_000));
    assert.equal(await text(client), "heard 3000000");
  });

  it("shows a client that the agent went away in the middle of an answer", async () => {
    const open = await agentOf((socket) => {
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf of it", () => socket.destroy());
      });
    });
    const proxy = await proxyOf(open);
    const failure = new Promise((resolve, reject) => {
      const asked = request({ port: portOf(proxy), method: "POST", agent: false }, (response) => {
        text(response).then((whole) => reject(new Error(`It looks whole: ${whole}`)), resolve);
      });
      asked.on("error", resolve).end("{}");
    });
    assert.match(String(await failure), /aborted/);
  });

  it("lets go of the agent when the client goes away, and of the client when it is closed", async () => {
    const agents: Socket[] = [];
    const proxy = await proxyOf(
      await agentOf((socket) => {
        socket.resume().once("end", () => socket.destroy());
        agents.push(socket);
      }),
    );
    const first = connect(portOf(proxy), "127.0.0.1");
    first.write("x");
    await eventually(() => agents.length === 1);
    first.resetAndDestroy();
    await eventually(() => agents[0]?.destroyed === true);
    const second = connect(portOf(proxy), "127.0.0.1").on("error", () => undefined);
    second.write("x");
    await eventually(() => agents.length === 2);
    const ended = once(second, "close");
    await proxy.close();
    await ended;
    await assert.rejects(once(connect(portOf(proxy), "127.0.0.1"), "connect"), /ECONNREFUSED/);
  });

  it("says which port is busy, and what to do", async () => {
    const other = createHttp().listen(0, "127.0.0.1");
    await once(other, "listening");
    opened.push(() => other.close());
    const { port } = other.address() as AddressInfo;
    await assert.rejects(
      proxyOf(async () => assert.fail(), { address: { port } }),
      (error: PosternError) => {
        assert.deepEqual(
          [error.code, error.message],
          ["port_busy", `Cannot listen on 127.0.0.1:${port}: another program does`],
        );
        return /--port/.test(error.hint ?? "");
      },
    );
  });

  it("is on both loopback addresses, so that localhost leads to nobody else", { skip: !hasIpv6() }, async () => {
    const proxy = await proxyOf(await agentOf((socket) => void socket.end("hello")));
    for (const host of ["127.0.0.1", "::1"]) assert.equal(await text(connect(portOf(proxy), host)), "hello");
    await proxy.close();
    await assert.rejects(once(connect(portOf(proxy), "::1"), "connect"), /ECONNREFUSED/);
    // Another user of the machine, who would get the requests of clients that ask for localhost.
    const thief = createServer().listen(0, "::1");
    await once(thief, "listening");
    opened.push(() => thief.close());
    const { port } = thief.address() as AddressInfo;
    await assert.rejects(
      proxyOf(async () => assert.fail(), { address: { port } }),
      (error: PosternError) => error.code === "port_busy" && error.message.includes(`[::1]:${port}`),
    );
    // What was opened before it is let go.
    await assert.rejects(once(connect(port, "127.0.0.1"), "connect"), /ECONNREFUSED/);
  });

  it("may be a Unix socket, which is its user's alone, and goes when it is closed", async () => {
    const path = join(directory, "db.sock");
    const proxy = await proxyOf(await agentOf((socket) => void socket.end("hello")), { address: { path } });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(proxy.address, path);
    assert.equal(await text(connect(path)), "hello");
    await assert.rejects(
      proxyOf(async () => assert.fail(), { address: { path } }),
      /another program does/,
    );
    await proxy.close();
    assert.ok(!existsSync(path));
  });

  it("stays open while there is no way to the database, and serves when there is one again", async () => {
    let way: (() => Promise<Socket>) | undefined;
    const refused: string[] = [];
    const proxy = await proxyOf(
      async () => {
        if (way === undefined)
          throw new PosternError("login_required", "The login has ended", { hint: "log in again with postern login" });
        return way();
      },
      { onRefused: ({ code }) => void refused.push(code) },
    );
    const ask = (): Promise<[number | undefined, string]> =>
      new Promise((resolve, reject) => {
        const asked = request({ port: portOf(proxy), method: "POST", agent: false }, (response) => {
          text(response).then((body) => resolve([response.statusCode, body]), reject);
        });
        asked.on("error", reject).end("{}");
      });
    const [status, body] = await ask();
    assert.equal(status, 400);
    assert.deepEqual(JSON.parse(body), {
      __type: "com.amazon.coral.service#AccessDeniedException",
      Message: "The login has ended: log in again with postern login",
    });
    assert.deepEqual(refused, ["login_required"]);
    way = await agentOf((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"));
    });
    assert.deepEqual(await ask(), [200, "{}"]);
  });

  /** A way that fails as told, as often as told; then it is there. */
  async function failingPort(
    codes: string[],
    patience: number,
  ): Promise<{ port: number; refused: string[]; opened: () => number }> {
    const refused: string[] = [];
    let tries = 0;
    const way = await agentOf((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"));
    });
    const proxy = await proxyOf(
      async () => {
        tries++;
        const code = codes.length > 1 ? codes.shift() : codes[0];
        if (code !== "none") throw new PosternError(code ?? "", "It is away");
        return way();
      },
      { patience, onRefused: ({ code }) => void refused.push(code) },
    );
    return { port: portOf(proxy), refused, opened: () => tries };
  }
  const statusAt = (port: number): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const asked = request({ port, method: "POST", agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on("error", reject).end("{}");
    });

  it("waits a moment for a way that is back soon, and says nothing of it", async () => {
    const { port, refused, opened } = await failingPort(["proxy_unreachable", "agents_unreachable", "none"], 60_000);
    assert.equal(await statusAt(port), 200);
    assert.deepEqual([opened(), refused], [3, []]);
  });

  it("answers 503, once, when the moment is over", async () => {
    const { port, refused, opened } = await failingPort(["database_without_agent"], 200);
    assert.equal(await statusAt(port), 503);
    assert.deepEqual(refused, ["database_without_agent"]);
    // Pauses of 50 and 100 ms fit into the moment, a third does not; on a slow machine the second may not.
    assert.ok(opened() === 2 || opened() === 3, String(opened()));
  });

  it("does not wait for what no time mends", async () => {
    for (const code of ["login_required", "agent_untrusted", "user_locked"]) {
      const { port, refused, opened } = await failingPort([code, "none"], 60_000);
      assert.equal(await statusAt(port), 400);
      assert.deepEqual([opened(), refused], [1, [code]]);
    }
  });

  it("stops trying when the client has gone", async () => {
    const { port, refused, opened } = await failingPort(["proxy_unreachable"], 60_000);
    const client = connect(port, "127.0.0.1").on("error", () => undefined);
    await eventually(() => opened() === 2);
    client.resetAndDestroy();
    let before = -1;
    await eventually(async () => {
      if (before === opened()) return true;
      before = opened();
      await new Promise((resolve) => setTimeout(resolve, 600));
      return false;
    });
    assert.deepEqual(refused, []);
  });

  describe("with TLS", () => {
    // Node takes it; its types do not know.
    const HALF_OPEN = { allowHalfOpen: true };
    const echo = (): Promise<() => Promise<Socket>> =>
      agentOf((socket) => {
        let said = 0;
        socket.on("data", (chunk: Buffer) => (said += chunk.length));
        socket.once("end", () => socket.end(`heard ${said}`));
      });
    const tlsPort = async (
      more: Partial<LocalProxyOptions> = {},
    ): Promise<{ proxy: LocalProxy; ca: string; refused: string[] }> => {
      const { authority, certificate, privateKey } = await makeLocalCertificate(systemClock);
      const refused: string[] = [];
      const tls = { certificate, privateKey };
      const onRefused = ({ code }: PosternError): void => void refused.push(code);
      return { proxy: await proxyOf(await echo(), { tls, onRefused, ...more }), ca: authority, refused };
    };

    it("speaks it to who trusts its authority, each end by itself, and to nobody else", async () => {
      const { proxy, ca } = await tlsPort();
      for (const servername of ["localhost", "127.0.0.1"]) {
        const client = connectTls({ port: portOf(proxy), host: servername, ca, ...HALF_OPEN });
        await once(client, "secureConnect");
        client.end("x".repeat(3_000_000));
        assert.equal(await text(client), "heard 3000000");
      }
      const stranger = connectTls({ port: portOf(proxy), host: "localhost" });
      const [error] = (await once(stranger, "error")) as [NodeJS.ErrnoException];
      assert.match(error.code ?? "", /UNABLE_TO_VERIFY|SELF_SIGNED/);
    });

    it("tells who opened it of a client that speaks plain HTTP", async () => {
      const { proxy, refused } = await tlsPort();
      const asked = request({ port: portOf(proxy), method: "POST", agent: false });
      await assert.rejects(once(asked.end("{}"), "response"));
      await eventually(() => refused.length > 0);
      assert.deepEqual(refused, ["plain_http"]);
    });

    it("looks for the access key inside it", async () => {
      const { proxy, ca, refused } = await tlsPort({ accessKeyId: new Secret("the-key") });
      const status = await new Promise((resolve, reject) => {
        const asked = requestTls({ port: portOf(proxy), host: "localhost", ca, method: "POST", agent: false });
        asked.on("response", (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        asked.on("error", reject).end("{}");
      });
      assert.deepEqual([status, refused], [400, ["access_key_wrong"]]);
    });

    it("lets no handshake keep it open", async () => {
      const { proxy } = await tlsPort();
      const client = connect(portOf(proxy), "127.0.0.1").on("error", () => undefined);
      await once(client, "connect");
      const closed = once(client, "close");
      await proxy.close();
      await closed;
    });
  });
});
