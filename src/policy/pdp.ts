/** The policy decision point: answers every question with a decision, and changes policy only for one that has proven itself. */

import { createHash } from "node:crypto";

import { type Clock, systemClock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import type { PolicyBundle } from "./bundle.ts";
import type { PolicyData } from "./data.ts";
import { type Decision, deny, REASONS } from "./decision.ts";
import { Engine, type EnginePath, mergeData } from "./engine.ts";
import { EvaluationFault, type FaultCode } from "./evaluation-fault.ts";
import type { PolicyDatabase, PolicyInput, PolicyUser } from "./input.ts";
import { AnswerReader } from "./pdp-answer.ts";
import { choosePath, requireDenial, requirePatterns, smokeInputs } from "./self-test.ts";
import { questionOfInput } from "./question.ts";
import { moduleOf } from "./wasm.ts";

export const DECISION_ENTRYPOINT = "postern/decision";
export const PATTERNS_ENTRYPOINT = "postern/patterns/invalid";
export const VISIBLE_ENTRYPOINT = "postern/visible/shown";
const DATABASES_ENTRYPOINT = "postern/databases/shown";

/** Steps for one decision unless configured: 15 to 80 ms of work (ADR 2), a thousand ordinary decisions. */
export const DEFAULT_FUEL = 500_000_000;

/** An evaluation that gave no answer, for the log and the metrics. The decision was a denial with this code. */
export interface PolicyFault {
  readonly code: FaultCode;
  readonly message: string;
  readonly revision: string;
  readonly cause: unknown;
}

export interface PolicyOptions {
  readonly bundle: PolicyBundle;
  readonly data: PolicyData;
  /** Kinds of obligation that the gateway can fulfil; an allow with any other is a denial. @default none */
  readonly fulfillable?: ReadonlySet<string>;
  /** Steps for one decision. @default DEFAULT_FUEL */
  readonly fuel?: number;
  /** Memory for data and evaluation together. @default what the data need and 32 MiB */
  readonly maxMemoryBytes?: number;
  readonly onFault?: (fault: PolicyFault) => void;
  readonly clock?: Clock;
}

/** Begins to compile a policy that is about to be loaded. What is wrong with it is said by `load`. */
export function compileAhead(bundle: PolicyBundle): void {
  void moduleOf(bundle.wasm);
}

export class PolicyDecisionPoint {
  readonly #options: PolicyOptions;
  readonly #answers: AnswerReader;
  readonly #clock: Clock;
  #inForce: InForce;
  /** The last replacement that was asked for; the next one waits for it, so that none builds on what is being replaced. */
  #replacing: Promise<unknown> = Promise.resolve();

  /**
   * Compiles, meters and tries a policy with its data.
   *
   * @throws PosternError what is wrong with the module, its data, or the answers it gave in its self-test.
   */
  static async load(options: PolicyOptions): Promise<PolicyDecisionPoint> {
    return new PolicyDecisionPoint(options, await prepare(options, options.bundle, options.data));
  }

  /** Use `load`. */
  constructor(options: PolicyOptions, force: InForce) {
    this.#options = options;
    this.#answers = new AnswerReader(options.fulfillable ?? new Set());
    this.#clock = options.clock ?? systemClock;
    this.#inForce = force;
  }

  /** Short digest of policy and data together, as every decision carries it. */
  get revision(): string {
    return this.#inForce.revision;
  }

  /** `fallback` when our way of evaluating differed from the npm package's on this policy, whose own is then used. */
  get engine(): EnginePath {
    return this.#inForce.engine.path;
  }

  /** Whether packages of the installation's own take part, or may. */
  get custom(): boolean {
    return this.#inForce.bundle.custom;
  }

  /**
   * Whether the caller may know of a table that a list operation found; the question has one access, that of the list
   * operation on this table. Never throws: whatever goes wrong hides it.
   */
  visible(input: PolicyInput): boolean {
    return this.#isShown(VISIBLE_ENTRYPOINT, input);
  }

  /** Whether a user may know of a database, before anything is asked of it. Never throws: whatever goes wrong hides it. */
  shows(user: PolicyUser, { name, labels }: Pick<PolicyDatabase, "name" | "labels">): boolean {
    return this.#isShown(DATABASES_ENTRYPOINT, { version: 1, user, database: { name, labels } });
  }

  #isShown(name: string, input: object): boolean {
    const { engine, revision } = this.#inForce;
    try {
      const entrypoint = engine.entrypoint(name);
      if (entrypoint === undefined) return false;
      const resultSet = engine.evaluate(input, entrypoint);
      return Array.isArray(resultSet) && (resultSet as { result?: unknown }[])[0]?.result === true;
    } catch (thrown) {
      const code = thrown instanceof EvaluationFault ? thrown.code : "policy_failed";
      this.#report({ code, message: messageOf(thrown), revision, cause: thrown });
      return false;
    }
  }

  /** Decides. Never throws: whatever goes wrong is a denial with its own reason code. */
  decide(input: PolicyInput): Decision {
    const { engine, entrypoint, revision } = this.#inForce;
    const start = this.#clock.monotonic();
    try {
      return engine.ask(questionOfInput(input), entrypoint, (answer) =>
        this.#answers.read(answer, {
          revision,
          evalUs: this.#microsecondsSince(start),
          accesses: input.request.accesses.length,
        }),
      );
    } catch (thrown) {
      const code = thrown instanceof EvaluationFault ? thrown.code : "policy_failed";
      this.#report({ code, message: messageOf(thrown), revision, cause: thrown });
      return deny(code, REASONS[code], { revision, evalUs: this.#microsecondsSince(start) });
    }
  }

  /**
   * Puts another bundle, other data, or both in force, at once for every decision that starts afterwards. Replacements
   * take effect in the order in which they were asked for.
   *
   * @throws PosternError as `load` does; the old policy then stays in force.
   */
  replace(next: { bundle?: PolicyBundle; data?: PolicyData }): Promise<void> {
    const replaced = this.#replacing.then(async () => {
      this.#inForce = await prepare(
        this.#options,
        next.bundle ?? this.#inForce.bundle,
        next.data ?? this.#inForce.data,
      );
    });
    this.#replacing = replaced.catch(() => undefined);
    return replaced;
  }

  #microsecondsSince(start: number): number {
    return Math.round((this.#clock.monotonic() - start) * 1000);
  }

  #report(fault: PolicyFault): void {
    try {
      this.#options.onFault?.(fault);
    } catch {
      // Whoever listens cannot turn a denial into an exception.
    }
  }
}

/** All that decides, swapped as one. */
interface InForce {
  readonly bundle: PolicyBundle;
  readonly data: PolicyData;
  readonly engine: Engine;
  readonly entrypoint: number;
  readonly revision: string;
}

async function prepare(options: PolicyOptions, bundle: PolicyBundle, data: PolicyData): Promise<InForce> {
  const engine = await Engine.load({
    wasm: bundle.wasm,
    data: mergeData(bundle.data, data as unknown as Record<string, unknown>),
    fuel: BigInt(options.fuel ?? DEFAULT_FUEL),
    maxMemoryBytes: options.maxMemoryBytes,
  });
  const entrypoint = requireEntrypoint(engine, DECISION_ENTRYPOINT);
  const ours = (input: object): unknown => engine.evaluate(input, entrypoint, { path: "direct" });
  const theirs = (input: object): unknown => engine.evaluate(input, entrypoint, { path: "fallback" });
  engine.path = choosePath(ours, theirs, smokeInputs(data));
  requireDenial((input) => engine.evaluate(input, entrypoint));
  requirePatterns(engine, requireEntrypoint(engine, PATTERNS_ENTRYPOINT), data);
  return { bundle, data, engine, entrypoint, revision: revisionOf(bundle, data) };
}

function requireEntrypoint(engine: Engine, name: string): number {
  const entrypoint = engine.entrypoint(name);
  if (entrypoint !== undefined) return entrypoint;
  throw new PosternError("policy_entrypoint_missing", `Cannot load the policy: it has no entrypoint "${name}"`, {
    hint: "build it with postern policy build, which adds your packages to the built-in policy",
  });
}

/** A revision names what decides, so it covers the module itself, not only the name its author gave it. */
function revisionOf(bundle: PolicyBundle, data: PolicyData): string {
  const digest = createHash("sha256").update(JSON.stringify(bundle.revision)).update(bundle.wasm);
  digest.update(canonical(bundle.data)).update(canonical(data));
  return digest.digest("hex").slice(0, 16);
}

/** JSON with sorted keys: the same document has the same digest, however it was put together. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    const keys = Object.keys(part);
    // Nearly all are in order as they are; to copy those would take longer than all the rest.
    if (keys.every((key, at) => at === 0 || (keys[at - 1] ?? "") < key)) return part;
    return Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)));
  });
}
