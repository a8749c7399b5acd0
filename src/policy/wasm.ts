/** One instance of a policy: made by the npm package, evaluated through OPA's documented ABI. */

import { Buffer } from "node:buffer";

import * as opaWasm from "@open-policy-agent/opa-wasm";

import { messageOf, PosternError } from "../base/errors.ts";
import { opaExports, type OpaExports, requireAbi, requireBuiltins } from "./abi.ts";
import type { ReasonCode } from "./decision.ts";
import { meterModule } from "./meter.ts";

/** An evaluation that gave no answer. The instance it happened in must not be used again. */
export class EvaluationFault extends PosternError {
  declare readonly code: FaultCode;

  constructor(code: FaultCode, message: string, cause?: unknown) {
    super(code, message, cause === undefined ? {} : { cause });
  }
}

export type FaultCode = Extract<
  ReasonCode,
  `policy_${"failed" | "timeout" | "out_of_memory" | "undefined" | "unavailable"}`
>;

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
 * Meters, validates and compiles a policy's WebAssembly.
 *
 * @throws PosternError `policy_wasm_invalid` (OPA can emit such a module with exit code 0), `policy_wasm_malformed`,
 * `policy_wasm_unknown` or `policy_abi_unsupported`.
 */
export async function compileModule(wasm: Uint8Array): Promise<WebAssembly.Module> {
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
  #bytes = new Uint8Array(0);
  #text = Buffer.alloc(0);
  /** Where the input goes, to the end of the memory. */
  #window = new Uint8Array(0);

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
    this.#refreshViews();
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
      bytes: this.#bytes.slice(0, heap),
      dataAddress: this.#policy.dataAddr,
      baseHeap: Number(this.#policy.baseHeapPtr),
      heap,
    };
  }

  /**
   * Evaluates `entrypoint` for the JSON text `input` and returns the result set as JSON text, `[]` when undefined.
   *
   * @throws EvaluationFault always, whatever went wrong; this instance is then spent.
   */
  evaluate(input: string, entrypoint: number, fuel: bigint): string {
    try {
      const at = Number(this.#policy.dataHeapPtr);
      this.#makeRoom(at + input.length * 3 + SCRATCH_BYTES);
      const { written } = encoder.encodeInto(input, this.#window);
      this.#opa.fuel.value = fuel;
      const result = this.#opa.opa_eval(0, entrypoint, this.#policy.dataAddr, at, written, align(at + written), 0);
      if (this.#memory.buffer !== this.#bytes.buffer) this.#refreshViews();
      const end = this.#bytes.indexOf(0, result);
      if (result <= 0 || end < 0) throw new Error(`no result at address ${result}`);
      return this.#text.toString("utf8", result, end);
    } catch (thrown) {
      throw this.#fault(thrown);
    }
  }

  /** The same through the npm package's own `evaluate()`: the oracle of our path, and what takes its place. */
  evaluateByPackage(input: unknown, entrypoint: number, fuel: bigint): unknown {
    try {
      this.#opa.fuel.value = fuel;
      return this.#policy.evaluate(input, entrypoint);
    } catch (thrown) {
      throw this.#fault(thrown);
    }
  }

  #fault(thrown: unknown): EvaluationFault {
    // The package throws strings and plain objects as well as errors.
    const cause = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
    if (this.#opa.fuel.value === 0n) return new EvaluationFault("policy_timeout", "policy used up its steps", cause);
    if (OUT_OF_MEMORY.test(cause.message))
      return new EvaluationFault("policy_out_of_memory", "policy used up its memory", cause);
    return new EvaluationFault("policy_failed", "policy evaluation threw", cause);
  }

  #makeRoom(bytes: number): void {
    const missing = bytes - this.#bytes.length;
    if (missing <= 0) return;
    this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.#refreshViews();
  }

  #refreshViews(): void {
    const { buffer } = this.#memory;
    this.#bytes = new Uint8Array(buffer);
    this.#text = Buffer.from(buffer);
    this.#window = this.#bytes.subarray(Number(this.#policy.dataHeapPtr));
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

const encoder = new TextEncoder();
const PAGE_BYTES = 65_536;
const MOST_PAGES = 65_536;
/** A parsed document takes about 14.5 times its JSON text, which stays in memory beside it. */
const HEAP_PER_JSON_BYTE = 15.5;
/** Stack, static data, and an ordinary evaluation. */
const FIXED_BYTES = 2 * 1024 * 1024;
/** What one evaluation may take on top: 32 MiB. */
const EVALUATION_PAGES = 512;
/** What is kept free above the input so that an ordinary evaluation need not grow the memory. */
const SCRATCH_BYTES = 256 * 1024;
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

function align(address: number): number {
  return (address + 15) & ~15;
}
