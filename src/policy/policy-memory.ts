/** The memory of one instance of a policy: what stays in it below a floor, and what each evaluation makes above. */

import { Buffer } from "node:buffer";

import type { OpaExports } from "./abi.ts";

/** Sizes and addresses are in bytes. */
export const PAGE_BYTES = 65_536;

export class PolicyMemory {
  readonly #memory: WebAssembly.Memory;
  readonly #opa: OpaExports;
  readonly #base: number;
  #bytes = new Uint8Array(0);
  #text = Buffer.alloc(0);
  #words = new DataView(new ArrayBuffer(0));
  /** From the floor to the end of the memory. */
  #window = new Uint8Array(0);
  /** Above it nothing outlives an evaluation. */
  #floor: number;

  /** Everything below `base` is the policy's own and its data. */
  constructor(memory: WebAssembly.Memory, opa: OpaExports, base: number) {
    this.#memory = memory;
    this.#opa = opa;
    this.#base = base;
    this.#floor = base;
    this.refresh();
  }

  /** What is kept above the base. */
  get keptBytes(): number {
    return this.#floor - this.#base;
  }

  get floor(): number {
    return this.#floor;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Writes a text at the floor and lets go of all above it. Returns how many bytes it takes in UTF-8. */
  write(text: string): number {
    this.#makeRoom(this.#floor + text.length * 3 + SCRATCH_BYTES);
    const { written } = encoder.encodeInto(text, this.#window);
    this.#opa.opa_heap_ptr_set(align(this.#floor + written));
    return written;
  }

  /** Parses a text at the floor; what it becomes lasts until the next is written. Returns its address. */
  parse(text: string): number {
    const value = this.#opa.opa_value_parse(this.#floor, this.write(text));
    if (value <= 0) throw new Error("the input is not JSON");
    return value;
  }

  /** Makes all that was made since the last text stay: the floor rises above it. */
  keep(): void {
    this.#floor = align(this.#opa.opa_heap_ptr_get());
    this.refresh();
  }

  /** Lets go of all that was kept. */
  forget(): void {
    this.#floor = this.#base;
    this.refresh();
  }

  /** A value as JSON text. */
  dump(value: number): string {
    const at = this.#opa.opa_json_dump(value);
    if (this.#memory.buffer !== this.#bytes.buffer) this.refresh();
    const end = this.#bytes.indexOf(0, at);
    if (at <= 0 || end < 0) throw new Error(`no value at address ${at}`);
    return this.#text.toString("utf8", at, end);
  }

  /** Sets the 32 bits at an address. */
  setWord(address: number, value: number): void {
    this.#words.setUint32(address, value, true);
  }

  /** Must follow whatever may have made the memory larger: that leaves nothing of what looks at it. */
  refresh(): void {
    const { buffer } = this.#memory;
    this.#bytes = new Uint8Array(buffer);
    this.#text = Buffer.from(buffer);
    this.#words = new DataView(buffer);
    this.#window = this.#bytes.subarray(this.#floor);
  }

  #makeRoom(bytes: number): void {
    const missing = bytes - this.#bytes.length;
    if (missing <= 0) return;
    this.#memory.grow(Math.ceil(missing / PAGE_BYTES));
    this.refresh();
  }
}

const encoder = new TextEncoder();
/** What is kept free above the input so that an ordinary evaluation need not grow the memory. */
const SCRATCH_BYTES = 256 * 1024;

function align(address: number): number {
  return (address + 15) & ~15;
}
