/** OPA's WebAssembly interface (ABI 1.2 and later): what a policy module must export and may import. */

import { PosternError } from "../base/errors.ts";
import { FUEL_EXPORT } from "./meter.ts";

/**
 * What we call of an instance. Addresses and lengths are in bytes of its memory; none of them is aligned.
 * https://www.openpolicyagent.org/docs/latest/wasm/#exports
 */
export interface OpaExports {
  /** The address from which memory is given out next. Setting it lets go of all above. */
  readonly opa_heap_ptr_get: () => number;
  readonly opa_heap_ptr_set: (address: number) => void;
  /** Parses the JSON text at `address`; returns the value's address, 0 when it is not JSON. */
  readonly opa_value_parse: (address: number, length: number) => number;
  /** Puts `value` into the object `base` at `path`, an array of strings. Returns 0 when it did. */
  readonly opa_value_add_path: (base: number, path: number, value: number) => number;
  readonly opa_eval_ctx_new: () => number;
  readonly opa_eval_ctx_set_input: (context: number, value: number) => void;
  readonly opa_eval_ctx_set_data: (context: number, value: number) => void;
  readonly opa_eval_ctx_set_entrypoint: (context: number, entrypoint: number) => void;
  readonly eval: (context: number) => number;
  /** The result set. */
  readonly opa_eval_ctx_get_result: (context: number) => number;
  /** Writes a value as JSON; returns the address of the text, which ends in a NUL byte. */
  readonly opa_json_dump: (value: number) => number;
  readonly fuel: WebAssembly.Global<"i64">;
}

/**
 * Refuses a module that is no OPA policy, wants more of its host than OPA does, or needs a builtin we do not offer.
 *
 * @throws PosternError `policy_abi_unsupported`.
 */
export function requireAbi(module: WebAssembly.Module): void {
  const stranger = WebAssembly.Module.imports(module).find((one) => one.module !== "env" || !IMPORTS.has(one.name));
  if (stranger !== undefined) throw unsupported(`it imports "${stranger.module}.${stranger.name}"`);
  const exported = new Map(WebAssembly.Module.exports(module).map((one) => [one.name, one.kind]));
  const missing = EXPORTS.find((name) => exported.get(name) !== "function");
  if (missing !== undefined) throw unsupported(`it does not export the function "${missing}"`);
  if (exported.get("memory") !== "memory") throw unsupported("it does not export its memory");
}

/** The exports of an instance of a module that `requireAbi` has checked. Throws PosternError `policy_abi_unsupported`. */
export function opaExports(instance: WebAssembly.Instance): OpaExports {
  const {
    opa_wasm_abi_version: major,
    opa_wasm_abi_minor_version: minor,
    [FUEL_EXPORT]: fuel,
    ...functions
  } = instance.exports;
  if (!(major instanceof WebAssembly.Global) || major.value !== 1) throw unsupported("it is not of ABI 1");
  if (!(minor instanceof WebAssembly.Global) || Number(minor.value) < 2) throw unsupported("its ABI is older than 1.2");
  if (!(fuel instanceof WebAssembly.Global)) throw unsupported("it is not metered");
  return { ...functions, fuel } as unknown as OpaExports;
}

/**
 * Refuses builtins that the host would have to run, but for the few whose cost is in proportion to their text. The npm
 * package also offers `regex.split` and `yaml.*`; they run outside the meter and could take any time.
 *
 * @throws PosternError `policy_builtin_unsupported`.
 */
export function requireBuiltins(names: readonly string[]): void {
  const strangers = names.filter((name) => !HOST_BUILTINS.has(name)).sort();
  if (strangers.length === 0) return;
  throw new PosternError(
    "policy_builtin_unsupported",
    `Cannot load the policy: it calls ${strangers.map((name) => `"${name}"`).join(", ")}, which Postern does not offer`,
    { hint: "build it with postern policy build, which names the line that calls it" },
  );
}

const HOST_BUILTINS: ReadonlySet<string> = new Set(["json.is_valid", "sprintf"]);

const IMPORTS: ReadonlySet<string> = new Set([
  "memory",
  "opa_abort",
  "opa_println",
  ...[0, 1, 2, 3, 4].map((arity) => `opa_builtin${arity}`),
]);

const EXPORTS: readonly string[] = [
  "eval",
  "opa_eval",
  "opa_eval_ctx_get_result",
  "opa_eval_ctx_new",
  "opa_eval_ctx_set_data",
  "opa_eval_ctx_set_entrypoint",
  "opa_eval_ctx_set_input",
  "opa_heap_ptr_get",
  "opa_heap_ptr_set",
  "opa_json_dump",
  "opa_json_parse",
  "opa_malloc",
  "opa_value_add_path",
  "opa_value_parse",
  "builtins",
  "entrypoints",
];

function unsupported(reason: string): PosternError {
  return new PosternError("policy_abi_unsupported", `Cannot load the policy module: ${reason}`, {
    hint: "build it with postern policy build, or opa build -t wasm of OPA 1.0 or later",
  });
}
