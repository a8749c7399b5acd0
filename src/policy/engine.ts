/** A policy with its data, ready to be asked: replaces its instance whenever an evaluation went wrong in it. */

import { Buffer } from "node:buffer";

import { PosternError } from "../base/errors.ts";
import { EvaluationFault } from "./evaluation-fault.ts";
import { type Question, questionOf } from "./question.ts";
import { moduleOf, planMemory, PolicyInstance, type Snapshot } from "./wasm.ts";

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

/** What differs from the engine's own settings. */
export interface AskOptions {
  readonly path?: EnginePath;
  readonly fuel?: bigint;
}

export class Engine {
  readonly #module: WebAssembly.Module;
  readonly #snapshot: Snapshot;
  readonly #fuel: bigint;
  readonly #entrypoints: Readonly<Record<string, number>>;
  #instance: PolicyInstance | undefined;
  /** Set by the self-test, before the engine is in force. */
  path: EnginePath = "direct";

  /** Compiles the policy and sets its data. @throws PosternError what wasm.ts throws. */
  static async load(options: EngineOptions): Promise<Engine> {
    const module = await moduleOf(options.wasm);
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

  /** Evaluates `entrypoint` for any object. @throws EvaluationFault as `ask` does. */
  evaluate(input: object, entrypoint: number, options: AskOptions = {}): unknown {
    return this.ask(questionOf(input), entrypoint, (answer) => JSON.parse(answer) as unknown, options);
  }

  /**
   * Evaluates `entrypoint` and returns what `read` makes of the result set, which is JSON: `[{ "result": … }]`, or `[]` when
   * it is undefined.
   *
   * @throws EvaluationFault; a fresh instance is then in place for the next caller.
   */
  ask<T>(
    question: Question,
    entrypoint: number,
    read: (resultSet: string) => T,
    { path = this.path, fuel = this.#fuel }: AskOptions = {},
  ): T {
    const instance = this.#ready();
    try {
      if (path === "direct") return read(instance.evaluate(question, entrypoint, fuel));
      const members = Object.fromEntries(question.shared.map(({ name, value }) => [name, value]));
      const input = { ...(JSON.parse(question.text()) as object), ...members };
      return read(JSON.stringify(instance.evaluateByPackage(input, entrypoint, fuel)));
    } catch (thrown) {
      // Every throw leaks stack inside the instance until it dies for good: it is never used again.
      this.#instance = undefined;
      this.#instance = this.#fresh();
      throw thrown instanceof EvaluationFault
        ? thrown
        : new EvaluationFault("policy_failed", "policy answered with something that is not JSON", thrown);
    }
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
