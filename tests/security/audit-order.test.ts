import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, afterEach, before, describe, it } from "node:test";
import { verifyAudit } from "../../src/audit/verify.ts";
import { PosternError } from "../../src/base/errors.ts";
import type { Upstream } from "../../src/gateway/ports.ts";
import { eventually } from "../support/eventually.ts";
import { auditOf, startTestGateway, type TestGateway } from "../support/gateway.ts";
import { RawClient, requestBytes } from "../support/raw-http.ts";
import { type StubUpstream, stubHttp, stubTcp } from "../support/stub-upstream.ts";

const GET = { TableName: "orders", Key: { id: { S: "ada#1" } } };
type Line = Record<string, unknown>;
const auditDirectory = (gateway: TestGateway): string => join(gateway.directory, "data", "audit");
const requests = (gateway: TestGateway): Line[] =>
  gateway.audit().filter(({ event }) => event === "db.session.dynamodb.request");

describe("invariant 4: the intent is on record before the upstream's first byte", () => {
  let gateway: TestGateway;
  let stub: StubUpstream;
  const atFirstByte: Line[][] = [];
  before(async () => {
    stub = await stubTcp((socket) => {
      let seen = "";
      socket.on("data", (chunk) => {
        if (seen === "") atFirstByte.push(auditOf(auditDirectory(gateway)));
        seen += chunk.toString("latin1");
        const length = Number(/content-length: ([0-9]+)/i.exec(seen)?.[1] ?? Number.NaN);
        if (seen.length < seen.indexOf("\r\n\r\n") + 4 + length) return;
        seen = "";
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
      });
    });
    gateway = await startTestGateway({ uri: stub.url });
  });
  after(async () => {
    await gateway.close();
    await stub.close();
  });

  it("on every request of a connection, with the decision that allowed it", async () => {
    for (let at = 0; at < 5; at++) {
      const { headers } = await gateway.call("GetItem", GET);
      const id = headers.get("x-postern-decision-id");
      const intents = (atFirstByte[at] ?? []).filter(({ decision }) => (decision as { id?: string } | null)?.id === id);
      assert.deepEqual(
        intents.map(({ event, decision }) => [event, (decision as { allow: boolean }).allow]),
        [["db.session.dynamodb.intent", true]],
      );
      assert.equal(gateway.eventOf(id)["uid"], intents[0]?.["uid"]);
    }
  });

  it("also when many are under way at once", async () => {
    atFirstByte.length = 0;
    await Promise.all(Array.from({ length: 40 }, () => gateway.call("GetItem", GET)));
    assert.equal(atFirstByte.length, 40);
    // Each sees at least as many intents as requests had begun when its first byte came.
    for (const [at, lines] of atFirstByte.entries()) {
      const sent = lines.filter(({ event }) => event === "db.session.dynamodb.intent").length - 5;
      assert.ok(sent > at, `${at + 1} requests were sent with ${sent} intents on record`);
    }
    assert.deepEqual((await verifyAudit(auditDirectory(gateway))).findings, []);
  });
});

describe("invariant 4: the event is on record before the answer's last byte", () => {
  let gateway: TestGateway;
  let stub: StubUpstream;
  let size = 0;
  before(async () => {
    stub = await stubHttp((_, response) => {
      response.writeHead(200, { "content-length": size });
      response.end(Buffer.alloc(size, 120));
    });
    gateway = await startTestGateway({ uri: stub.url });
  });
  after(async () => {
    await gateway.close();
    await stub.close();
  });

  for (const [what, bytes] of [
    ["an empty one", 0],
    ["a small one", 100],
    ["one of exactly 64 KiB", 64 * 1024],
    ["a streamed one", 64 * 1024 + 1],
    ["a streamed one of many pieces, read slowly", 8 * 1024 * 1024],
  ] as const) {
    it(`${what}`, async () => {
      size = bytes;
      const ended: boolean[] = [];
      let before = requests(gateway).length;
      const client = await RawClient.open(gateway.port);
      await client.write(requestBytes({ operation: "Scan", body: '{"TableName":"orders"}' }));
      let pieces = 0;
      client.socket.on("data", () => {
        // A reader that stops for breath now and then, so that the answer waits for it everywhere on its way.
        if (++pieces % 20 !== 0) return;
        client.socket.pause();
        setImmediate(() => client.socket.resume());
      });
      await client.until((received) => {
        const text = received.subarray(0, 4096).toString("latin1");
        if (!text.includes("\r\n\r\n")) return false;
        const body = received.length - text.indexOf("\r\n\r\n") - 4;
        if (body < bytes) return false;
        ended.push(requests(gateway).length === before + 1);
        return true;
      });
      assert.deepEqual(ended, [true]);
      before = requests(gateway).length;
      assert.equal(requests(gateway).at(-1)?.["outcome"], "completed");
      client.destroy();
    });
  }

  for (const [what, bytes, comes] of [
    ["nothing of a small answer", 100, 0],
    ["all of a streamed answer but its last piece", 1024 * 1024, 512 * 1024],
  ] as const) {
    it(`${what} leaves while its event waits to be written`, async () => {
      size = bytes;
      const { recorder } = gateway.gateway.services;
      const finish = recorder.finish.bind(recorder);
      let release = (): void => undefined;
      const asked = new Promise<void>((resolve) => {
        recorder.finish = async (request, outcome) => {
          resolve();
          await new Promise<void>((go) => (release = go));
          await finish(request, outcome);
        };
      });
      const client = await RawClient.open(gateway.port);
      try {
        await client.write(requestBytes({ operation: "Scan", body: '{"TableName":"orders"}' }));
        await asked;
        // Time enough for whatever was let go to arrive: others are served meanwhile.
        for (let at = 0; at < 20; at++)
          assert.equal((await gateway.call("DeleteTable", { TableName: "orders" })).status, 400);
        await client.until((received) => payload(received) >= comes);
        assert.ok(payload(client.received) < bytes, "the answer was let go");
        release();
        assert.equal((await client.mustAnswer()).body.length, bytes);
      } finally {
        release();
        recorder.finish = finish;
        client.destroy();
      }
    });
  }

  it("and a streamed answer whose event cannot be written breaks off before its end", async () => {
    size = 300_000;
    const client = await RawClient.open(gateway.port);
    const { recorder } = gateway.gateway.services;
    const finish = recorder.finish.bind(recorder);
    recorder.finish = () => Promise.reject(new PosternError("audit_unavailable", "injected"));
    await client.write(requestBytes({ operation: "Scan", body: '{"TableName":"orders"}' }));
    assert.equal(await client.answer(), "broken");
    recorder.finish = finish;
  });
});

describe("invariant 4: without an audit log nothing is sent", () => {
  let gateway: TestGateway;
  let sent = 0;
  let onSent: () => void = () => undefined;
  before(async () => {
    gateway = await startTestGateway({
      upstream: (real): Upstream => ({
        send: async (request) => {
          sent += 1;
          const response = await real.send(request);
          onSent();
          return response;
        },
        close: () => real.close(),
      }),
    });
    assert.equal((await gateway.call("GetItem", GET)).status, 200);
  });
  after(() => gateway.close());

  /** Breaks the log under the recorder, as an unmounted or full disk would. */
  function breakLog(): void {
    const fail = (): Promise<never> =>
      Promise.reject(new PosternError("audit_unavailable", "injected: /secret/path ENOSPC"));
    Object.assign(gateway.gateway.services.recorder, { begin: fail, finish: fail, record: fail });
  }

  function heal(): void {
    for (const method of ["begin", "finish", "record"])
      Reflect.deleteProperty(gateway.gateway.services.recorder, method);
  }
  afterEach(() => {
    onSent = () => undefined;
    heal();
  });

  it("an allowed request is denied audit_unavailable, and the next one after it heals is served", async () => {
    breakLog();
    sent = 0;
    const { status, body } = await gateway.call("GetItem", GET);
    assert.deepEqual([status, body["__type"], sent], [400, "com.amazon.coral.service#AccessDeniedException", 0]);
    assert.ok(!JSON.stringify(body).includes("secret/path"));
    heal();
    assert.equal((await gateway.call("GetItem", GET)).status, 200);
  });

  it("what policy said of a denied request is not told without a record of it", async () => {
    breakLog();
    const denied = await gateway.call("DeleteTable", { TableName: "orders" });
    const allowed = await gateway.call("GetItem", GET);
    heal();
    const said = [denied, allowed].map(({ status, body, headers }) => [
      status,
      JSON.stringify(body).replaceAll(headers.get("x-postern-decision-id") ?? "-", "D"),
    ]);
    assert.deepEqual(said[0], said[1]);
  });

  it("a log that breaks while DynamoDB executes gives 500, and no success", async () => {
    onSent = breakLog;
    const { status, body } = await gateway.call("GetItem", GET);
    assert.deepEqual([status, body["__type"]], [500, "com.amazonaws.dynamodb.v20120810#InternalServerError"]);
    assert.equal(body["Item"], undefined);
  });
});

describe("invariant 4: a disk that is full", () => {
  it("denies, sends nothing, and serves again when there is space", async (t) => {
    let unmount: (() => void) | undefined;
    const gateway = await startTestGateway({
      prepare: (directory) => (unmount = mountSmallDisk(join(directory, "data"))),
    });
    try {
      if (unmount === undefined) {
        t.skip("mounting a small tmpfs needs root on Linux");
        return;
      }
      assert.equal((await gateway.call("GetItem", GET)).status, 200);
      const ballast = join(gateway.directory, "data", "ballast");
      fill(ballast);
      let answer = await gateway.call("GetItem", GET);
      for (let at = 0; at < 20 && answer.status === 200; at++) answer = await gateway.call("GetItem", GET);
      assert.match(String(answer.body["Message"]), /audit log cannot be written/);
      assert.equal((await gateway.gateway.readiness())["audit"], "the audit log cannot be written");
      gateway.sandbox.forget();
      assert.equal((await gateway.call("GetItem", GET)).status, 400);
      assert.deepEqual(gateway.sandbox.dynamodb.requests, []);
      rmSync(ballast);
      await eventually(async () => (await gateway.call("GetItem", GET)).status === 200);
      assert.equal((await gateway.gateway.readiness())["audit"], null);
      assert.deepEqual((await verifyAudit(auditDirectory(gateway))).findings, []);
    } finally {
      await gateway.gateway.services.recorder.close();
      unmount?.();
      await gateway.close();
    }
  });
});

/** How many bytes of the stub's body are among those received, heads and sizes of chunks left out. */
function payload(received: Buffer): number {
  const head = received.indexOf("\r\n\r\n");
  return head < 0 ? 0 : received.subarray(head).filter((byte) => byte === 120).length;
}

/** Mounts one mebibyte of memory as a disk; returns how to unmount it, or `undefined` where that is not allowed. */
function mountSmallDisk(path: string): (() => void) | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return undefined;
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
  } catch {
    return undefined;
  }
  return () => void execFileSync("umount", ["-l", path]);
}

function fill(path: string): void {
  for (const size of [4096, 512]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(size), { flag: "a" });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }
}
