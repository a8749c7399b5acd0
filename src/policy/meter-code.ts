/** Reads WebAssembly code far enough to know where each instruction ends; refuses what it does not know. */

import { PosternError } from "../base/errors.ts";

/** What the meter needs to know of an instruction. */
export type InstructionKind = "plain" | "block" | "loop" | "end" | "call";

/** A place in a module's bytes, read forward. Every read is bounded: a truncated module is an error, never a guess. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly #end: number;
  position: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    if (start > end || end > bytes.length) throw malformed("a section ends outside the module");
    this.bytes = bytes;
    this.position = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.position >= this.#end;
  }

  byte(): number {
    const value = this.position < this.#end ? this.bytes[this.position] : undefined;
    if (value === undefined) throw malformed("it ends in the middle of a construct");
    this.position += 1;
    return value;
  }

  /** An unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw malformed("a number does not fit 32 bits");
  }

  /** Steps over a LEB128 of any sign whose encoding has at most `maxBytes` bytes. */
  skipLeb(maxBytes: number): void {
    for (let count = 0; count < maxBytes; count++) if (this.byte() < 0x80) return;
    throw malformed("a number has too many bytes");
  }

  skip(count: number): void {
    if (count > this.#end - this.position) throw malformed("it ends in the middle of a construct");
    this.position += count;
  }

  /** The next `count` bytes as a view, not a copy. */
  take(count: number): Uint8Array {
    const start = this.position;
    this.skip(count);
    return this.bytes.subarray(start, this.position);
  }

  name(): string {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.take(this.u32()));
  }
}

/** The instruction just read. */
export interface ReadInstruction {
  kind: InstructionKind;
  /** The index of the function called; only of a `call`. */
  callee: number;
}

/**
 * Reads one instruction into `into`, leaving `reader` at the next. Knows WebAssembly 1.0, sign extension and saturating
 * conversion: all that OPA emits, and nothing whose cost depends on an operand, so that a count of instructions bounds time.
 *
 * @throws PosternError `policy_wasm_unknown` for any other opcode.
 */
export function readInstruction(reader: ByteReader, into: ReadInstruction): void {
  const opcode = reader.byte();
  into.kind = "plain";
  switch (IMMEDIATES[opcode]) {
    case "none":
      return;
    case "block":
      into.kind = opcode === 0x03 ? "loop" : "block";
      reader.skipLeb(5);
      return;
    case "end":
      into.kind = "end";
      return;
    case "index":
      reader.u32();
      return;
    case "call":
      into.kind = "call";
      into.callee = reader.u32();
      return;
    case "call_indirect":
      reader.u32();
      reader.u32();
      return;
    case "br_table":
      for (let count = reader.u32(); count >= 0; count--) reader.u32();
      return;
    case "memory":
      reader.u32();
      reader.u32();
      return;
    case "zero":
      if (reader.byte() !== 0) throw malformed("it names a second memory");
      return;
    case "i32":
      reader.skipLeb(5);
      return;
    case "i64":
      reader.skipLeb(10);
      return;
    case "f32":
      reader.skip(4);
      return;
    case "f64":
      reader.skip(8);
      return;
    case "prefix": {
      const sub = reader.u32();
      if (sub > 7) throw unknownOpcode(`0xfc ${sub}`);
      return;
    }
    case undefined:
      throw unknownOpcode(`0x${opcode.toString(16).padStart(2, "0")}`);
  }
}

type Immediate =
  | "none"
  | "block"
  | "end"
  | "index"
  | "call"
  | "call_indirect"
  | "br_table"
  | "memory"
  | "zero"
  | "i32"
  | "i64"
  | "f32"
  | "f64"
  | "prefix";

/** What follows each opcode byte; a hole is an opcode that we refuse. */
const IMMEDIATES: readonly (Immediate | undefined)[] = immediates([
  [0x00, 0x01, "none"], // unreachable, nop
  [0x02, 0x04, "block"], // block, loop, if
  [0x05, 0x05, "none"], // else
  [0x0b, 0x0b, "end"],
  [0x0c, 0x0d, "index"], // br, br_if
  [0x0e, 0x0e, "br_table"],
  [0x0f, 0x0f, "none"], // return
  [0x10, 0x10, "call"],
  [0x11, 0x11, "call_indirect"],
  [0x1a, 0x1b, "none"], // drop, select
  [0x20, 0x24, "index"], // locals and globals
  [0x28, 0x3e, "memory"], // loads and stores
  [0x3f, 0x40, "zero"], // memory.size, memory.grow
  [0x41, 0x41, "i32"],
  [0x42, 0x42, "i64"],
  [0x43, 0x43, "f32"],
  [0x44, 0x44, "f64"],
  [0x45, 0xc4, "none"], // comparison, arithmetic, conversion, sign extension
  [0xfc, 0xfc, "prefix"],
]);

function immediates(ranges: readonly (readonly [number, number, Immediate])[]): (Immediate | undefined)[] {
  const table: (Immediate | undefined)[] = Array.from({ length: 256 }, () => undefined);
  for (const [first, last, immediate] of ranges) table.fill(immediate, first, last + 1);
  return table;
}

export function malformed(reason: string): PosternError {
  return new PosternError("policy_wasm_malformed", `Cannot meter the policy module: ${reason}`, {
    hint: "rebuild the bundle with postern policy build",
  });
}

function unknownOpcode(opcode: string): PosternError {
  return new PosternError("policy_wasm_unknown", `Cannot meter the policy module: opcode ${opcode} is not known here`, {
    hint: "rebuild the bundle with the OPA version that postern policy build uses",
  });
}
