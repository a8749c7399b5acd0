/** What every store must do, as one suite; the test files beside it run it over each kind of store. */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, it } from "node:test";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { Change, Store, StoredResource, StoredValue, Write } from "../../src/store/store.ts";
import { eventually } from "../support/eventually.ts";

/** A place that stores are opened on. */
export interface StorePlace {
  /** Another instance on the same place, as another process would have it. */
  open(clock?: Clock): Promise<Store>;
  /** Runs what writes, and loses the record of it before the instance that watches has looked. */
  behindTheBackOf(watching: Store, write: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

const NAMES = [
  "a",
  "A",
  "über/straße",
  'quo"te',
  "back\\slash",
  "it's",
  "..",
  "a/b/c",
  "%20 %",
  "50%_",
  "#changes",
  "\u{1f980}",
  "\uffee",
  "e\u0301",
  "é",
  "arn:aws:iam::123456789012:role/ExampleRole",
  "ü".repeat(127) + "x",
  " ",
];
const VALUES: readonly StoredValue[] = [
  null,
  true,
  0,
  -1.5e300,
  "",
  "\u0000\ud800 \u2028",
  [],
  {},
  { kind: "role", spec: { allow: { db_labels: { "*": ["*"] } }, "": [null, [[]]], 2: 1, 1: 2 } },
  JSON.parse('{"__proto__": {"a": 1}, "constructor": "x"}') as StoredValue,
];

class StandingClock implements Clock {
  #now = Date.UTC(2026, 10, 22, 14);

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

/** Declares the suite. */
export function describeStore(title: string, place: () => Promise<StorePlace>, skip: string | false = false): void {
  describe(title, { skip }, () => {
    let at: StorePlace;
    let store: Store;
    const opened: Store[] = [];
    // Each test works in a kind of its own: they share one place.
    let kinds = 0;
    const newKind = (): string => `k${(kinds += 1)}`;
    const another = async (clock: Clock = systemClock): Promise<Store> => {
      const next = await at.open(clock);
      opened.push(next);
      return next;
    };
    const create = async (kind: string, name: string, value: StoredValue = 1): Promise<StoredResource> =>
      only(await store.write([{ op: "create", kind, name, value }]));

    before(async () => {
      at = await place();
      store = await another();
    });
    after(async () => {
      await Promise.all(opened.map((one) => one.close()));
      await at.close();
    });

    it("gives back what was created, put and updated, in other instances too", async () => {
      const kind = newKind();
      const other = await another();
      const first = await create(kind, "a", { n: 1 });
      assert.deepEqual({ ...first, revision: "" }, { kind, name: "a", value: { n: 1 }, revision: "" });
      assert.deepEqual(await other.get(kind, "a"), first);
      const second = only(await other.write([{ op: "put", kind, name: "a", value: { n: 2 }, expiresAt: 9e15 }]));
      assert.deepEqual(await store.get(kind, "a"), second);
      assert.equal(second.expiresAt, 9e15);
      const third = only(
        await store.write([{ op: "update", kind, name: "a", value: { n: 3 }, revision: second.revision }]),
      );
      assert.deepEqual(await other.get(kind, "a"), third);
      assert.equal("expiresAt" in third, false);
      assert.equal(new Set([first.revision, second.revision, third.revision]).size, 3);
      assert.deepEqual(await store.write([{ op: "delete", kind, name: "a" }]), []);
      assert.equal(await other.get(kind, "a"), undefined);
      assert.equal(await store.get(kind, "never"), undefined);
    });

    it("gives an equal write another revision", async () => {
      const kind = newKind();
      const put: Write = { op: "put", kind, name: "a", value: 1 };
      const revisions = [await store.write([put]), await store.write([put])].map((written) => only(written).revision);
      assert.notEqual(revisions[0], revisions[1]);
    });

    it("refuses what does not fit what is there, says what it is about, and changes nothing", async () => {
      const kind = newKind();
      const there = await create(kind, "there");
      const faults: readonly (readonly [Write, string])[] = [
        [{ op: "create", kind, name: "there", value: 2 }, "store_exists"],
        [{ op: "update", kind, name: "there", value: 2, revision: "x" }, "store_conflict"],
        [{ op: "update", kind, name: "absent", value: 2, revision: there.revision }, "store_conflict"],
        [{ op: "delete", kind, name: "there", revision: "x" }, "store_conflict"],
        [{ op: "delete", kind, name: "absent" }, "store_missing"],
        [{ op: "delete", kind, name: "absent", revision: "x" }, "store_missing"],
        [{ op: "expect", kind, name: "there", revision: null }, "store_conflict"],
        [{ op: "expect", kind, name: "there", revision: "x" }, "store_conflict"],
        [{ op: "expect", kind, name: "absent", revision: "x" }, "store_conflict"],
      ];
      for (const [write, code] of faults) {
        // Alone, and among others that would all be possible.
        for (const writes of [
          [write],
          [
            { op: "put", kind, name: "before", value: 1 } as const,
            write,
            { op: "put", kind, name: "after", value: 1 } as const,
          ],
        ]) {
          await assert.rejects(store.write(writes), (error: Error & { code: string; hint: string }) => {
            assert.equal(error.code, code, write.op);
            assert.ok(error.message.includes(`${kind} "${write.name}"`), error.message);
            assert.ok(error.hint !== undefined);
            return true;
          });
        }
      }
      assert.deepEqual(await store.list(kind), [there]);
    });

    it("names the first of several that do not fit", async () => {
      const kind = newKind();
      const writes: Write[] = [
        { op: "put", kind, name: "p", value: 1 },
        { op: "delete", kind, name: "first" },
        { op: "expect", kind, name: "second", revision: "x" },
      ];
      await assert.rejects(store.write(writes), { code: "store_missing" });
      await assert.rejects(store.write(writes.reverse()), { code: "store_conflict" });
    });

    it("does several writes together, and answers in their order", async () => {
      const kind = newKind();
      const [old, gone, held] = [await create(kind, "old"), await create(kind, "gone"), await create(kind, "held")];
      const written = await store.write([
        { op: "put", kind, name: "z", value: "put" },
        { op: "expect", kind, name: "held", revision: held.revision },
        { op: "expect", kind, name: "nobody", revision: null },
        { op: "delete", kind, name: "gone", revision: gone.revision },
        { op: "update", kind, name: "old", value: "updated", revision: old.revision },
        { op: "create", kind, name: "a", value: "created" },
      ]);
      assert.deepEqual(
        written.map(({ name, value }) => [name, value]),
        [
          ["z", "put"],
          ["old", "updated"],
          ["a", "created"],
        ],
      );
      assert.deepEqual(namesOf(await store.list(kind)), ["a", "held", "old", "z"]);
      assert.deepEqual(await store.write([{ op: "expect", kind, name: "held", revision: held.revision }]), []);
      assert.deepEqual(await store.write([]), []);
    });

    it("takes 50 writes in a call and not one more", async () => {
      const kind = newKind();
      const writes = (count: number): Write[] =>
        Array.from({ length: count }, (_, n) => ({ op: "create", kind, name: `n${n}`, value: n }));
      await assert.rejects(store.write(writes(51)), { code: "store_invalid" });
      assert.equal((await store.write(writes(50))).length, 50);
      assert.equal((await store.list(kind)).length, 50);
    });

    it("keeps odd names apart and lists them in the order of their bytes, page by page", async () => {
      const kind = newKind();
      for (const name of NAMES) await create(kind, name, name);
      const inOrder = [...NAMES].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
      assert.notDeepEqual(inOrder, [...NAMES].sort(), "the names tell the two orders apart");
      assert.deepEqual(namesOf(await store.list(kind)), inOrder);
      for (const name of NAMES) assert.equal((await store.get(kind, name))?.value, name);
      for (const limit of [1, 7, 100]) {
        const pages: string[] = [];
        for (let last: string | undefined; ;) {
          const page = await store.list(kind, { limit, ...(last !== undefined && { after: last }) });
          pages.push(...namesOf(page));
          assert.ok(page.length <= limit);
          last = page.at(-1)?.name;
          if (last === undefined) break;
        }
        assert.deepEqual(pages, inOrder);
      }
      assert.deepEqual(namesOf(await store.list(kind, { after: "é", limit: 1 })), [inOrder[inOrder.indexOf("é") + 1]]);
      assert.deepEqual(await store.list(newKind()), []);
    });

    it("keeps every value as it is", async () => {
      const kind = newKind();
      for (const [n, value] of VALUES.entries()) {
        await create(kind, `v${n}`, value);
        assert.equal(JSON.stringify((await store.get(kind, `v${n}`))?.value), JSON.stringify(value));
      }
    });

    it("keeps large values, and refuses larger ones with their size", async () => {
      const kind = newKind();
      const large = "ü".repeat(150_000);
      await create(kind, "large", large);
      assert.equal((await store.get(kind, "large"))?.value, large);
      await assert.rejects(create(kind, "larger", "x".repeat(310_000)), (error: Error & { code: string }) => {
        assert.equal(error.code, "store_invalid");
        assert.match(error.message, /310\d{3} bytes, the most is 307200/);
        return true;
      });
      const many = (count: number): Write[] =>
        Array.from({ length: count }, (_, n) => ({ op: "put", kind, name: `m${n}`, value: "x".repeat(280_000) }));
      await assert.rejects(store.write(many(6)), { code: "store_invalid" });
      await store.write(many(5));
      assert.deepEqual(namesOf(await store.list(kind)), ["large", "m0", "m1", "m2", "m3", "m4"]);
    });

    it("refuses kinds, names and values that it cannot keep", async () => {
      const kind = newKind();
      const put = { op: "put", kind, name: "a", value: 1 } as const;
      const bad: readonly unknown[] = [
        ...["", "A", "_a", "a_", "a__b", "a-b", "ü", "k".repeat(65)].map((name) => ({ ...put, kind: name })),
        ...["", "a\u0000", "a\nb", "\u0085", "\ud800", "x".repeat(256), "ü".repeat(128)].map((name) => ({
          ...put,
          name,
        })),
        ...[undefined, Number.NaN, Infinity, 1n, [undefined], { a: undefined }, new Date(), new Map(), () => 1].map(
          (value) => ({ ...put, value }),
        ),
        { ...put, value: nested(70) },
        ...[-1, 1.5, Number.NaN, 2 ** 60].map((expiresAt) => ({ ...put, expiresAt })),
      ];
      for (const write of bad) {
        await assert.rejects(store.write([write as Write]), { code: "store_invalid" }, describeBad(write));
      }
      await assert.rejects(store.write([put, { op: "expect", kind, name: "a", revision: null }]), {
        code: "store_invalid",
      });
      await assert.rejects(store.get("A", "a"), { code: "store_invalid" });
      await assert.rejects(store.get(kind, ""), { code: "store_invalid" });
      await assert.rejects(store.list("A"), { code: "store_invalid" });
      await assert.rejects(store.list(kind, { after: "" }), { code: "store_invalid" });
      for (const limit of [0, -1, 1.5]) await assert.rejects(store.list(kind, { limit }), { code: "store_invalid" });
      assert.deepEqual(await store.list(kind), []);
    });

    it("shows nobody what has expired, and writes as if it were not there", async () => {
      const kind = newKind();
      const clock = new StandingClock();
      const timed = await another(clock);
      const expiresAt = clock.now() + 1000;
      const written = await timed.write(
        ["a", "b", "c", "d", "e"].map((name) => ({ op: "create", kind, name, value: 1, expiresAt })),
      );
      const revision = written[1]?.revision ?? "";
      clock.advance(1000);
      assert.deepEqual(await timed.list(kind), written, "they live to their last millisecond");
      clock.advance(1);
      assert.equal(await timed.get(kind, "a"), undefined);
      assert.deepEqual(await timed.list(kind, { limit: 3 }), []);
      for await (const resource of timed.snapshot()) assert.notEqual(resource.kind, kind);
      await assert.rejects(timed.write([{ op: "update", kind, name: "b", value: 2, revision }]), {
        code: "store_conflict",
      });
      await assert.rejects(timed.write([{ op: "expect", kind, name: "b", revision }]), { code: "store_conflict" });
      await assert.rejects(timed.write([{ op: "delete", kind, name: "b" }]), { code: "store_missing" });
      await timed.write([
        { op: "expect", kind, name: "a", revision: null },
        { op: "create", kind, name: "b", value: 3 },
        { op: "put", kind, name: "c", value: 3 },
      ]);
      assert.deepEqual(namesOf(await timed.list(kind)), ["b", "c"]);
    });

    it("fills a page with what lives, however much before it has expired", async () => {
      const kind = newKind();
      const clock = new StandingClock();
      const timed = await another(clock);
      await timed.write(
        Array.from({ length: 20 }, (_, n) => ({
          op: "create",
          kind,
          name: `n${String(n).padStart(2, "0")}`,
          value: n,
          ...(n % 10 !== 9 && { expiresAt: clock.now() }),
        })),
      );
      clock.advance(5);
      assert.deepEqual(namesOf(await timed.list(kind, { limit: 2 })), ["n09", "n19"]);
    });

    it("loses no update of 8 concurrent writers", async () => {
      const kind = newKind();
      await create(kind, "counter", 0);
      const rounds = 5;
      const instances = [store, await another(), await another(), await another()];
      const writer = async (own: Store): Promise<void> => {
        for (let done = 0; done < rounds;) {
          const found = await own.get(kind, "counter");
          assert.ok(found !== undefined);
          const value = (found.value as number) + 1;
          try {
            await own.write([{ op: "update", kind, name: "counter", value, revision: found.revision }]);
            done += 1;
          } catch (error) {
            assert.equal((error as { code?: string }).code, "store_conflict");
          }
        }
      };
      await Promise.all([...instances, ...instances].map(writer));
      assert.equal((await store.get(kind, "counter"))?.value, 8 * rounds);
    });

    it("lets one of several creators win", async () => {
      const kind = newKind();
      const instances = [store, await another(), await another()];
      const results = await Promise.allSettled(
        instances.map((own, n) => own.write([{ op: "create", kind, name: "one", value: n }])),
      );
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
      for (const result of results) {
        if (result.status === "rejected") assert.equal((result.reason as { code?: string }).code, "store_exists");
      }
    });

    it("tells those who watch what each instance wrote, in order", async () => {
      const kind = newKind();
      const other = await another();
      await create(kind, "earlier");
      const seen: Change[] = [];
      const own: Change[] = [];
      let gaps = 0;
      const collect = (into: Change[]) => (changes: readonly Change[]) => {
        into.push(...changes.filter((change) => change.kind === kind));
      };
      const end = await other.watch(collect(seen), () => (gaps += 1));
      const endOwn = await store.watch(collect(own), () => (gaps += 1));
      // An instance hears of its own writes without anybody else writing.
      for (let n = 1; n <= 2; n += 1) {
        await create(kind, `own${n}`);
        await eventually(() => own.length === n && seen.length === n);
      }
      for (const list of [seen, own]) list.length = 0;
      const names = Array.from({ length: 30 }, (_, n) => `n${(n * 7) % 30}`);
      for (const name of names) await create(kind, name, name);
      await other.write([
        { op: "delete", kind, name: "n7" },
        { op: "put", kind, name: "n0", value: "again" },
      ]);
      await eventually(() => [seen, own].every((list) => list.at(-1)?.resource?.value === "again"));
      for (const list of [seen, own]) {
        // What was written twice may have come once, at the second.
        const first = names.filter((name) => name !== "n7" && name !== "n0");
        assert.deepEqual(
          list.map(({ name }) => name).filter((name) => name !== "n7" && name !== "n0"),
          first,
        );
        assert.deepEqual(list.at(-2), { kind, name: "n7" });
        assert.deepEqual(list.at(-1)?.resource, await store.get(kind, "n0"));
      }
      assert.equal(gaps, 0);
      await end();
      await endOwn();
      const before = [seen.length, own.length];
      await create(kind, "later");
      const witness: Change[] = [];
      const endWitness = await other.watch(collect(witness), () => undefined);
      await create(kind, "latest");
      await eventually(() => witness.length > 0);
      await endWitness();
      assert.deepEqual([seen.length, own.length], before, "nothing comes after the end");
    });

    it("never shows a later write without an earlier one", async () => {
      const kind = newKind();
      const other = await another();
      const mirror = new Map<string, number>();
      const end = await other.watch(
        (changes) => {
          for (const change of changes) {
            if (change.kind !== kind) continue;
            mirror.set(change.name, change.resource?.value as number);
          }
          // "a" is written before "b" in every round, so that it is never behind it.
          assert.ok((mirror.get("a") ?? 0) >= (mirror.get("b") ?? 0), JSON.stringify([...mirror]));
        },
        () => assert.fail("a gap"),
      );
      for (let n = 1; n <= 40; n += 1) {
        await store.write([{ op: "put", kind, name: "a", value: n }]);
        await store.write([{ op: "put", kind, name: "b", value: n }]);
        if (n % 10 === 0) await sleep(100);
      }
      await eventually(() => mirror.get("b") === 40);
      await end();
    });

    it("tells of a gap when changes were lost, and goes on after it", async () => {
      const kind = newKind();
      const watching = await another();
      const seen: string[] = [];
      let gaps = 0;
      const end = await watching.watch(
        (changes) => seen.push(...changes.filter((change) => change.kind === kind).map(({ name }) => name)),
        () => (gaps += 1),
      );
      await at.behindTheBackOf(watching, async () => {
        await store.write(
          Array.from({ length: 50 }, (_, n) => ({ op: "create", kind, name: `lost${n}`, value: n }) as const),
        );
      });
      await eventually(() => gaps > 0);
      assert.equal((await watching.list(kind)).length, 50);
      await create(kind, "next");
      await eventually(() => seen.includes("next"));
      await end();
    });

    it("gives a snapshot of one moment while others write", async (t) => {
      const kind = newKind();
      const other = await another();
      const pair = (value: number): Write[] =>
        ["a", "m", "z"].map((name) => ({ op: "put", kind, name, value }) as const);
      await store.write(pair(0));
      await store.write(Array.from({ length: 30 }, (_, n) => ({ op: "create", kind, name: `n${n}`, value: n })));
      let stop = false;
      let last = 0;
      t.after(() => {
        stop = true;
      });
      const writing = (async () => {
        while (!stop) {
          await other.write(pair((last += 1)));
          await sleep(1);
        }
      })();
      for (let round = 0; round < 5; round += 1) {
        const values: StoredValue[] = [];
        const all: StoredResource[] = [];
        for await (const resource of store.snapshot()) {
          all.push(resource);
          if (resource.kind === kind && !resource.name.startsWith("n")) {
            values.push(resource.value);
            await sleep(3);
          }
        }
        assert.equal(values.length, 3);
        assert.equal(new Set(values).size, 1, JSON.stringify(values));
        const sorted = [...all].sort((left, right) => compare(left.kind, right.kind) || compare(left.name, right.name));
        assert.deepEqual(all, sorted);
      }
      stop = true;
      await writing;
      assert.ok(last > 5);
    });

    it("ends its watches when it is closed and then refuses everything", async () => {
      const kind = newKind();
      const closing = await at.open();
      let seen = 0;
      const end = await closing.watch(
        () => (seen += 1),
        () => (seen += 1),
      );
      await closing.close();
      await closing.close();
      await create(kind, "a");
      const attempts: readonly (() => Promise<unknown>)[] = [
        () => closing.get(kind, "a"),
        () => closing.list(kind),
        () => closing.write([{ op: "put", kind, name: "a", value: 1 }]),
        () => closing.write([]),
        () =>
          closing.watch(
            () => undefined,
            () => undefined,
          ),
        () => closing.snapshot()[Symbol.asyncIterator]().next(),
      ];
      for (const attempt of attempts) await assert.rejects(attempt, { code: "store_closed" });
      await end();
      assert.equal(seen, 0);
      assert.equal((await store.get(kind, "a"))?.value, 1, "others go on");
    });
  });
}

function only(written: readonly StoredResource[]): StoredResource {
  const [first] = written;
  assert.ok(first !== undefined && written.length === 1);
  return first;
}

function namesOf(resources: readonly StoredResource[]): string[] {
  return resources.map(({ name }) => name);
}

function compare(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

function nested(depth: number): StoredValue {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

function describeBad(write: unknown): string {
  const { kind, name, value } = write as Record<string, unknown>;
  return `${String(kind)} ${String(name)} ${typeof value}`;
}
