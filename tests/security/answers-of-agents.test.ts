import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { FrameWriter } from "../../src/tunnel/frames.ts";
import { headMessage, type SdkAnswerHead } from "../../src/tunnel/sdk-request.ts";
import { eventually } from "../support/eventually.ts";
import { agent, call, endOpened, path, rawClient, rawRequest, say } from "../support/sdk-path.ts";

afterEach(endOpened);

const SMUGGLED = '{}HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{"evil":1}';

/** What a client hears that asks twice on one connection, of an agent that lies the first time; whether it was cut. */
async function heardOf(head: SdkAnswerHead, body: string): Promise<{ heard: string; isCut: boolean }> {
  const whole = await path();
  let asked = 0;
  await agent(whole, async (stream, _headers, request) => {
    for await (const _ of request.rest());
    if (asked++ > 0) return await say(stream, "honest", 200);
    const writer = new FrameWriter(stream);
    await writer.write(headMessage(head));
    await writer.write(Buffer.from(body));
    writer.end();
  });
  const socket = await rawClient(whole);
  let [heard, isCut] = ["", false];
  socket
    .setEncoding("latin1")
    .on("data", (chunk: string) => (heard += chunk))
    .once("close", () => (isCut = true));
  socket.write(rawRequest() + rawRequest());
  await eventually(() => isCut || heard.includes("honest"));
  return { heard, isCut };
}

describe("the answer of an agent that lies", () => {
  for (const [what, headers] of [
    ["a length among its headers", { "content-length": "2" }],
    ["an encoding of its own", { "transfer-encoding": "identity", "content-length": "2" }],
  ] as const) {
    it(`is all of it one answer: ${what} is not passed on`, async () => {
      const { heard } = await heardOf({ status: 200, headers }, SMUGGLED);
      assert.doesNotMatch(heard, /content-length: 2\r/i);
      // One chunk, with all of it inside.
      assert.match(heard, /^HTTP\/1\.1 200 OK\r\n[^{]*transfer-encoding: chunked\r\n\r\n33\r\n\{\}HTTP/i);
    });
  }

  it("does not change how the client's connection is used", async () => {
    const headers = { connection: "upgrade", upgrade: "h2c", "keep-alive": "timeout=9999", trailer: "x", "x-a": "b" };
    const { heard } = await heardOf({ status: 200, headers, length: 2 }, "{}");
    assert.match(heard, /x-a: b/);
    assert.doesNotMatch(heard, /upgrade|9999|trailer/i);
  });

  for (const [what, length] of [
    ["longer", 2],
    ["shorter", 1000],
  ] as const) {
    it(`ends the connection when it is ${what} than it says, and is not passed on beyond that`, async () => {
      const { heard, isCut } = await heardOf({ status: 200, headers: {}, length }, SMUGGLED);
      assert.ok(isCut);
      assert.doesNotMatch(heard, length === 2 ? /\{\}HTTP/ : /honest/);
    });
  }

  it("is none with a status that has no body: what came after it would be the next answer", async () => {
    for (const status of [204, 205, 304]) {
      const whole = await path();
      await agent(whole, async (stream) => {
        const writer = new FrameWriter(stream);
        await writer.write(headMessage({ status, headers: {}, length: 2 }));
        await writer.write(Buffer.from("{}"));
        writer.end();
      });
      assert.equal((await call(whole)).status, 503);
    }
  });
});
