import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Access } from "../../src/dynamodb/accesses.ts";
import type { SchemaLookup } from "../../src/dynamodb/key-schema.ts";
import { RequestError } from "../../src/dynamodb/request-error.ts";
import { missing, type Peer, startDynamoDbLocal } from "../support/peers.ts";
import { type Asked, Asking } from "./differential/asking.ts";
import { Dynamo } from "./differential/dynamo.ts";
import { accessesOf, LIES, schemasOf } from "./differential/lowering.ts";
import { leaks, type Run } from "./differential/oracle.ts";
import { Promises } from "./differential/promises.ts";
import { Random } from "./differential/random.ts";
import { nextPage, type Request, requestOf } from "./differential/requests.ts";
import { shownTooMuch } from "./differential/returned.ts";
import {
  documentsOf,
  hangingOn,
  type Oversight,
  OVERSIGHTS,
  overlooked,
  type Person,
  personOf,
} from "./differential/roles.ts";
import { itemsIn } from "./differential/shown.ts";
import { Usefulness } from "./differential/usefulness.ts";
import { canonical, type World, worldOf } from "./differential/world.ts";

const CASES = Number(process.env["POSTERN_DIFF_CASES"] ?? 1_200);
const SEED = Number(process.env["POSTERN_DIFF_SEED"] ?? 20_261_123);
/** Requests of one person in one world until one is not denied, and pages of it that are followed. */
const TRIES = 6;
const MOST_PAGES = 2;
/** How often each oversight must be noticed, among how many people, and after how many requests it is given up. */
const NOTICED = 3;
const VICTIMS = 12;
const ATTEMPTS = 3_000;

/** Attributes and keys are what most of it is about. */
const HUNG_ON = [...OVERSIGHTS, ...OVERSIGHTS.filter(([, kind]) => kind === "attributes" || kind === "leading_keys")];

/** Somebody, and the user in whose roles something of theirs is overlooked. */
interface Victim {
  readonly person: Person;
  readonly loose: Person;
}

function victimsOf(oversight: Oversight, at: number): Victim[] {
  const random = new Random(SEED + 6_000_000 + at);
  return Array.from({ length: VICTIMS }, (_, number) => {
    const person = hangingOn(`strict-${at}-${number}`, oversight, random);
    return { person, loose: overlooked(person, `loose-${at}-${number}`, oversight) };
  });
}

describe("a gateway in front of DynamoDB Local, with roles about keys and attributes", async () => {
  const reason = await missing("dynamodbLocal", "java");
  let peer: Peer | undefined;
  let dynamo: Dynamo;
  let schemas: SchemaLookup;
  let asking: Asking | undefined;
  // Of every other person the role hangs on one member of rules, so that each kind comes to something.
  const people = Array.from({ length: Math.ceil(CASES / 8) }, (_, at) => {
    const random = new Random(SEED + 5_000_000 + at);
    const kind = at % 2 === 0 ? HUNG_ON[(at / 2) % HUNG_ON.length] : undefined;
    return kind === undefined ? personOf(`person-${at}`, random) : hangingOn(`person-${at}`, kind, random);
  });
  const victims = OVERSIGHTS.map(victimsOf);

  before(async () => {
    if (reason !== false) return;
    peer = await startDynamoDbLocal();
    dynamo = new Dynamo(peer.url);
    await dynamo.create();
    schemas = await schemasOf(dynamo);
    const all = victims.flat().flatMap(({ person, loose }) => [person, loose]);
    asking = await Asking.start(peer.url, documentsOf([...people, ...all]));
  });
  after(async () => {
    await asking?.close();
    await peer?.close();
  });

  const ask: Asking["ask"] = (...how) => (asking as Asking).ask(...how);

  /** Runs a forwarded request once more in another world, and holds the promises of the person's roles against both. */
  async function broken(person: Person, request: Request, first: Run, random: Random, again: () => Promise<Asked>) {
    const bounds = new Promises(person, request, itemsIn(first.answer).length > 0);
    const send = async (): Promise<Run["answer"]> => (await again()).answer;
    return [...(await leaks(dynamo, send, bounds, first, random)), ...shownTooMuch(person, request, first)];
  }

  it("keeps what the roles promise: nothing else is seen, tested or changed", { skip: reason }, async () => {
    const useful = new Usefulness();
    const succeeded = new Map<string, number>();
    const tally = { rejected: 0, pages: 0, tokens: 0 };
    for (let number = 0; number < CASES; number++) {
      const seed = SEED + 4_000_000 + number;
      const random = new Random(seed);
      const person = people[number % people.length] as Person;
      const world = worldOf(random);
      let pages = 0;
      let next: Request | undefined;
      for (let tries = 0; tries < TRIES; tries++) {
        const request = next ?? requestOf(random);
        await dynamo.hold(world);
        const { answer, sends, isDenied } = await ask(person.name, request);
        const context = `seed ${seed}: ${JSON.stringify(request)}\nby ${JSON.stringify(person)}\n${JSON.stringify(answer)}`;
        if (isDenied) {
          assert.equal(sends, 0, `denied, and sent. ${context}`);
          useful.refused(person, String(answer["Message"] as string | undefined));
        }
        if (isDenied || sends === 0) {
          if (!isDenied) tally.rejected += 1;
          // That the tables are as they were is seen when they are next looked at.
          if (next !== undefined) break;
          continue;
        }
        assert.equal(sends, 1, context);
        useful.allowed(person, request);
        if (answer["__type"] === undefined)
          succeeded.set(request.operation, (succeeded.get(request.operation) ?? 0) + 1);
        const first = { answer, before: world, after: await dynamo.held() };
        const faults = await broken(person, request, first, random, () => ask(person.name, request));
        assert.deepEqual(faults, [], context);
        next = nextPage(request, answer);
        if (next === undefined || pages === MOST_PAGES) break;
        pages += 1;
        if (answer["NextToken"] !== undefined) {
          // A token serves nobody else, and nothing else.
          const body = { ...next.body, Statement: `${String(next.body["Statement"] as string)} ` };
          const other = people[(number + 1) % people.length] as Person;
          for (const asked of [await ask(other.name, next), await ask(person.name, { ...next, body })])
            assert.deepEqual([asked.isDenied, asked.sends], [true, 0], context);
          tally.tokens += 1;
        }
      }
      tally.pages += pages;
      await dynamo.hold(world);
      assert.equal(printed(await dynamo.held()), printed(world), `seed ${seed}: denied, and something changed`);
    }
    process.stderr.write(
      `gateway: ${useful.forwarded + useful.denied} requests, ${useful.forwarded} forwarded (${tally.pages} further pages), ` +
        `${useful.denied} denied, ${tally.rejected} rejected; succeeded ${JSON.stringify(Object.fromEntries(succeeded))}\n` +
        [...useful.counts.keys()]
          .toSorted((one, other) => (one < other ? -1 : 1))
          .map((what) => `  ${what}: ${useful.counts.get(what)}\n`)
          .join(""),
    );
    assert.deepEqual(useful.missing(Math.floor(CASES / 500)), []);
    assert.ok(useful.forwarded >= CASES / 2, `only ${useful.forwarded} of ${CASES} cases came to something`);
    assert.ok(tally.tokens > 0, "no token was tried");
    assert.equal(succeeded.size, 13);
  });

  /** Lets the tries go on until each of these has been noticed often enough. */
  async function noticed(
    kinds: readonly string[],
    attempt: (kind: string, random: Random) => Promise<readonly string[]>,
  ): Promise<void> {
    const caught = new Map(kinds.map((kind) => [kind, 0]));
    for (let number = 0; number < ATTEMPTS; number++) {
      const left = kinds.filter((kind) => (caught.get(kind) ?? 0) < NOTICED);
      if (left.length === 0) break;
      const kind = left[number % left.length] as string;
      const faults = await attempt(kind, new Random(SEED + 7_000_000 + number));
      if (faults.length > 0) caught.set(kind, (caught.get(kind) ?? 0) + 1);
    }
    for (const [kind, count] of caught) assert.ok(count >= NOTICED, `"${kind}" was noticed ${count} times`);
  }

  /** What the oracle has to say of a request that is denied as it should be, and goes on in another way. */
  async function betrayed(
    person: Person,
    request: Request,
    random: Random,
    again: () => Promise<Asked>,
  ): Promise<string[]> {
    if (!(await ask(person.name, request)).isDenied) {
      await dynamo.held();
      return [];
    }
    const world = worldOf(random);
    await dynamo.hold(world);
    const { answer, sends } = await again();
    if (sends === 0) return [];
    const first = { answer, before: world, after: await dynamo.held() };
    return broken(person, request, first, random, again);
  }

  /** A request of which policy would be told something like this. */
  function requestThat(random: Random, fits: (accesses: readonly Access[]) => boolean): Request {
    for (let tries = 0; tries < 1_000; tries++) {
      const request = requestOf(random);
      const accesses = accessesOf(request, schemas);
      if (!(accesses instanceof RequestError) && fits(accesses)) return request;
    }
    throw new Error("The grammar makes no such request");
  }

  it("would be noticed if policy overlooked any member of any rule", { skip: reason }, async () => {
    const names = OVERSIGHTS.map(([block, kind]) => `${kind} in ${block}`);
    await noticed(names, async (name, random) => {
      const { person, loose } = random.pick(victims[names.indexOf(name)] ?? []);
      const request = requestOf(random);
      return betrayed(person, request, random, () => ask(loose.name, request));
    });
  });

  it("would be noticed if policy were told lies of any kind", { skip: reason }, async () => {
    const names = Object.keys(LIES).filter((name) => LIES[name]?.harms !== undefined);
    await noticed(names, async (name, random) => {
      const { harms, of = () => undefined } = LIES[name] ?? {};
      const { person } = random.pick(victims.filter((_, at) => OVERSIGHTS[at]?.[1] === harms).flat());
      const at = random.below(5);
      const lie = (access: Access): Access | undefined => of(access, at);
      const request = requestThat(random, (told) => told.some((access) => lie(access) !== undefined));
      return betrayed(person, request, random, () => ask(person.name, request, { name: `${name} ${at}`, lie }));
    });
  });
});

function printed(world: World): string {
  return canonical([...world].map(([table, items]) => [table, Object.fromEntries(items)]));
}
