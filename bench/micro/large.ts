/** Batches near DynamoDB's limit of 16 MB: time and memory to understand them, beside JSON.parse of the same bytes. */

import { Buffer } from "node:buffer";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { accessesOf, type Place } from "../../src/dynamodb/accesses.ts";
import type { Operation } from "../../src/dynamodb/catalogue.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";

const MEGABYTE = 1024 * 1024;

/** What one item of about so many bytes holds besides its key. */
const KINDS: Readonly<Record<string, (bytes: number) => Record<string, unknown>>> = {
  "one long string": (bytes) => ({ v: { S: "x".repeat(bytes) } }),
  "strings of 100": (bytes) => named(bytes / 120, () => ({ S: "y".repeat(100) })),
  "tiny attributes": (bytes) => named(bytes / 17, () => ({ S: "y" })),
  "a list of tiny values": (bytes) => ({ l: { L: Array.from({ length: bytes / 10 }, () => ({ S: "y" })) } }),
  "nested maps": (bytes) => ({
    l: { L: Array.from({ length: bytes / 40 }, () => ({ M: { a: { M: { b: { N: "1" } } } } })) },
  }),
};

/** A row for each kind: milliseconds at 4 and 16 MB, their ratio to JSON.parse, and memory as a multiple of the body. */
export function largeBatches(operation: Operation, place: Place): string[] {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  return Object.keys(KINDS).map((kind) => {
    const [small, large] = [4, 15.5].map((megabytes) => measured(kind, megabytes, operation, place, collect));
    if (small === undefined || large === undefined) throw new Error("Nothing was measured");
    return [
      kind.padEnd(24),
      `4 MB ${small.ms.toFixed(0).padStart(5)} ms`,
      `16 MB ${large.ms.toFixed(0).padStart(5)} ms`,
      `${(large.ms / large.jsonMs).toFixed(1)} x JSON.parse`,
      `memory ${large.memory.toFixed(2)} x the body (JSON.parse ${large.jsonMemory.toFixed(2)} x)`,
    ].join("  ");
  });
}

interface Measured {
  readonly ms: number;
  readonly jsonMs: number;
  readonly memory: number;
  readonly jsonMemory: number;
}

function measured(kind: string, megabytes: number, operation: Operation, place: Place, collect: () => void): Measured {
  const body = batchOf(kind, megabytes * MEGABYTE);
  const held = <T>(make: () => T): { ms: number; memory: number; made: T } => {
    collect();
    const before = process.memoryUsage();
    const start = performance.now();
    const made = make();
    const ms = performance.now() - start;
    collect();
    const after = process.memoryUsage();
    const bytes = after.heapUsed + after.external - before.heapUsed - before.external;
    return { ms, memory: bytes / body.length, made };
  };
  const json = held(() => JSON.parse(body.toString("utf8")) as unknown);
  const jsonKept = json.made !== undefined;
  const ours = held(() => {
    const request = parseRequest(operation, body);
    return { request, accesses: accessesOf(request, place) };
  });
  if (ours.made.accesses.length !== 1 || !jsonKept) throw new Error("The batch was not understood");
  return { ms: ours.ms, jsonMs: json.ms, memory: ours.memory, jsonMemory: json.memory };
}

function batchOf(kind: string, bytes: number): Buffer {
  const make = KINDS[kind];
  if (make === undefined) throw new Error(`There is no kind "${kind}"`);
  const orders = Array.from({ length: 25 }, (_, at) => ({
    PutRequest: { Item: { id: { S: `user#${at}` }, ...make(Math.floor(bytes / 25) - 100) } },
  }));
  const body = Buffer.from(JSON.stringify({ RequestItems: { orders } }));
  return body.length <= 16 * MEGABYTE ? body : batchOf(kind, bytes * 0.9);
}

function named(count: number, value: () => unknown): Record<string, unknown> {
  return Object.fromEntries(Array.from({ length: Math.floor(count) }, (_, at) => [`a${at}`, value()]));
}
