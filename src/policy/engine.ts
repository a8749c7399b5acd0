/** A policy with its data, ready to be asked: replaces its instance whenever an evaluation went wrong in it. */

import { Buffer } from "node:buffer";

import { PosternError } from "../base/errors.ts";
import { compileModule, EvaluationFault, planMemory, PolicyInstance, type Snapshot } from "./wasm.ts";

export interface EngineOptions {
  readonly wasm: Uint8Array;
  /** The whole of `data`: the bundle's and the roles'. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Units for one evaluation (meter.ts). */
  readonly fuel: bigint;
  /** For data and evaluation together; by default what the data need and 32 MiB. */
  readonly maxMemoryBytes?: number | undefined;
}

/** Which of the two equivalent paths evaluates. */
export type EnginePath = "direct" | "fallback";

export class Engine {
  readonly #module: WebAssembly.Module;
  readonly #snapshot: Snapshot;
  readonly #fuel: bigint;
  readonly #entrypoints: Readonly<Record<string, number>>;
  #instance: PolicyInstance | undefined;
  /** JSON of frozen members of inputs: the user and the database are the same in every question of a session. */
  readonly #texts = new WeakMap<object, string>();
  /** Set by the self-test, before the engine is in force. */
  path: EnginePath = "direct";

  /** Compiles the policy and sets its data. @throws PosternError what wasm.ts throws. */
  static async load(options: EngineOptions): Promise<Engine> {
    const module = await compileModule(options.wasm);
    const data = JSON.stringify(options.data);
    const plan = planMemory(Buffer.byteLength(data), options.maxMemoryBytes);
    const instance = PolicyInstance.load(module, data, plan);
    return new Engine(module, instance, options.fuel);
  }

  /** Use `load`. */
  constructor(module: WebAssembly.Module, instance: PolicyInstance, fuel: bigint) {
    this.#module = module;
    this.#instance = instance;
    this.#snapshot = instance.snapshot();
    this.#entrypoints = instance.entrypoints;
    this.#fuel = fuel;
  }

  /** The entrypoint's number, or undefined when the policy has no such entrypoint. */
  entrypoint(name: string): number | undefined {
    return Object.hasOwn(this.#entrypoints, name) ? this.#entrypoints[name] : undefined;
  }

  /**
   * Evaluates `entrypoint` and returns the result set: `[{ result }]`, or `[]` when it is undefined. A member of the input
   * that is frozen must be frozen all the way down: its text is kept.
   *
   * @throws EvaluationFault; a fresh instance is then in place for the next caller.
   */
  evaluate(input: object, entrypoint: number, options: { path?: EnginePath; fuel?: bigint } = {}): unknown {
    const fuel = options.fuel ?? this.#fuel;
    const text = this.#inputText(input);
    const instance = this.#ready();
    try {
      if ((options.path ?? this.path) === "fallback") return instance.evaluateByPackage(input, entrypoint, fuel);
      return JSON.parse(instance.evaluate(text, entrypoint, fuel)) as unknown;
    } catch (thrown) {
      // Every throw leaks stack inside the instance until it dies for good: it is never used again.
      this.#instance = undefined;
      this.#instance = this.#fresh();
      throw thrown instanceof EvaluationFault
        ? thrown
        : new EvaluationFault("policy_failed", "policy answered with something that is not JSON", thrown);
    }
  }

  /** The input as JSON, when it is fit to enter the policy's memory. */
  #inputText(input: object): string {
    let text = "";
    for (const [name, value] of Object.entries(input)) {
      const member = this.#memberText(value);
      if (member !== undefined) text += `${text === "" ? "" : ","}"${name}":${member}`;
    }
    if (text.length > MAX_INPUT_CHARS) throw new EvaluationFault("policy_failed", "the input is too long");
    return `{${text}}`;
  }

  #memberText(value: unknown): string | undefined {
    if (typeof value !== "object" || value === null) return fitText(value);
    const known = this.#texts.get(value);
    if (known !== undefined) return known;
    const text = fitText(value);
    if (Object.isFrozen(value) && text !== undefined) this.#texts.set(value, text);
    return text;
  }

  #ready(): PolicyInstance {
    this.#instance ??= this.#fresh();
    if (this.#instance === undefined)
      throw new EvaluationFault("policy_unavailable", "no instance of the policy can be made");
    return this.#instance;
  }

  #fresh(): PolicyInstance | undefined {
    try {
      return PolicyInstance.restore(this.#module, this.#snapshot);
    } catch {
      // For want of memory; the next caller tries again.
      return undefined;
    }
  }
}

/** Deeper than any input of ours; OPA's parser would recurse as deep as a client's nesting. */
const MAX_DEPTH = 16;
/** Longer than any input of ours: 100 accesses with keys of 2 KB that are all escapes. */
const MAX_INPUT_CHARS = 4 * 1024 * 1024;

/** A member of the input as JSON, when it is well formed and not too deep; undefined for what JSON leaves out. */
function fitText(value: unknown): string | undefined {
  if (deeperThan(MAX_DEPTH, value)) throw new EvaluationFault("policy_failed", "the input is nested too deep");
  const text = JSON.stringify(value) as string | undefined;
  // JSON.stringify writes a lone surrogate, and nothing else, as \ud800 to \udfff; OPA's parser would throw at it.
  if (text?.includes("\\ud") === true && LONE_SURROGATE.test(text)) {
    throw new EvaluationFault("policy_failed", "the input holds text that is not well-formed Unicode");
  }
  return text;
}

/** An escape that is not itself the second half of an escaped backslash. */
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

function deeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object" && deeperThan(levels - 1, item)) return true;
    return false;
  }
  for (const key in value) {
    const item: unknown = (value as Record<string, unknown>)[key];
    if (typeof item === "object" && deeperThan(levels - 1, item)) return true;
  }
  return false;
}

/** Two documents as one. @throws PosternError `policy_data_conflict` where both have a value at the same place. */
export function mergeData(
  one: Readonly<Record<string, unknown>>,
  other: Readonly<Record<string, unknown>>,
  path = "data",
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...one };
  for (const [key, value] of Object.entries(other)) {
    const present = Object.hasOwn(merged, key) ? merged[key] : undefined;
    if (present === undefined) merged[key] = value;
    else if (isObject(present) && isObject(value)) merged[key] = mergeData(present, value, `${path}.${key}`);
    else {
      throw new PosternError(
        "policy_data_conflict",
        `Cannot load the policy: the bundle and the roles both define ${path}.${key}`,
        {
          hint: "keep a bundle's own data under data.postern.custom",
        },
      );
    }
  }
  return merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
