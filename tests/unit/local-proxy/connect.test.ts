import assert from "node:assert/strict";
import { createServer, connect, type AddressInfo } from "node:net";
import { it } from "node:test";
import { askForDatabase } from "../../../src/local-proxy/connect.ts";

async function askOf(answer: object): Promise<unknown> {
  const body = JSON.stringify(answer);
  const door = createServer((socket) => {
    socket.once("data", () => socket.end(`HTTP/1.1 403 Forbidden\r\ncontent-length: ${body.length}\r\n\r\n${body}`));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => door.once("listening", resolve));
  try {
    return await askForDatabase(connect((door.address() as AddressInfo).port, "127.0.0.1"), "orders", 5000).catch(
      (error: unknown) => error,
    );
  } finally {
    door.close();
  }
}

it("a door's no is told in its words, with nothing in them that a terminal would take for a command", async () => {
  const { code, message, hint } = (await askOf({
    error: { code: "database_unknown", message: "No \u001b[2Jsuch\ndatabase", hint: "look\u202e" },
  })) as { code: string; message: string; hint: string };
  assert.deepEqual([code, message, hint], ["database_unknown", "No ?[2Jsuch?database", "look?"]);
  for (const odd of [{ error: { code: "\u001b[2J", message: "x" } }, { error: { code: "x" } }, {}, []])
    assert.equal(((await askOf(odd)) as { code: string }).code, "proxy_refused");
  const long = (await askOf({ error: { code: "x", message: "y".repeat(5000) } })) as Error;
  assert.equal(long.message.length, 1000);
});

it("a door that says no and then nothing is not waited for for ever", async () => {
  const door = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\n{"));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => door.once("listening", resolve));
  const asked = askForDatabase(connect((door.address() as AddressInfo).port, "127.0.0.1"), "orders", 200);
  await assert.rejects(asked, { code: "proxy_refused", message: "The proxy does not connect: it answers 503" });
  door.close();
});

it("a door that closes before it is asked is not waited for", { timeout: 20_000 }, async () => {
  const door = createServer((socket) => void socket.destroy()).listen(0, "127.0.0.1");
  await new Promise((resolve) => door.once("listening", resolve));
  const connection = connect((door.address() as AddressInfo).port, "127.0.0.1").resume();
  await new Promise((resolve) => connection.once("close", resolve));
  await assert.rejects(askForDatabase(connection, "orders", 60_000), { code: "proxy_unreachable" });
  door.close();
});
