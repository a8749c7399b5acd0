import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { Agent, request } from "node:https";
import type { Duplex } from "node:stream";
import { afterEach, describe, it } from "node:test";
import { PosternError } from "../../../src/base/errors.ts";
import { MAX_CONNECTIONS } from "../../../src/compose/connection-counts.ts";
import { FrameWriter } from "../../../src/tunnel/frames.ts";
import { headMessage } from "../../../src/tunnel/sdk-request.ts";
import { eventually } from "../../support/eventually.ts";
import {
  agent,
  call,
  door,
  echo,
  endOpened,
  HEADERS,
  opened,
  orders,
  path,
  rawClient,
  rawRequest,
  say,
  token,
} from "../../support/sdk-path.ts";

afterEach(endOpened);

describe("the way of an SDK's request through a door", () => {
  it("carries headers to the letter and in order, the body, the answer, and where it came from", async () => {
    const whole = await path();
    await agent(whole, echo);
    const body = randomBytes(3_000_000);
    const headers = [...HEADERS, "x-AMZ-odd", "a  b", "X-Amz-Odd", "c"];
    const answer = await call(whole, body, headers);
    assert.equal(answer.status, 400);
    assert.equal(answer.headers["x-a"], "b");
    assert.equal(answer.headers["content-length"], String(answer.body.length));
    const got = JSON.parse(answer.body.toString()) as { headers: string[]; address: string; sum: string };
    assert.deepEqual(got.headers.slice(0, headers.length), headers);
    assert.equal(got.address, "127.0.0.1");
    assert.equal(got.sum, createHash("sha256").update(body).digest("hex"));
  });

  it("serves many at once on kept connections, and the API beside them", async () => {
    const whole = await path();
    await agent(whole, echo);
    const pool = new Agent({ keepAlive: true, maxSockets: 4 });
    opened.push(() => pool.destroy());
    const answers = await Promise.all(Array.from({ length: 40 }, (_, at) => call(whole, `${at}`, HEADERS, pool)));
    assert.ok(answers.every(({ status }) => status === 400));
    assert.equal(Object.values(pool.sockets).length + Object.values(pool.freeSockets).flat().length > 0, true);
    const api = await call(whole, "hello", ["Host", "door"]);
    assert.equal(api.body.toString(), "the API: hello");
    await eventually(() => whole.counts.take("alice", "x") !== undefined);
  });

  it("resets no streams: an agent's HTTP/2 ends a tunnel after a thousand resets, and all that is in it", async () => {
    const whole = await path();
    await agent(whole, (stream, headers, body, address) =>
      headers.includes("early")
        ? say(stream, "no", 400).then(() => body.leave())
        : echo(stream, headers, body, address),
    );
    const pool = new Agent({ keepAlive: true, maxSockets: 16 });
    opened.push(() => pool.destroy());
    const early = [...HEADERS, "X-Answer", "early"];
    const calls = Array.from({ length: 1200 }, (_, at) => call(whole, "{}", at % 3 === 0 ? early : HEADERS, pool));
    const statuses = (await Promise.all(calls)).map(({ status }) => status);
    assert.deepEqual(new Set(statuses), new Set([400]));
  });

  it("asks another agent when one does not take it, with the whole request", async () => {
    const whole = await path();
    let asked = 0;
    // Says that it serves orders, and then takes nothing.
    await agent(
      whole,
      async () => assert.fail("it takes none"),
      () => ({ databases: asked++ === 0 ? [orders] : [] }),
    );
    await agent(whole, echo);
    const answer = await call(whole, "hello");
    const { sum } = JSON.parse(answer.body.toString()) as { sum: string };
    assert.equal(sum, createHash("sha256").update("hello").digest("hex"));
  });

  it("asks no other agent when one took it and went away: it may have been executed", async () => {
    const whole = await path();
    let taken = 0;
    const breaks = async (stream: Duplex): Promise<void> => {
      taken++;
      stream.destroy();
    };
    await agent(whole, breaks);
    await agent(whole, breaks);
    const answer = await call(whole);
    assert.deepEqual([answer.status, answer.type], [503, "ServiceUnavailable"]);
    assert.match(answer.body.toString(), /may have been executed/);
    assert.equal(taken, 1);
  });

  it("lets no answer look whole that is not", async () => {
    const whole = await path();
    await agent(whole, async (stream) => {
      const writer = new FrameWriter(stream);
      await writer.write(headMessage({ status: 200, headers: {} }));
      await writer.write(Buffer.from("half"));
      stream.end();
    });
    await assert.rejects(call(whole));
  });

  it("passes an early answer on to who is still sending", async () => {
    const whole = await path();
    await agent(whole, (stream) => say(stream, '{"__type":"a#UnrecognizedClientException"}', 400));
    const answer = await call(whole, randomBytes(8_000_000));
    assert.equal(answer.type, "UnrecognizedClientException");
    assert.equal(answer.headers.connection, "close");
  });

  it("tells the agent when the client goes, and gives its place back", async () => {
    const whole = await path();
    let gone = false;
    await agent(whole, async (stream) => {
      stream.once("close", () => (gone = true));
    });
    const places = Array.from({ length: MAX_CONNECTIONS.user - 1 }, () => whole.counts.take("alice", "192.0.2.1"));
    const asked = request({
      port: whole.port,
      host: "127.0.0.1",
      ca: door.cert,
      method: "POST",
      path: "/",
      agent: false,
      headers: HEADERS as unknown as Record<string, string>,
    });
    asked.on("error", () => undefined).end("{}");
    await eventually(async () => (await call(whole)).type === "ServiceUnavailable");
    assert.match((await call(whole)).body.toString(), /holds 500 connections/);
    asked.destroy();
    await eventually(() => gone);
    await eventually(() => {
      whole.counts.take("alice", "192.0.2.1")();
      return true;
    });
    for (const give of places) give();
  });

  it("waits for an agent longer than clients may be silent, and for clients that read nothing no longer", async () => {
    const whole = await path({ patience: 60_000, timeouts: { silence: 200 } });
    let stuck = false;
    await agent(whole, async (stream) => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      const writer = new FrameWriter(stream);
      await writer.write(headMessage({ status: 200, headers: {} }));
      await writer.write(Buffer.from("late"));
      if (!stuck) return writer.end();
      while (!stream.destroyed) await writer.write(Buffer.alloc(262_144));
    });
    assert.equal((await call(whole)).body.toString(), "late");
    stuck = true;
    const socket = await rawClient(whole);
    socket.pause().write(rawRequest());
    await eventually(() => whole.tunnels.agents()[0]?.connections === 1);
    await eventually(() => whole.tunnels.agents()[0]?.connections === 0);
  });

  it("waits for no agent for ever", async () => {
    const whole = await path();
    await agent(whole, async () => undefined);
    assert.deepEqual([(await call(whole)).type], ["ServiceUnavailable"]);
  });

  it("refuses what is none of these requests, in AWS's words, before an agent is asked", async () => {
    const whole = await path();
    await agent(whole, async () => assert.fail("nothing was to come"));
    const without = (name: string): string[] => HEADERS.filter((_, at) => HEADERS[at - (at % 2)] !== name);
    const target = ["X-Amz-Target", "DynamoDB_20120810.ListTables"];
    assert.equal(
      (await call(whole, "", [...without("Authorization"), ...target])).type,
      "MissingAuthenticationTokenException",
    );
    assert.equal((await call(whole, "", without("X-Amz-Security-Token"))).type, "UnrecognizedClientException");
    assert.equal(
      (await call(whole, "", [...HEADERS, "X-Amz-Security-Token", token])).type,
      "UnrecognizedClientException",
    );
    const large = await call(whole, Buffer.alloc(16 * 1024 * 1024 + 1));
    assert.deepEqual([large.status, large.type], [413, "RequestEntityTooLarge"]);
    for (const [code, type] of [
      ["certificate_expired", "ExpiredTokenException"],
      ["certificate_untrusted", "UnrecognizedClientException"],
      ["surprise", "InternalServerError"],
    ] as const) {
      const other = await path({
        identify: async () => {
          throw new PosternError(code, "why");
        },
      });
      assert.equal((await call(other)).type, type);
    }
  });

  it("says that nobody can read credentials that were made for agents that are gone", async () => {
    const whole = await path();
    await agent(whole, echo, () => ({ sdk: { certificate: "", key_ids: ["0123456789abcdef"] } }));
    const answer = await call(whole);
    assert.equal(answer.status, 503);
    assert.match(answer.body.toString(), /no agent that serves it now can read these credentials/);
    // An older agent says nothing of keys.
    const old = await path();
    await agent(old, echo, () => ({ sdk: undefined }));
    assert.deepEqual(old.tunnels.sdkAgents("orders"), []);
    assert.equal((await call(old)).status, 503);
  });
});
