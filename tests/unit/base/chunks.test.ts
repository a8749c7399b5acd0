import { deepEqual, equal, ok } from "node:assert/strict";
import { describe, it } from "node:test";
import { Chunks } from "../../../src/base/chunks.ts";

describe("Chunks", () => {
  it("gives back all bytes in their order, once, and one piece as it is", () => {
    const chunks = new Chunks();
    const sizes = [1, 0, 70_000, 3, ...Array.from({ length: 2000 }, (_, at) => (at * 7919) % 5000)];
    const all = Buffer.from(sizes.flatMap((size, at) => Array.from({ length: size }, (_, byte) => (byte + at) % 251)));
    let at = 0;
    for (const size of sizes) chunks.push(all.subarray(at, (at += size)));
    equal(chunks.size, all.length);
    ok(all.equals(chunks.take()));
    equal(chunks.take().byteLength, 0);
    const piece = Buffer.from("whole");
    chunks.push(piece);
    equal(chunks.take(), piece);
  });

  it("holds a body that comes byte by byte in few objects, and large pieces as they are", () => {
    const chunks = new Chunks();
    for (let at = 0; at < 1_048_576; at++) chunks.push(Buffer.of(at % 256));
    ok(chunks.objects <= 4096 + 256);
    const whole = chunks.take();
    deepEqual([whole.byteLength, whole[70_000]], [1_048_576, 70_000 % 256]);
    const large = Buffer.alloc(65_536);
    for (let at = 0; at < 300; at++) chunks.push(large);
    equal(chunks.objects, 300);
  });
});
