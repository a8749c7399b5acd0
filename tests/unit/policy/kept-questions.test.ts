import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import process from "node:process";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { mergeData, Engine } from "../../../src/policy/engine.ts";
import { EvaluationFault } from "../../../src/policy/evaluation-fault.ts";
import type { PolicyAccess, PolicyInput } from "../../../src/policy/input.ts";
import { DECISION_ENTRYPOINT, DEFAULT_FUEL, VISIBLE_ENTRYPOINT } from "../../../src/policy/pdp.ts";
import { areAlike, type Question, questionOfInput, valuesOf, withValues } from "../../../src/policy/question.ts";
import { moduleOf, planMemory, PolicyInstance } from "../../../src/policy/wasm.ts";
import { fixtureBundle, fixtureData, fixtureInput } from "../../support/policy-fixture.ts";

/** An engine that answers every question with its whole input. */
async function echo(maxMemoryBytes?: number, rule = "shown := input"): Promise<Engine> {
  const rego = { "postern/visible/visible.rego": `package postern.visible\n\n${rule}\n` };
  const { wasm, data } = await fixtureBundle({}, rego);
  const fixture = fixtureData({ dev: { exact: ["orders"] } });
  return Engine.load({
    wasm,
    data: mergeData(data, fixture as unknown as Record<string, unknown>),
    fuel: BigInt(DEFAULT_FUEL),
    maxMemoryBytes,
  });
}

/** Asks, and tells whether the question had to be written as text. */
function asked(engine: Engine, input: PolicyInput): { written: boolean; answer: unknown } {
  let written = false;
  const question: Question = questionOfInput(input);
  const counted: Question = {
    ...question,
    text: () => {
      written = true;
      return question.text();
    },
  };
  const answer = engine.ask(
    counted,
    engine.entrypoint(VISIBLE_ENTRYPOINT) ?? -1,
    (text) => JSON.parse(text) as unknown,
  );
  return { written, answer: (answer as { result: unknown }[])[0]?.result };
}

function frozen(input: PolicyInput): PolicyInput {
  return { ...input, user: Object.freeze(input.user), database: Object.freeze(input.database) };
}

const WORDS = ["orders", "", '"', "\\ud800", "\u0000", "\u001f", "é", "ключ", "\u2028", "😀", "a,b", "x".repeat(300)];

/** Numbers that look random and are the same in every run. */
function chooser(seed: number): <T>(from: readonly T[]) => T {
  let state = seed;
  return (from) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    const chosen = from[Math.floor((state / 2_147_483_648) * from.length)];
    if (chosen === undefined) throw new Error("nothing to choose from");
    return chosen;
  };
}

describe("an input in the policy's memory", () => {
  it("is the one that was asked about, whoever asked before, with whatever values", async () => {
    const engine = await echo();
    const choose = chooser(7);
    const users = WORDS.map((name) =>
      Object.freeze({ ...fixtureInput(["dev"], "orders").user, name, traits: { [name]: WORDS } }),
    );
    const databases = WORDS.map((name) => Object.freeze({ ...fixtureInput([], "").database, name }));
    const [access] = fixtureInput([], "orders").request.accesses;
    assert.ok(access !== undefined);
    let unwritten = 0;
    for (let time = 0; time < 3_000; time++) {
      const accesses = Array.from({ length: choose([1, 1, 2]) }, (): PolicyAccess => ({
        ...access,
        table: choose(["orders", "audit"]),
        leading_keys: Array.from({ length: choose([0, 1, 1, 3]) }, () => choose(WORDS)),
        attributes: choose([[], ["a"], ["a", "é"]]),
        full_scan: choose([true, false]),
      }));
      const input = withValues(
        {
          ...fixtureInput([], "orders"),
          user: choose(users),
          database: choose(databases),
          request: { service: "dynamodb", operation: choose(["GetItem", "Query"]), id: "", accesses },
        },
        [
          choose(WORDS),
          choose(WORDS),
          choose(WORDS),
          choose(WORDS),
          choose(WORDS),
          ...accesses.flatMap(({ leading_keys }) => leading_keys),
        ],
      );
      const { written, answer } = asked(engine, input);
      assert.deepEqual(answer, input);
      if (!written) unwritten += 1;
    }
    assert.ok(unwritten > 300, `${unwritten} questions were put into an input that was there`);
  });

  it("is written as text once and then no more, until other things need the room", async () => {
    const engine = await echo(16 * 1024 * 1024);
    const input = frozen(fixtureInput(["dev"], "orders"));
    const twice = [asked(engine, input), asked(engine, { ...input, time: "later" })];
    assert.deepEqual(
      twice.map(({ written }) => written),
      [true, false],
    );
    for (const time of ["a", "b"]) {
      const { written, answer } = asked(engine, { ...input, time });
      assert.deepEqual([written, answer], [false, { ...input, time }]);
    }
    const user = (at: number): PolicyInput["user"] =>
      Object.freeze({
        ...input.user,
        traits: { [`trait-${at}`]: Array.from({ length: 2_000 }, (_, value) => `value-${value}`) },
      });
    let again = 0;
    for (let at = 0; at < 60; at++) {
      const asking = { ...input, user: user(at) };
      const { written, answer } = asked(engine, asking);
      assert.deepEqual(answer, asking);
      if (written) again += 1;
    }
    assert.ok(again >= 2 && again < 60, `${again} of 60 were written again`);
  });

  it("takes no text that is not well-formed, and joins no two halves", async () => {
    const engine = await echo();
    const input = frozen(fixtureInput(["dev"], "orders"));
    const [access] = input.request.accesses;
    assert.ok(access !== undefined);
    const keyed = (...leading_keys: string[]): PolicyInput => ({
      ...input,
      request: { ...input.request, accesses: [{ ...access, leading_keys }] },
    });
    for (let time = 0; time < 3; time++) asked(engine, keyed("a", "b"));
    for (const [one, other] of [
      ["\ud83d", "\ude00"],
      ["\ude00", "x"],
      ["é", "\ud800"],
    ] as const) {
      assert.throws(
        () => asked(engine, keyed(one, other)),
        (error) => error instanceof EvaluationFault && error.code === "policy_failed",
      );
      for (let time = 0; time < 3; time++) assert.deepEqual(asked(engine, keyed("é", "😀")).answer, keyed("é", "😀"));
    }
    assert.throws(() => asked(engine, keyed("a", "x".repeat(4_200_000))), /policy_failed|too long/);
  });

  it("gives way to plain text when there are more kinds of questions, or of resources, than are kept", async () => {
    const engine = await echo();
    const input = frozen(fixtureInput(["dev"], "orders"));
    const [access] = input.request.accesses;
    assert.ok(access !== undefined);
    const about = (change: Partial<PolicyAccess>): boolean => {
      const asking: PolicyInput = {
        ...input,
        request: { ...input.request, accesses: [{ ...access, ...change }] },
      };
      const { written, answer } = asked(engine, asking);
      assert.deepEqual(answer, asking);
      return written;
    };
    const kinds = Array.from({ length: 40 }, (_, at) => ({ attributes: [`a${at}`] }));
    for (const kind of kinds) for (let time = 0; time < 2; time++) about(kind);
    assert.deepEqual(
      kinds.map(about),
      kinds.map((_, at) => at >= 16),
    );
    for (let at = 0; at < 1_030; at++) about({ arn: `arn:${at}` });
    assert.equal(about(kinds[0] ?? {}), true);
  });

  it("keeps nothing of the body that its texts were cut from", async () => {
    const engine = await echo();
    const base = frozen(fixtureInput(["dev"], "orders"));
    const [access] = base.request.accesses;
    assert.ok(access !== undefined);
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const external = (): number => {
      for (let time = 0; time < 4; time++) collect();
      return process.memoryUsage().external;
    };
    const ask = (at: number): void => {
      const body = Buffer.alloc(2 * 1024 * 1024, `an attribute whose name is long ${at}|`).toString("latin1");
      const text = body.slice(0, 40);
      asked(engine, {
        ...base,
        request: { ...base.request, accesses: [{ ...access, table: text, arn: text, attributes: [text] }] },
      });
    };
    ask(0);
    const before = external();
    for (let at = 1; at <= 20; at++) for (let time = 0; time < 3; time++) ask(at);
    const grown = external() - before;
    assert.ok(grown < 8 * 1024 * 1024, `${grown} bytes more`);
  });

  it("is found in whatever words look like the address of its user", async () => {
    const { wasm, data } = await fixtureBundle();
    const module = await moduleOf(wasm);
    const load = (padding: number): PolicyInstance => {
      const text = JSON.stringify(mergeData({ ...data, padding: "x".repeat(padding) }, { postern: {} }));
      return PolicyInstance.load(module, text, planMemory(text.length, undefined));
    };
    // Until what follows the data has addresses that can be text, but for their lowest byte.
    const padding = Array.from({ length: 40 }, (_, at) => at * 2_048).find(
      (each) => (load(each).snapshot().heap & 0xff00) < 0x6000,
    );
    assert.ok(padding !== undefined);
    const { user, ...rest } = fixtureInput(["dev"], "orders");
    // Of some names the address is such a text.
    for (let length = 0; length < 256; length += 32) {
      const instance = load(padding);
      const first = (instance.snapshot().heap + 15) & ~15;
      const words = Array.from({ length: 400 }, (_, at) =>
        [0, 8, 16, 24].map((bit) => ((first + at * 4) >> bit) & 255),
      );
      const lookalikes = String.fromCharCode(...words.filter(([low = 0]) => low < 128).flat());
      const input = frozen({ ...rest, user: { ...user, name: "x".repeat(length) } });
      const accesses = input.request.accesses.map((access) => ({ ...access, attributes: [lookalikes] }));
      const written = new Set<number>();
      for (let time = 0; time < 4; time++) {
        const question = questionOfInput({ ...input, request: { ...input.request, accesses } });
        const text = (): string => {
          written.add(time);
          return question.text();
        };
        instance.evaluate({ ...question, text }, instance.entrypoints[DECISION_ENTRYPOINT] ?? -1, BigInt(DEFAULT_FUEL));
      }
      assert.deepEqual([...written], [0], `with a name of ${length} characters`);
    }
  });

  it("costs a user with many traits no more steps than the user's document does", async () => {
    const engine = await echo(undefined, "shown := input.time");
    const input = fixtureInput(["dev"], "orders");
    const values = Array.from({ length: 19_000 }, (_, at) => `trait-value-${at}`);
    const asking = frozen({ ...input, user: { ...input.user, traits: { values } } });
    for (const time of ["a", "b", "c"]) assert.equal(asked(engine, { ...asking, time }).answer, time);
  });

  it("is not changed by a policy that looks at it with other values", async () => {
    const engine = await echo(
      undefined,
      'shown := input if {\n\t"z" == input.time with input.time as "z"\n\tcount(input.request.accesses) == 0 with input.request.accesses as []\n' +
        '\tinput.user.name == "z" with input.user.name as "z"\n\tinput.new with input.new as true\n}',
    );
    const input = frozen(fixtureInput(["dev"], "orders"));
    for (let time = 0; time < 5; time++) assert.deepEqual(asked(engine, input), { written: time === 0, answer: input });
  });
});

describe("areAlike()", () => {
  it("tells apart inputs that differ in any member but values and what is shared", () => {
    const input = fixtureInput(["dev"], "orders");
    const [access] = input.request.accesses;
    assert.ok(access !== undefined);
    const whole: PolicyInput = {
      ...input,
      request: {
        ...input.request,
        accesses: [
          {
            ...access,
            effects: ["a"],
            reads: ["r"],
            writes: ["w"],
            attributes: ["a"],
            leading_keys: ["k"],
            index: "i",
            select: "s",
          },
        ],
      },
    };
    const copy = structuredClone(whole);
    assert.equal(areAlike(whole, copy), true);
    const valuePaths = new Set([
      ".time",
      ".client.ip",
      ".client.user_agent",
      ".db_user",
      ".request.id",
      ".request.accesses.0.leading_keys.0",
    ]);
    const seen: string[] = [];
    const visit = (node: Record<string, unknown>, path: string): void => {
      for (const [name, value] of Object.entries(node)) {
        const here = `${path}.${name}`;
        if (path === "" && (name === "user" || name === "database")) continue;
        if (typeof value === "object" && value !== null) {
          visit(value as Record<string, unknown>, here);
          if (Array.isArray(value)) {
            (value as unknown[]).push(value[0]);
            assert.equal(areAlike(whole, copy), false, `${here} with one more`);
            (value as unknown[]).pop();
          }
          continue;
        }
        node[name] = typeof value === "boolean" ? !value : typeof value === "number" ? value + 1 : `${String(value)}x`;
        assert.equal(areAlike(whole, copy), valuePaths.has(here), here);
        assert.equal(areAlike(copy, whole), valuePaths.has(here), here);
        node[name] = value;
        seen.push(here);
      }
    };
    visit(copy as unknown as Record<string, unknown>, "");
    assert.equal(areAlike(whole, copy), true);
    assert.equal(seen.length, 8 + Object.keys(whole.request.accesses[0] ?? {}).length);
    const { effects: _, ...without } = whole.request.accesses[0] ?? access;
    assert.equal(areAlike(whole, { ...whole, request: { ...whole.request, accesses: [without] } }), false);
  });

  it("knows the values in the order of their places", () => {
    const input = fixtureInput(["dev"], "orders");
    const values = valuesOf(input).map((_, at) => `v${at}`);
    assert.deepEqual(valuesOf(withValues(input, values)), values);
    assert.equal(areAlike(input, withValues(input, values)), true);
  });
});
