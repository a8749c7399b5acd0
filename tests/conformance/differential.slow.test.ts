import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, describe, it } from "node:test";
import { type Access, understand } from "../../src/dynamodb/accesses.ts";
import { OPERATIONS } from "../../src/dynamodb/catalogue.ts";
import { schemaOfAnswer } from "../../src/dynamodb/describe.ts";
import type { SchemaLookup, TableSchema } from "../../src/dynamodb/key-schema.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";
import { RequestError } from "../../src/dynamodb/request-error.ts";
import { missing, type Peer, startDynamoDbLocal } from "../support/peers.ts";
import { type Request, requestOf } from "./differential/generator.ts";
import { leaks, misattributed } from "./differential/oracle.ts";
import { mutate } from "./differential/mutations.ts";
import { Random } from "./differential/random.ts";
import { Dynamo, TABLES, worldOf } from "./differential/world.ts";

const CASES = Number(process.env["POSTERN_DIFF_CASES"] ?? 3_000);
const MUTANTS = CASES * 2;
const SEED = Number(process.env["POSTERN_DIFF_SEED"] ?? 20_261_123);
const PLACE = {
  partition: "aws",
  region: "us-east-1",
  accountId: "123456789012",
  aliases: [{ region: "ddblocal", accountId: "000000000000" }],
};

/** What we refuse though DynamoDB Local takes it, and why that is right. */
const STRICTER: readonly { readonly words: RegExp; readonly why: string }[] = [];

function accessesOf({ operation, body }: Request, schemas: SchemaLookup): readonly Access[] | RequestError {
  return accessesOfBytes(operation, Buffer.from(JSON.stringify(body)), schemas);
}

function accessesOfBytes(operation: string, bytes: Buffer, schemas: SchemaLookup): readonly Access[] | RequestError {
  const row = OPERATIONS.find(({ name }) => name === operation);
  assert.ok(row !== undefined);
  const before = Buffer.from(bytes);
  try {
    const { accesses } = understand(parseRequest(row, bytes), PLACE, schemas);
    assert.deepEqual(bytes, before, "what is sent must be what was parsed");
    return accesses;
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
}

/** A lie about one access: what the oracle must notice. */
const LIES: Readonly<Record<string, (access: Access) => Access | undefined>> = {
  "a read attribute is left out": (access) =>
    access.attributes_known && access.reads.length > 0
      ? {
          ...access,
          reads: access.reads.slice(1),
          attributes: access.attributes.filter((name) => name !== access.reads[0]),
        }
      : undefined,
  "a written attribute is left out": (access) =>
    access.attributes_known && !access.whole_item && access.writes.length > 0
      ? {
          ...access,
          writes: access.writes.slice(1),
          attributes: access.attributes.filter((name) => name !== access.writes[0]),
        }
      : undefined,
  "all attributes are said to be known": (access) =>
    access.attributes_known ? undefined : { ...access, attributes_known: true },
  "a partition is left out": (access) =>
    access.keys_known && access.leading_keys.length > 0
      ? { ...access, leading_keys: access.leading_keys.slice(1) }
      : undefined,
  "keys are said to be known": (access) =>
    access.keys_known ? undefined : { ...access, keys_known: true, leading_keys: ["a"] },
  "an index's keys are said to be the table's own": (access) =>
    access.keys_known && access.own_keys === false ? { ...access, own_keys: true } : undefined,
  "items are said to stay": (access) => (access.whole_item ? { ...access, whole_item: false } : undefined),
};

describe("what policy is told, against DynamoDB Local", async () => {
  const reason = await missing("dynamodbLocal", "java");
  let peer: Peer | undefined;
  let dynamo: Dynamo;
  const known = new Map<string, TableSchema>();

  before(async () => {
    if (reason !== false) return;
    peer = await startDynamoDbLocal();
    dynamo = new Dynamo(peer.url);
    await dynamo.create();
    for (const { TableName } of TABLES) {
      const answer = await dynamo.call("DescribeTable", { TableName });
      const schema = schemaOfAnswer(Buffer.from(JSON.stringify(answer)), TableName);
      assert.ok(schema !== undefined);
      known.set(TableName, schema);
    }
  });
  after(async () => peer?.close());
  const schemas: SchemaLookup = { schemaOf: (table) => known.get(table) };

  it("is all that requests read, change and depend on", { skip: reason }, async () => {
    const outcomes = new Map<string, number>();
    const refused = new Map<string, string>();
    const tally = { proven: 0, ran: 0, own: 0, others: 0 };
    for (let number = 0; number < CASES; number++) {
      const seed = SEED + number;
      const random = new Random(seed);
      const world = worldOf(random);
      const request = requestOf(random);
      const accesses = accessesOf(request, schemas);
      if (accesses instanceof RequestError) {
        await dynamo.hold(world);
        const answer = await dynamo.call(request.operation, request.body);
        await dynamo.held();
        if (answer["__type"] === undefined && !STRICTER.some(({ words }) => words.test(accesses.message))) {
          refused.set(accesses.message, JSON.stringify(request));
        }
        continue;
      }
      for (const { leading_keys } of accesses) {
        // Of numbers, the generator's odd spellings must come as the one that rules compare with.
        for (const key of leading_keys) assert.match(key, /^(?:[a-z]+|[1-4])$/, JSON.stringify(request));
      }
      assert.deepEqual(misattributed(accesses), [], JSON.stringify(request));
      for (const { index, own_keys, keys_known } of accesses) {
        if (index !== null && keys_known) tally[own_keys === true ? "own" : "others"] += 1;
      }
      const { faults, answer } = await leaks(dynamo, request, accesses, world, random);
      const error = String((answer["__type"] as string | undefined) ?? "success").replace(/^.*#/, "");
      const outcome = `${request.operation} ${error}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      assert.deepEqual(faults, [], `seed ${seed}: ${JSON.stringify(request)}\ntold ${JSON.stringify(accesses)}`);
      if (error !== "ValidationException") {
        tally.ran += 1;
        if (accesses.some((access) => access.keys_known || access.attributes_known)) tally.proven += 1;
      }
    }
    assert.deepEqual([...refused], [], "refused here, taken there");
    process.stderr.write(
      `differential: ${CASES} requests, ${tally.ran} executed, ${tally.proven} with proven keys or attributes\n${[
        ...outcomes,
      ]
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
        .map(([outcome, count]) => `  ${outcome}: ${count}`)
        .join("\n")}\n`,
    );
    assert.ok(tally.ran >= CASES / 2, `only ${tally.ran} of ${CASES} requests were executed`);
    assert.ok(Math.min(tally.own, tally.others) >= CASES / 100, `of indexes ${JSON.stringify(tally)}`);
    assert.ok(tally.proven >= tally.ran * 0.6, `only ${tally.proven} had anything proven`);
    const succeeded = new Set(
      [...outcomes.keys()].filter((each) => each.endsWith("success")).map((each) => each.split(" ")[0]),
    );
    assert.equal(succeeded.size, 13, [...succeeded].join(", "));
  });

  it("is all that is touched by requests with damaged bytes too, or they are refused", { skip: reason }, async () => {
    const tally = { refused: 0, taken: 0, executed: 0 };
    for (let number = 0; number < MUTANTS; number++) {
      const seed = SEED + 2_000_000 + number;
      const random = new Random(seed);
      const world = worldOf(random);
      const { operation, body } = requestOf(random);
      const bytes = mutate(Buffer.from(JSON.stringify(body)), random);
      const accesses = accessesOfBytes(operation, bytes, schemas);
      if (accesses instanceof RequestError) {
        tally.refused += 1;
        continue;
      }
      tally.taken += 1;
      const { faults, answer } = await leaks(dynamo, { operation, body: bytes }, accesses, world, random);
      assert.deepEqual(faults, [], `seed ${seed}: ${operation} ${bytes.toString()}\ntold ${JSON.stringify(accesses)}`);
      if (answer["__type"] === undefined) tally.executed += 1;
    }
    process.stderr.write(
      `damaged bytes: ${MUTANTS} bodies, ${tally.refused} refused, ${tally.taken} taken, ${tally.executed} of them executed\n`,
    );
    assert.ok(tally.refused > MUTANTS / 10 && tally.executed > MUTANTS / 50, JSON.stringify(tally));
  });

  it("would be noticed if it were a lie, of every kind", { skip: reason }, async () => {
    const caught = new Map<string, number>(Object.keys(LIES).map((kind) => [kind, 0]));
    for (let number = 0; number < CASES && [...caught.values()].some((count) => count < 3); number++) {
      const random = new Random(SEED + 1_000_000 + number);
      const world = worldOf(random);
      const request = requestOf(random);
      const accesses = accessesOf(request, schemas);
      if (accesses instanceof RequestError) continue;
      const kind = random.pick([...caught].filter(([, count]) => count < 3).map(([each]) => each));
      const at = random.below(accesses.length);
      const lie = LIES[kind]?.(accesses[at] as Access);
      if (lie === undefined) continue;
      const { faults } = await leaks(dynamo, request, accesses.with(at, lie), world, random);
      if (faults.length > 0) caught.set(kind, (caught.get(kind) ?? 0) + 1);
    }
    for (const [kind, count] of caught) assert.ok(count >= 3, `"${kind}" was noticed ${count} times`);
  });
});
