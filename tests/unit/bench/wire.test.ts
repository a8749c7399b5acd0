import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { connect, createServer } from "node:tls";
import { AnswerReader, type AnswerSeen } from "../../../bench/load/answer-reader.ts";
import { tlsIdentity } from "../../../bench/load/certificate.ts";
import { answerBody, OPERATIONS, requestBytes, usualItems } from "../../../bench/load/operations.ts";
import { compiledRoles, resourceFiles, roleSpecs, USUAL_WORLD } from "../../../bench/load/roles.ts";
import { operationOf } from "../../../src/dynamodb/catalogue.ts";
import { parseRequest } from "../../../src/dynamodb/request.ts";

describe("AnswerReader", () => {
  const sized = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  const empty = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nConnection: close\r\n\r\n";
  const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  const read = (...chunks: string[]): AnswerSeen[] => {
    const seen: AnswerSeen[] = [];
    const reader = new AnswerReader((answer) => seen.push(answer));
    // One buffer for all, as the driver has it.
    const shared = Buffer.alloc(1000);
    for (const chunk of chunks) reader.push(shared.subarray(0, shared.write(chunk, "latin1")));
    return seen;
  };
  const good: AnswerSeen = { good: true, bytes: 5, chunked: false, last: false };

  for (const [name, text, wanted] of [
    ["with a length", sized, good],
    ["without a body, after which the connection closes", empty, { good: false, bytes: 0, chunked: false, last: true }],
    ["in chunks", chunked, { good: true, bytes: 15, chunked: true, last: false }],
  ] as const) {
    it(`finds the end of an answer ${name}, wherever it is cut`, () => {
      for (let at = 0; at <= text.length; at++)
        assert.deepEqual(read(text.slice(0, at), text.slice(at)), [wanted], `cut at ${at}`);
      assert.deepEqual(read(...text), [wanted]);
    });

    it(`sees no answer ${name} before its last byte`, () => {
      assert.deepEqual(read(text.slice(0, -1)), []);
    });
  }

  it("finds two answers in one piece", () => {
    assert.deepEqual(read(sized + sized.slice(0, 50), sized.slice(50)), [good, good]);
  });

  it("refuses an answer of which nobody can tell the end", () => {
    assert.throws(() => read("HTTP/1.1 200 OK\r\nserver: x\r\n\r\n"), /without a length/);
  });
});

describe("tlsIdentity()", () => {
  it("is trusted as localhost by who has its CA, and by nobody else", async () => {
    const { ca, cert, key } = tlsIdentity();
    const server = createServer({ cert, key }, (socket) => socket.end());
    server.on("tlsClientError", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    try {
      const trusting = connect({ port, host: "127.0.0.1", servername: "localhost", ca });
      await once(trusting, "secureConnect");
      assert.equal(trusting.authorized, true);
      trusting.destroy();
      for (const options of [{ servername: "localhost" }, { servername: "example.com", ca }])
        await assert.rejects(once(connect({ port, host: "127.0.0.1", ...options }), "secureConnect"));
    } finally {
      server.close();
    }
  });
});

describe("what the bench sends", () => {
  for (const operation of OPERATIONS) {
    it(`has a ${operation} that Postern understands, whose head tells its length`, () => {
      const bytes = requestBytes({ operation, size: 200, items: usualItems(operation) });
      const end = bytes.indexOf("\r\n\r\n");
      const body = bytes.subarray(end + 4);
      assert.ok(bytes.toString("latin1", 0, end).includes(`content-length: ${body.length}`));
      const known = operationOf(`DynamoDB_20120810.${operation}`);
      assert.ok(known !== undefined);
      assert.equal(parseRequest(known, body).operation.name, operation);
    });
  }

  it("has items of the size that is asked for, within a tenth", () => {
    for (const size of [200, 4_096, 400_000]) {
      const put = requestBytes({ operation: "PutItem", size, items: 1 }).toString("latin1").split("\r\n\r\n")[1] ?? "";
      const item = JSON.stringify((JSON.parse(put) as { Item: object }).Item).length;
      const got = JSON.stringify(
        (JSON.parse(answerBody({ operation: "GetItem", size, items: 1 }).toString()) as { Item: object }).Item,
      ).length;
      for (const length of [item, got]) assert.ok(Math.abs(length - size) <= size / 10, `${length} of ${size}`);
    }
  });

  it("loads as many roles as the cell says, in files that Postern takes", () => {
    const world = { ...USUAL_WORLD, roles: 10_000 };
    assert.equal(roleSpecs(world).length, 10_000);
    assert.equal(Object.keys(compiledRoles({ ...world, roles: 1_000 }).postern.compiled.roles).length, 1_000);
    const files = [...resourceFiles(world).values()];
    assert.ok(files.every((text) => Buffer.byteLength(text) < 1024 * 1024));
    assert.equal(files.join("\n---\n").split("\n---\n").length, 10_001);
  });
});
