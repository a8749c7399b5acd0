import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, describe, it } from "node:test";
import type { Access } from "../../src/dynamodb/accesses.ts";
import { NO_SCHEMAS, type SchemaLookup } from "../../src/dynamodb/key-schema.ts";
import { RequestError } from "../../src/dynamodb/request-error.ts";
import { missing, type Peer, startDynamoDbLocal } from "../support/peers.ts";
import { Dynamo } from "./differential/dynamo.ts";
import { accessesOf, examine, LIES, schemasOf } from "./differential/lowering.ts";
import { mutate } from "./differential/mutations.ts";
import { Random } from "./differential/random.ts";
import { nextPage, type Request, requestOf } from "./differential/requests.ts";
import { worldOf } from "./differential/world.ts";

const CASES = Number(process.env["POSTERN_DIFF_CASES"] ?? 3_000);
const MUTANTS = CASES * 2;
const SEED = Number(process.env["POSTERN_DIFF_SEED"] ?? 20_261_123);
/** Pages of one search that are followed. */
const MOST_PAGES = 3;

/** What we refuse though DynamoDB Local takes it, and why that is right. */
const STRICTER: readonly { readonly words: RegExp; readonly why: string }[] = [
  { words: /^Invalid Base64: the unused bits/, why: "a rule could be evaded by another spelling of the same bytes" },
  { words: /an index is read by ExecuteStatement alone$/, why: "a batch reads the table, whatever index it names" },
];

describe("what policy is told, against DynamoDB Local", async () => {
  const reason = await missing("dynamodbLocal", "java");
  let peer: Peer | undefined;
  let dynamo: Dynamo;
  let schemas: SchemaLookup;

  before(async () => {
    if (reason !== false) return;
    peer = await startDynamoDbLocal();
    dynamo = new Dynamo(peer.url);
    await dynamo.create();
    schemas = await schemasOf(dynamo);
  });
  after(async () => peer?.close());

  it("is all that requests read, change and depend on", { skip: reason }, async () => {
    const outcomes = new Map<string, number>();
    const refused = new Map<string, string>();
    const tally = { proven: 0, ran: 0, pages: 0, own: 0, others: 0 };
    for (let number = 0; number < CASES; number++) {
      const seed = SEED + number;
      const random = new Random(seed);
      const world = worldOf(random);
      // What is told without any schema must be true as well.
      const lookup = random.chance(0.1) ? NO_SCHEMAS : schemas;
      let request: Request | undefined = requestOf(random);
      for (let page = 0; request !== undefined && page < MOST_PAGES; page++) {
        const accesses = accessesOf(request, lookup);
        if (accesses instanceof RequestError) {
          await dynamo.hold(world);
          const answer = await dynamo.call(request.operation, request.body);
          await dynamo.held();
          if (answer["__type"] === undefined && !STRICTER.some(({ words }) => words.test(accesses.message))) {
            refused.set(accesses.message, JSON.stringify(request));
          }
          break;
        }
        for (const { leading_keys } of accesses) {
          // Of numbers, the generator's odd spellings must come as the one that rules compare with.
          for (const key of leading_keys)
            assert.match(key, /^(?:k[a-d]|[u-w]|1[1-4]|[\w/+]+={0,2})$/, JSON.stringify(request));
        }
        for (const { index, own_keys, keys_known } of accesses) {
          if (index !== null && keys_known) tally[own_keys === true ? "own" : "others"] += 1;
        }
        const { faults, answer } = await examine(dynamo, request, accesses, world, random, {
          scans: lookup !== NO_SCHEMAS,
        });
        const error = String((answer["__type"] as string | undefined) ?? "success").replace(/^.*#/, "");
        const outcome = `${request.operation} ${error}`;
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        assert.deepEqual(faults, [], `seed ${seed}: ${JSON.stringify(request)}\ntold ${JSON.stringify(accesses)}`);
        if (error !== "ValidationException") {
          tally.ran += 1;
          if (accesses.some((access) => access.keys_known || access.attributes_known)) tally.proven += 1;
        }
        request = nextPage(request, answer);
        if (page > 0) tally.pages += 1;
      }
    }
    assert.deepEqual([...refused], [], "refused here, taken there");
    process.stderr.write(
      `differential: ${CASES} requests and ${tally.pages} further pages, ${tally.ran} executed, ${tally.proven} with proven keys or attributes\n${[
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
      const request = { operation, body: mutate(Buffer.from(JSON.stringify(body)), random) };
      const accesses = accessesOf(request, schemas);
      if (accesses instanceof RequestError) {
        tally.refused += 1;
        continue;
      }
      tally.taken += 1;
      const { faults, answer } = await examine(dynamo, request, accesses, world, random);
      const text = `${operation} ${request.body.toString()}`;
      assert.deepEqual(faults, [], `seed ${seed}: ${text}\ntold ${JSON.stringify(accesses)}`);
      if (answer["__type"] === undefined) tally.executed += 1;
    }
    process.stderr.write(
      `damaged bytes: ${MUTANTS} bodies, ${tally.refused} refused, ${tally.taken} taken, ${tally.executed} of them executed\n`,
    );
    assert.ok(tally.refused > MUTANTS / 10 && tally.executed > MUTANTS / 50, JSON.stringify(tally));
  });

  it("would be noticed if it were a lie, of every kind", { skip: reason }, async () => {
    const caught = new Map<string, number>(Object.keys(LIES).map((kind) => [kind, 0]));
    for (let number = 0; number < CASES * 10 && [...caught.values()].some((count) => count < 3); number++) {
      const random = new Random(SEED + 1_000_000 + number);
      const world = worldOf(random);
      const request = requestOf(random);
      const accesses = accessesOf(request, schemas);
      if (accesses instanceof RequestError) continue;
      const at = random.below(accesses.length);
      const lied = (kind: string): Access | undefined => LIES[kind]?.of(accesses[at] as Access, number);
      const kinds = [...caught].filter(([kind, count]) => count < 3 && lied(kind) !== undefined);
      if (kinds.length === 0) continue;
      const [kind] = random.pick(kinds);
      const lie = lied(kind) as Access;
      const by = kind.endsWith("only written") ? "reads" : "attributes";
      const { faults } = await examine(dynamo, request, accesses.with(at, lie), world, random, { by });
      if (faults.length > 0) caught.set(kind, (caught.get(kind) ?? 0) + 1);
    }
    for (const [kind, count] of caught) assert.ok(count >= 3, `"${kind}" was noticed ${count} times`);
  });
});
