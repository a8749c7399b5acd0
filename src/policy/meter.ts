/** Rewrites a policy's WebAssembly so that every evaluation pays for its steps and traps when it cannot. */

import { Buffer } from "node:buffer";

import { ByteReader, malformed, readInstruction, type ReadInstruction } from "./meter-code.ts";

/** The name under which a metered module exports its fuel, a mutable i64. */
export const FUEL_EXPORT = "postern_fuel";

/**
 * Returns `wasm` with a fuel global. One unit pays for one instruction, charged in advance: a function pays on entry for
 * what stands outside its loops, a loop pays on each turn for what stands directly inside it. What is charged is never
 * less than what runs. An evaluation that cannot pay traps with `unreachable` and leaves the fuel at 0.
 *
 * The fuel starts at `initialFuel`, which has to cover the module's own start and the loading of data.
 *
 * @throws PosternError `policy_wasm_malformed` or `policy_wasm_unknown`: a module that cannot be read to its last
 * instruction is never run.
 */
export function meterModule(wasm: Uint8Array, initialFuel: bigint): Uint8Array<ArrayBuffer> {
  const module = readSections(wasm);
  const code = sectionOf(module, CODE);
  if (code === undefined) throw malformed("it has no code");
  const functions = readFunctions(code, module.hostCalls);
  const fuel = module.importedGlobals + module.globals;
  const out: Uint8Array[] = [wasm.subarray(0, 8)];
  let globalWritten = false;
  const writeGlobal = (body: Uint8Array | undefined): void => {
    globalWritten = true;
    const old = body === undefined ? EMPTY : afterCount(body);
    const added = Uint8Array.from([0x7e, 0x01, 0x42, ...signedLeb(initialFuel), 0x0b]);
    pushSection(out, GLOBAL, [unsignedLeb(module.globals + 1), old, added]);
  };
  for (const section of module.sections) {
    // The section may be absent; sections other than custom ones come in the order of their numbers.
    if (!globalWritten && section.id >= EXPORT) writeGlobal(undefined);
    if (section.id === GLOBAL) writeGlobal(section.body);
    else if (section.id === EXPORT) pushSection(out, EXPORT, exportParts(section.body, fuel));
    else if (section.id === CODE) pushSection(out, CODE, [meteredCode(code, functions, fuel)]);
    else pushSection(out, section.id, [section.body]);
  }
  return concat(out);
}

const GLOBAL = 6;
const EXPORT = 7;
const CODE = 10;
const IMPORT = 2;
const EMPTY = new Uint8Array(0);

/** A builtin that OPA leaves to its host costs, with its JSON both ways, about as much as this many instructions. */
const HOST_CALL_UNITS = 20_000;

interface Section {
  readonly id: number;
  readonly body: Uint8Array;
}

interface ModuleParts {
  readonly sections: readonly Section[];
  /** Indices of the imported functions that do work on the policy's behalf: the builtins, not the abort. */
  readonly hostCalls: ReadonlySet<number>;
  readonly importedGlobals: number;
  /** Globals that the module defines itself. */
  readonly globals: number;
}

function readSections(wasm: Uint8Array): ModuleParts {
  const reader = new ByteReader(wasm);
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  if (header.some((byte) => reader.byte() !== byte)) throw malformed("it is not WebAssembly 1");
  const sections: Section[] = [];
  while (!reader.done) {
    const id = reader.byte();
    // Custom sections (names, producers) mean nothing to the evaluation and could be stale after the rewrite.
    const body = reader.take(reader.u32());
    if (id !== 0) sections.push({ id, body });
  }
  const imports = sections.find((section) => section.id === IMPORT);
  const globals = sections.find((section) => section.id === GLOBAL);
  return {
    sections,
    ...(imports === undefined ? { hostCalls: new Set(), importedGlobals: 0 } : readImports(imports.body)),
    globals: globals === undefined ? 0 : new ByteReader(globals.body).u32(),
  };
}

function readImports(body: Uint8Array): { hostCalls: Set<number>; importedGlobals: number } {
  const reader = new ByteReader(body);
  const hostCalls = new Set<number>();
  let importedFunctions = 0;
  let importedGlobals = 0;
  for (let left = reader.u32(); left > 0; left--) {
    reader.name();
    const name = reader.name();
    const kind = reader.byte();
    if (kind === 0) {
      if (name.startsWith("opa_builtin")) hostCalls.add(importedFunctions);
      importedFunctions += 1;
      reader.u32();
    } else if (kind === 1) {
      reader.byte();
      skipLimits(reader);
    } else if (kind === 2) {
      skipLimits(reader);
    } else if (kind === 3) {
      importedGlobals += 1;
      reader.byte();
      reader.byte();
    } else {
      throw malformed(`it imports something of the unknown kind ${kind}`);
    }
  }
  return { hostCalls, importedGlobals };
}

function skipLimits(reader: ByteReader): void {
  const flags = reader.byte();
  if (flags > 1) throw malformed("it imports a shared or 64-bit memory");
  reader.u32();
  if (flags === 1) reader.u32();
}

function sectionOf(module: ModuleParts, id: number): Uint8Array | undefined {
  return module.sections.find((section) => section.id === id)?.body;
}

/** A place where fuel is charged, and how much. */
interface Toll {
  /** Offset in the code section's body of the instruction before which the charge goes. */
  at: number;
  units: number;
}

interface CodeFunction {
  /** Where the function stands in the code section's body, from its local declarations to its last `end`. */
  readonly start: number;
  readonly end: number;
  /** The function's own toll first, then one for each loop, in the order of their places. */
  readonly tolls: readonly Toll[];
}

function readFunctions(code: Uint8Array, hostCalls: ReadonlySet<number>): CodeFunction[] {
  const reader = new ByteReader(code);
  const functions: CodeFunction[] = [];
  for (let left = reader.u32(); left > 0; left--) {
    const size = reader.u32();
    functions.push(readFunction(code, reader.position, reader.position + size, hostCalls));
    reader.skip(size);
  }
  return functions;
}

function readFunction(code: Uint8Array, start: number, end: number, hostCalls: ReadonlySet<number>): CodeFunction {
  const reader = new ByteReader(code, start, end);
  for (let groups = reader.u32(); groups > 0; groups--) {
    reader.u32();
    reader.byte();
  }
  const entry: Toll = { at: reader.position, units: 1 };
  const tolls = [entry];
  // For each open block the toll that pays for its instructions: a loop's own, else that of what surrounds it.
  const open = [entry];
  const instruction: ReadInstruction = { kind: "plain", callee: 0 };
  let payer = entry;
  while (open.length > 0) {
    readInstruction(reader, instruction);
    payer.units += 1;
    switch (instruction.kind) {
      case "loop":
        payer = { at: reader.position, units: 1 };
        tolls.push(payer);
        open.push(payer);
        break;
      case "block":
        open.push(payer);
        break;
      case "end":
        open.pop();
        payer = open.at(-1) ?? entry;
        break;
      case "call":
        if (hostCalls.has(instruction.callee)) payer.units += HOST_CALL_UNITS;
        break;
      case "plain":
        break;
    }
  }
  if (!reader.done) throw malformed("code follows the end of a function");
  return { start, end, tolls };
}

/** The body of the code section with every charge in its place, written into one piece: there are thousands of them. */
function meteredCode(code: Uint8Array, functions: readonly CodeFunction[], fuel: number): Uint8Array {
  const charges = new Map<number, Uint8Array>();
  const chargeOf = (units: number): Uint8Array => {
    let bytes = charges.get(units);
    if (bytes === undefined) charges.set(units, (bytes = charge(fuel, units)));
    return bytes;
  };
  const sizes = functions.map(({ start, end, tolls }) => {
    let size = end - start;
    for (const { units } of tolls) size += chargeOf(units).length;
    return size;
  });
  const count = unsignedLeb(functions.length);
  const whole = Buffer.alloc(sizes.reduce((sum, size) => sum + size + MAX_LEB_BYTES, count.length));
  const from = Buffer.from(code.buffer, code.byteOffset, code.length);
  whole.set(count);
  let at = count.length;
  for (const [index, { start, end, tolls }] of functions.entries()) {
    const size = unsignedLeb(sizes[index] ?? 0);
    whole.set(size, at);
    at += size.length;
    let copied = start;
    for (const toll of tolls) {
      at += from.copy(whole, at, copied, toll.at);
      const bytes = chargeOf(toll.units);
      whole.set(bytes, at);
      at += bytes.length;
      copied = toll.at;
    }
    at += from.copy(whole, at, copied, end);
  }
  return whole.subarray(0, at);
}

/** A LEB128 of 32 bits has no more. */
const MAX_LEB_BYTES = 5;

/** `if (fuel < units) { fuel = 0; unreachable } fuel -= units` */
function charge(fuel: number, units: number): Uint8Array {
  const get = [0x23, ...unsignedLeb(fuel)];
  const set = [0x24, ...unsignedLeb(fuel)];
  const price = [0x42, ...signedLeb(BigInt(units))];
  // i64.lt_s, if, i64.const 0, global.set, unreachable, end, then i64.sub and global.set.
  return Uint8Array.from([
    ...get,
    ...price,
    0x53,
    0x04,
    0x40,
    0x42,
    0x00,
    ...set,
    0x00,
    0x0b,
    ...get,
    ...price,
    0x7d,
    ...set,
  ]);
}

function exportParts(body: Uint8Array, fuel: number): Uint8Array[] {
  const reader = new ByteReader(body);
  const count = reader.u32();
  const rest = body.subarray(reader.position);
  const name = new TextEncoder().encode(FUEL_EXPORT);
  // A module that exports this name already would be refused by the engine as a duplicate.
  return [unsignedLeb(count + 1), rest, unsignedLeb(name.length), name, Uint8Array.of(0x03), unsignedLeb(fuel)];
}

function afterCount(body: Uint8Array): Uint8Array {
  const reader = new ByteReader(body);
  reader.u32();
  return body.subarray(reader.position);
}

function pushSection(out: Uint8Array[], id: number, parts: readonly Uint8Array[]): void {
  out.push(Uint8Array.of(id), unsignedLeb(totalLength(parts)), ...parts);
}

function totalLength(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(totalLength(parts));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function unsignedLeb(value: number): Uint8Array {
  const bytes: number[] = [];
  do {
    const low = value % 128;
    value = Math.floor(value / 128);
    bytes.push(value > 0 ? low | 0x80 : low);
  } while (value > 0);
  return Uint8Array.from(bytes);
}

function signedLeb(value: bigint): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    const last = (value === 0n && (low & 0x40) === 0) || (value === -1n && (low & 0x40) !== 0);
    bytes.push(last ? low : low | 0x80);
    if (last) return bytes;
  }
}
