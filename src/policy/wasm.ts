/** One instance of a policy: made by the npm package, evaluated through OPA's documented ABI. */

import { Buffer } from "node:buffer";

import * as opaWasm from "@open-policy-agent/opa-wasm";

import { messageOf, PosternError } from "../base/errors.ts";
import { opaExports, type OpaExports, requireAbi, requireBuiltins } from "./abi.ts";
import { EvaluationFault } from "./evaluation-fault.ts";
import { meterModule } from "./meter.ts";
import { KeptQuestions } from "./kept-questions.ts";
import { PAGE_BYTES, PolicyMemory } from "./policy-memory.ts";
import type { Question } from "./question.ts";

/** How large an instance's memory is and may become, in pages of 64 KiB. */
export interface MemoryPlan {
  readonly initial: number;
  readonly maximum: number;
}

/** An instance's memory just after its data was set: enough to make another one without parsing the data again. */
export interface Snapshot {
  readonly memory: MemoryPlan;
  readonly bytes: Uint8Array;
  readonly dataAddress: number;
  readonly baseHeap: number;
  readonly heap: number;
}

/**
 * The metered, validated and compiled module of a policy: made once for the same bytes, which must not be changed, since
 * other data need no other module. Whoever has something else to do meanwhile asks early.
 *
 * @throws PosternError `policy_wasm_invalid` (OPA can emit such a module with exit code 0), `policy_wasm_malformed`,
 * `policy_wasm_unknown` or `policy_abi_unsupported`.
 */
export function moduleOf(wasm: Uint8Array): Promise<WebAssembly.Module> {
  let module = modules.get(wasm);
  if (module === undefined) {
    module = compileModule(wasm);
    modules.set(wasm, module);
    // Nobody may wait for it yet; and what failed for want of memory may be asked for again.
    module.catch(() => modules.delete(wasm));
  }
  return module;
}

const modules = new WeakMap<Uint8Array, Promise<WebAssembly.Module>>();

async function compileModule(wasm: Uint8Array): Promise<WebAssembly.Module> {
  if (!WebAssembly.validate(new Uint8Array(wasm))) {
    throw new PosternError("policy_wasm_invalid", "Cannot load the policy module: WebAssembly refuses it as invalid", {
      hint: "OPA miscompiles a package that holds a function and is reached by a variable; move its functions elsewhere",
    });
  }
  const module = await WebAssembly.compile(meterModule(wasm, START_FUEL));
  requireAbi(module);
  return module;
}

export class PolicyInstance {
  readonly #policy: LoadedPolicy;
  readonly #memory: WebAssembly.Memory;
  readonly #plan: MemoryPlan;
  readonly #opa: OpaExports;
  readonly #work: PolicyMemory;
  readonly #questions: KeptQuestions;

  /** Instantiates `module` and sets `data`, a JSON text. @throws PosternError `policy_data_too_large` and the ABI's. */
  static load(module: WebAssembly.Module, data: string, plan: MemoryPlan): PolicyInstance {
    const policy = instantiate(module, plan);
    try {
      policy.setData(new TextEncoder().encode(data).buffer);
    } catch (cause) {
      throw new PosternError(
        "policy_data_too_large",
        `Cannot load the policy's data: ${data.length} characters of JSON do not fit ${plan.maximum} pages of memory`,
        { cause, hint: "raise the memory that the policy may use, or define fewer roles" },
      );
    }
    return new PolicyInstance(policy, plan);
  }

  /** Makes an instance that holds the data of the one from which `snapshot` was taken. */
  static restore(module: WebAssembly.Module, snapshot: Snapshot): PolicyInstance {
    const policy = instantiate(module, snapshot.memory);
    // All of an instance's state is in its memory, static variables and heap pointer included.
    new Uint8Array(policy.mem.buffer).set(snapshot.bytes);
    policy.dataAddr = snapshot.dataAddress;
    policy.baseHeapPtr = snapshot.baseHeap;
    policy.dataHeapPtr = snapshot.heap;
    return new PolicyInstance(policy, snapshot.memory);
  }

  /** Use `load` or `restore`. */
  constructor(policy: LoadedPolicy, plan: MemoryPlan) {
    this.#policy = policy;
    this.#memory = policy.mem;
    this.#plan = plan;
    this.#opa = opaExports(policy.wasmInstance as WebAssembly.Instance);
    const base = Number(policy.dataHeapPtr);
    this.#work = new PolicyMemory(policy.mem, this.#opa, base);
    // Or an evaluation would lack what it has without them.
    const keptBytes = Math.min(KEPT_BYTES, (plan.maximum * PAGE_BYTES - base) / KEPT_PART);
    this.#questions = new KeptQuestions(this.#work, this.#opa, keptBytes);
  }

  /** Names and numbers of the entrypoints. */
  get entrypoints(): Readonly<Record<string, number>> {
    return this.#policy.entrypoints as Record<string, number>;
  }

  /** To be taken before the first evaluation. */
  snapshot(): Snapshot {
    const heap = Number(this.#policy.dataHeapPtr);
    return {
      memory: { initial: this.#memory.buffer.byteLength / PAGE_BYTES, maximum: this.#plan.maximum },
      bytes: this.#work.bytes.slice(0, heap),
      dataAddress: this.#policy.dataAddr,
      baseHeap: Number(this.#policy.baseHeapPtr),
      heap,
    };
  }

  /**
   * Evaluates `entrypoint` for the question and returns the result set as JSON text, `[]` when undefined.
   *
   * @throws EvaluationFault always, whatever went wrong; this instance is then spent.
   */
  evaluate(question: Question, entrypoint: number, fuel: bigint): string {
    try {
      const opa = this.#opa;
      opa.fuel.value = fuel;
      const input = this.#questions.inputOf(question);
      const context = opa.opa_eval_ctx_new();
      opa.opa_eval_ctx_set_input(context, input);
      opa.opa_eval_ctx_set_data(context, this.#policy.dataAddr);
      opa.opa_eval_ctx_set_entrypoint(context, entrypoint);
      opa.eval(context);
      return this.#work.dump(opa.opa_eval_ctx_get_result(context));
    } catch (thrown) {
      throw this.#fault(thrown);
    }
  }

  /** The same through the npm package's own `evaluate()`: the oracle of our path, and what takes its place. */
  evaluateByPackage(input: unknown, entrypoint: number, fuel: bigint): unknown {
    try {
      this.#opa.fuel.value = fuel;
      // It puts its input where the shared documents are.
      this.#questions.forget();
      const result: unknown = this.#policy.evaluate(input, entrypoint);
      // It may have grown the memory, which leaves nothing of the views.
      this.#work.refresh();
      return result;
    } catch (thrown) {
      throw this.#fault(thrown);
    }
  }

  #fault(thrown: unknown): EvaluationFault {
    if (thrown instanceof EvaluationFault) return thrown;
    // The package throws strings and plain objects as well as errors.
    const cause = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
    if (this.#opa.fuel.value === 0n) return new EvaluationFault("policy_timeout", "policy used up its steps", cause);
    if (OUT_OF_MEMORY.test(cause.message))
      return new EvaluationFault("policy_out_of_memory", "policy used up its memory", cause);
    return new EvaluationFault("policy_failed", "policy evaluation threw", cause);
  }
}

/**
 * Plans an instance's memory for data of `dataBytes` of JSON. It is had at once because growing page by page costs
 * quadratic time; `maximumBytes` is what data and evaluation may use together.
 */
export function planMemory(dataBytes: number, maximumBytes: number | undefined): MemoryPlan {
  const initial = Math.ceil((dataBytes * HEAP_PER_JSON_BYTE + FIXED_BYTES) / PAGE_BYTES);
  const maximum =
    maximumBytes === undefined
      ? initial + EVALUATION_PAGES
      : Math.min(MOST_PAGES, Math.floor(maximumBytes / PAGE_BYTES));
  return { initial: Math.min(initial, maximum), maximum };
}

type LoadedPolicy = opaWasm.LoadedPolicy;

// The package's types name every export; at run time all but one of them hang off the default export.
const { loadPolicySync } = (opaWasm as unknown as { readonly default: typeof opaWasm }).default;

const MOST_PAGES = 65_536;
/** A parsed document takes about 14.5 times its JSON text, which stays in memory beside it. */
const HEAP_PER_JSON_BYTE = 15.5;
/** Stack, static data, and an ordinary evaluation. */
const FIXED_BYTES = 2 * 1024 * 1024;
/** What one evaluation may take on top: 32 MiB. */
const EVALUATION_PAGES = 512;
/**
 * What documents and inputs that stay may take together, and what part of the memory that data leave. A session has two
 * documents of some kilobytes, and an input of six for each kind of request.
 */
const KEPT_BYTES = 8 * 1024 * 1024;
const KEPT_PART = 4;
/** For the module's start and for parsing its data; far more than 100 MB of data take. */
const START_FUEL = 100_000_000_000n;
/** What OPA's allocator aborts with, and what a `WebAssembly.Memory` that cannot grow throws. */
const OUT_OF_MEMORY = /opa_malloc|opa_realloc|Maximum memory size exceeded|Unable to grow/;

function instantiate(module: WebAssembly.Module, plan: MemoryPlan): LoadedPolicy {
  try {
    const policy = loadPolicySync(module, { ...plan });
    requireBuiltins(builtinsOf(policy));
    return policy;
  } catch (thrown) {
    if (thrown instanceof PosternError) throw thrown;
    throw new PosternError("policy_unloadable", `Cannot instantiate the policy module: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

/** Names of the builtins that the policy leaves to its host. */
function builtinsOf(policy: LoadedPolicy): string[] {
  const { builtins, opa_json_dump } = (policy.wasmInstance as WebAssembly.Instance).exports;
  if (typeof builtins !== "function" || typeof opa_json_dump !== "function") return [];
  const text = Buffer.from(policy.mem.buffer);
  const at = Number(opa_json_dump(builtins()));
  return Object.keys(JSON.parse(text.toString("utf8", at, text.indexOf(0, at))) as object);
}
