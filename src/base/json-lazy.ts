/** A large JSON object that is kept as its text: its members are read again whenever they are asked for. */

import type { JsonObject, JsonValue } from "./json-value.ts";

/** A text that is known to be valid JSON; positions are those of values in it. */
export interface JsonSource {
  /** Members of the object at a position, in order. */
  entries(start: number): MapIterator<[string, JsonValue]>;
  keys(start: number): MapIterator<string>;
  /** Names of the members of the object at a position, and where their values begin. */
  places(start: number): Generator<[string, number], void, undefined>;
  valueAt(start: number): JsonValue;
  isArray(start: number): boolean;
  /** Elements of the array at a position; none when something else stands there. */
  elements(start: number): Generator<JsonValue, void, undefined>;
}

/** A member of a large object that is built only when it is asked for. */
export interface LazyMember {
  readonly name: string;
  readonly isArray: boolean;
  readonly value: () => JsonValue;
  /** Elements of the array that it is, one after another; none when it is something else. */
  readonly elements: () => Generator<JsonValue, void, undefined>;
}

/** Where a large object stands in its source. */
export interface LargeText {
  readonly start: number;
  readonly end: number;
  /** Number of members. */
  readonly size: number;
  /** Characters that do not belong to large objects inside it. */
  readonly own: number;
}

/** Members that stand here themselves, not as large objects, are kept when they have no more characters than this. */
const KEPT_CHARACTERS = 4_096;

/**
 * The places of the members are kept when there are no more than this: who looks them up one by one would else read the
 * text from its beginning as often, and 1,300 placeholders among 16 MB took half a minute.
 */
const KEPT_PLACES = 10_000;

/**
 * Behaves as the map that it stands for. Held as a map, sixteen megabytes of tiny values take twenty-seven times as much.
 * bench: micro, memory of a batch.
 */
export class LazyObject extends Map<string, JsonValue> {
  readonly #source: JsonSource;
  readonly #start: number;
  readonly #size: number;
  readonly #own: number;
  #members: JsonObject | undefined;
  #places: ReadonlyMap<string, number> | undefined;
  /** Characters of its text. */
  readonly span: number;

  constructor(source: JsonSource, { start, end, size, own }: LargeText) {
    super();
    this.#source = source;
    this.#start = start;
    this.#size = size;
    this.#own = own;
    this.span = end - start;
  }

  override get size(): number {
    return this.#size;
  }

  override get(name: string): JsonValue | undefined {
    const kept = this.#kept();
    if (kept !== undefined) return kept.get(name);
    const at = this.#find(name);
    return at === undefined ? undefined : this.#source.valueAt(at);
  }

  override has(name: string): boolean {
    return this.#kept()?.has(name) ?? this.#find(name) !== undefined;
  }

  override keys(): MapIterator<string> {
    return (this.#kept() ?? this.#placesKept())?.keys() ?? this.#source.keys(this.#start);
  }

  override *values(): MapIterator<JsonValue> {
    for (const [, value] of this.entries()) yield value;
  }

  override entries(): MapIterator<[string, JsonValue]> {
    return this.#kept()?.entries() ?? this.#source.entries(this.#start);
  }

  override [Symbol.iterator](): MapIterator<[string, JsonValue]> {
    return this.entries();
  }

  override forEach(call: (value: JsonValue, key: string, map: Map<string, JsonValue>) => void): void {
    for (const [key, value] of this.entries()) call(value, key, this);
  }

  /** The members in order, for who walks through them and does not want all of each: one walk, and nothing is kept. */
  *members(): Generator<LazyMember, void, undefined> {
    const source = this.#source;
    for (const [name, at] of source.places(this.#start)) {
      yield {
        name,
        isArray: source.isArray(at),
        value: () => source.valueAt(at),
        elements: () => source.elements(at),
      };
    }
  }

  /** Elements of the array that is a member, one after another, without building the array. */
  *elements(name: string): Generator<JsonValue, void, undefined> {
    const at = this.#find(name);
    if (at !== undefined) yield* this.#source.elements(at);
  }

  override set(): never {
    throw new TypeError("Cannot change what was read");
  }

  override delete(): never {
    throw new TypeError("Cannot change what was read");
  }

  override clear(): never {
    throw new TypeError("Cannot change what was read");
  }

  /** Where a member's value begins. */
  #find(name: string): number | undefined {
    const places = this.#placesKept();
    if (places !== undefined) return places.get(name);
    for (const [key, at] of this.#source.places(this.#start)) if (key === name) return at;
    return undefined;
  }

  /** Where the values of all members begin, when they are not too many to keep that. */
  #placesKept(): ReadonlyMap<string, number> | undefined {
    if (this.#size > KEPT_PLACES) return undefined;
    this.#places ??= new Map(this.#source.places(this.#start));
    return this.#places;
  }

  /** The members as a map, when what stands here itself is small. */
  #kept(): JsonObject | undefined {
    if (this.#own > KEPT_CHARACTERS) return undefined;
    this.#members ??= new Map(this.#source.entries(this.#start));
    return this.#members;
  }
}
