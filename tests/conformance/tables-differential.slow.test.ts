import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Access } from "../../src/dynamodb/accesses.ts";
import { missing, type Peer, startDynamoDbLocal } from "../support/peers.ts";
import { type Asked, Asking, type Meddling } from "./differential/asking.ts";
import { type Answer, Dynamo } from "./differential/dynamo.ts";
import { isAbout } from "./differential/promises.ts";
import { Random } from "./differential/random.ts";
import type { Request } from "./differential/requests.ts";
import { ACTIONS, documentsOf, type Person, tablePersonOf } from "./differential/roles.ts";
import { bareName, listed, LISTS, nextListed, TABLE_OPERATIONS, tableRequest } from "./differential/table-requests.ts";
import { NAMES, stateOf, STREAMS, type TableStates, TableWorld, timeless } from "./differential/table-world.ts";

const CASES = Math.ceil(Number(process.env["POSTERN_DIFF_CASES"] ?? 1_200) / 4);
const SEED = Number(process.env["POSTERN_DIFF_SEED"] ?? 20_261_123) + 8_000_000;
/** Pages of one list. */
const MOST_PAGES = 100;
/** How often each way of being wrong must be noticed, and after how many requests it is given up. */
const NOTICED = 3;
const ATTEMPTS = 600;

/** Whether the person's roles allow this to be done with the table. */
function mayDo(person: Person, action: string, table: string): boolean {
  return (
    person.roles.some(({ allow }) =>
      (allow ?? [{ actions: ["*"] }]).some((rule) => isAbout(rule, [action], { table, index: null }, person, false)),
    ) && !isDenied(person, action, table)
  );
}

function isDenied(person: Person, action: string, table: string): boolean {
  return person.roles.some(({ deny }) =>
    deny.some((rule) => isAbout(rule, [action], { table, index: null }, person, true)),
  );
}

/** Actions that a role without rules allows, and no glob. */
const NAMED_ONLY = ["TagResource", "PutResourcePolicy"];

/** Whether a list may show the table: there is more to be done with it than to list it, and the list is not denied of it. */
function mayKnow(person: Person, list: string, table: string): boolean {
  if (isDenied(person, list, table)) return false;
  if (ACTIONS.some((action) => !action.startsWith("List") && mayDo(person, action, table))) return true;
  const isFree = person.roles.some(({ allow }) => allow === undefined);
  return isFree && NAMED_ONLY.some((action) => !isDenied(person, action, table));
}

/** Tables whose names stand in a text as a whole. */
function tablesIn(text: string): string[] {
  return NAMES.filter((name) => new RegExp(`(?<![\\w.-])${name.replace(".", "\\.")}(?![\\w.-])`).test(text));
}

describe("a gateway in front of tables and streams of DynamoDB Local", async () => {
  const reason = await missing("dynamodbLocal", "java");
  let peer: Peer | undefined;
  let dynamo: Dynamo;
  let world: TableWorld;
  let asking: Asking | undefined;
  const people = Array.from({ length: Math.ceil(CASES / 4) }, (_, at) =>
    tablePersonOf(`person-${at}`, new Random(SEED + at)),
  );
  /** Tables that policy was told of since it was last emptied. */
  const told = new Set<string>();
  const spy: Meddling = {
    name: "spy",
    lie: ({ table }) => {
      if (table !== null) told.add(table);
      return undefined;
    },
  };

  before(async () => {
    if (reason !== false) return;
    peer = await startDynamoDbLocal();
    dynamo = new Dynamo(peer.url);
    world = new TableWorld(dynamo);
    asking = await Asking.start(peer.url, documentsOf(people));
  });
  after(async () => {
    await asking?.close();
    await peer?.close();
  });

  /** Asks once, or of a list for all its pages: then the answer holds its entries, each once, in an order of their own. */
  async function ask(person: Person, request: Request, meddling: Meddling): Promise<Asked & { readonly text: string }> {
    const first = await (asking as Asking).ask(person.name, request, meddling);
    const text = JSON.stringify(first.answer);
    if (!LISTS.includes(bareName(request.operation)) || first.status !== 200) return { ...first, text };
    const entries = new Set(listed(first.answer));
    let all = text;
    let page: Answer = first.answer;
    for (let pages = 0; pages < MOST_PAGES; pages++) {
      const next = nextListed(request, page);
      if (next === undefined) break;
      const asked = await (asking as Asking).ask(person.name, next, meddling);
      page = asked.answer;
      for (const entry of listed(page)) entries.add(entry);
      all += JSON.stringify(page);
    }
    assert.equal(nextListed(request, page), undefined, "a list does not end");
    // DynamoDB Local turns the order of streams within a page.
    return { ...first, answer: { entries: [...entries].toSorted((one, other) => (one < other ? -1 : 1)) }, text: all };
  }

  /** A request, or one for the records behind an iterator that somebody was given, or that nobody was. */
  async function requestFor(person: Person, random: Random): Promise<Request & { forged?: boolean }> {
    if (random.chance(0.8)) return tableRequest(random, world);
    const table = random.pick(NAMES);
    const StreamArn = (await world.streamsOf(table)).at(-1);
    if (StreamArn === undefined) return tableRequest(random, world);
    const body = { StreamArn, ShardId: await world.shardOf(StreamArn), ShardIteratorType: "TRIM_HORIZON" };
    const operation = `${STREAMS}.GetShardIterator`;
    const given = async (from: Promise<Answer>): Promise<string | undefined> =>
      (await from)["ShardIterator"] as string | undefined;
    const own = await given((asking as Asking).ask(person.name, { operation, body }).then(({ answer }) => answer));
    const raw = (await given(dynamo.must(operation, body))) ?? "";
    const other = random.pick(NAMES);
    const forged = [
      raw,
      raw.replace(`table/${table}/`, `table/${other}/`),
      own?.replace(`table/${table}/`, `table/${other}x/`),
    ];
    const ShardIterator = own === undefined || random.chance(0.3) ? (random.pick(forged) ?? raw) : own;
    return { operation: `${STREAMS}.GetRecords`, body: { ShardIterator }, forged: ShardIterator !== own };
  }

  /** What is wrong with what became of a request; undefined when it was not sent on. */
  async function examined(
    person: Person,
    request: Request,
    states: TableStates,
    random: Random,
    meddling: Meddling,
  ): Promise<{ readonly faults: string[]; readonly asked: Asked }> {
    const before = await world.look();
    told.clear();
    const asked = await ask(person, request, meddling);
    const after = await world.look();
    const changed = NAMES.filter((name) => before.get(name) !== after.get(name));
    for (const name of changed) world.changed(name);
    const faults: string[] = [];
    if (asked.sends === 0) {
      for (const name of changed) faults.push(`${name} changed, and nothing was sent`);
      return { faults, asked };
    }
    if (asked.isDenied) faults.push("it was denied, and sent");
    const action = bareName(request.operation);
    const toldNow = new Set(told);
    for (const name of changed) {
      if (!toldNow.has(name)) faults.push(`${name} changed, and policy was not told of it`);
      if (!mayDo(person, action, name)) faults.push(`${name} changed, and no role allows it`);
    }
    const isList = LISTS.includes(action);
    const shows = (name: string): boolean => (isList ? mayKnow(person, action, name) : mayDo(person, action, name));
    for (const name of tablesIn(asked.text)) {
      if (!isList && !toldNow.has(name)) faults.push(`${name} is shown, and policy was not told of it`);
      if (!shows(name)) faults.push(`${name} is shown, and no role allows it`);
    }
    // Tables that are none of the caller's business become others: the answer must not.
    const others = new Map(states);
    for (const name of NAMES) if (!shows(name)) others.set(name, stateOf(random));
    await world.hold(others);
    const again = await ask(person, request, meddling);
    const seen = await world.look();
    for (const name of NAMES) if (seen.get(name) !== before.get(name)) world.changed(name);
    const [one, two] = [timeless(asked.answer), timeless(again.answer)];
    if (one !== two) faults.push(`the answers differ: ${one} and ${two}`);
    return { faults, asked };
  }

  function statesFor(random: Random): TableStates {
    return new Map(NAMES.map((name) => [name, random.chance(0.6) ? DEFAULT : stateOf(random)]));
  }

  it(
    "changes and shows the tables that policy was told of and roles allow, and no others",
    { skip: reason },
    async () => {
      const outcomes = new Map<string, number>();
      const count = (what: string): void => void outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
      for (let number = 0; number < CASES; number++) {
        const random = new Random(SEED + 1_000 + number);
        const person = people[number % people.length] as Person;
        const states = statesFor(random);
        await world.hold(states);
        const request = await requestFor(person, random);
        const { faults, asked } = await examined(person, request, states, random, spy);
        const context = `seed ${SEED + 1_000 + number}: ${JSON.stringify(request)}\nby ${JSON.stringify(person)}\n${JSON.stringify(asked)}`;
        assert.deepEqual(faults, [], context);
        if (request.forged === true) assert.deepEqual([asked.isDenied, asked.sends], [true, 0], context);
        const { isDenied, sends, status } = asked;
        const outcome = isDenied ? "denied" : sends === 0 ? "rejected" : status === 200 ? "allowed" : "failed";
        count(`${bareName(request.operation)} ${outcome}`);
      }
      process.stderr.write(
        `tables: ${CASES} requests\n  ${[...outcomes]
          .map((pair) => pair.join(": "))
          .toSorted()
          .join("\n  ")}\n`,
      );
      for (const operation of [...TABLE_OPERATIONS, "GetRecords"])
        for (const outcome of ["allowed", "denied"])
          assert.ok((outcomes.get(`${operation} ${outcome}`) ?? 0) > 0, `no ${operation} was ${outcome}`);
    },
  );

  it("would be noticed to be wrong about tables and lists", { skip: reason }, async () => {
    const wrongs: Record<string, Meddling> = {
      "one table is taken for another": {
        name: "another",
        lie: (access: Access) => (access.table === null ? undefined : { ...access, table: "alpha" }),
      },
      "lists hide nothing": { name: "all", showsAll: true },
    };
    for (const [wrong, meddling] of Object.entries(wrongs)) {
      let noticed = 0;
      for (let number = 0; number < ATTEMPTS && noticed < NOTICED; number++) {
        const random = new Random(SEED + 500_000 + number);
        const person = random.pick(people);
        const states = statesFor(random);
        await world.hold(states);
        const request = await tableRequest(random, world);
        const { faults } = await examined(person, request, states, random, meddling);
        if (faults.length > 0) noticed += 1;
      }
      assert.ok(noticed >= NOTICED, `"${wrong}" was noticed ${noticed} times`);
    }
  });
});

const DEFAULT = { stream: true, index: false, ttl: false, isProtected: false, items: 2 };
