/**
 * Questions in the policy's memory. Of inputs that are alike the first ones are parsed; from then on a parsed one stays, and the
 * values and documents of each further one are put in their places.
 */

import { Buffer } from "node:buffer";

import { newId } from "../base/ids.ts";
import type { OpaExports } from "./abi.ts";
import { EvaluationFault } from "./evaluation-fault.ts";
import type { PolicyInput } from "./input.ts";
import type { PolicyMemory } from "./policy-memory.ts";
import {
  areAlike,
  documentText,
  type Question,
  questionOfInput,
  type SharedMember,
  valuesOf,
  withValues,
} from "./question.ts";

/** A parsed input, and where in it stands what others have instead. */
interface KeptInput {
  readonly sample: PolicyInput;
  readonly address: number;
  /** Of each value where its length stands, which the address of its bytes follows. */
  readonly values: readonly number[];
  /** Of each shared member where the address of its document stands. */
  readonly members: readonly number[];
}

/** Inputs of one operation whose first access is to the same resource. */
interface Bucket {
  readonly kept: KeptInput[];
  /** Came once: most that come once never come again. */
  readonly seen: PolicyInput[];
}

export class KeptQuestions {
  readonly #memory: PolicyMemory;
  readonly #opa: OpaExports;
  readonly #mostBytes: number;
  /** Addresses of shared documents, and of the paths at which inputs get them. */
  #documents = new WeakMap<object, number>();
  #paths = new Map<string, number>();
  #buckets = new Map<string, Map<string, Bucket>>();
  #bucketCount = 0;
  /** Whether this OPA keeps texts and addresses where we look for them. */
  #keepsInputs = true;

  /** `mostBytes` may be kept; then all of it is made anew. */
  constructor(memory: PolicyMemory, opa: OpaExports, mostBytes: number) {
    this.#memory = memory;
    this.#opa = opa;
    this.#mostBytes = mostBytes;
  }

  /**
   * The address of the question's input, complete. It is good for one evaluation.
   *
   * @throws EvaluationFault when a text is not well-formed Unicode, or the whole is too long
   */
  inputOf(question: Question): number {
    if (this.#memory.keptBytes > this.#mostBytes || this.#bucketCount > MOST_BUCKETS) this.forget();
    for (const { name, value } of question.shared) this.#keepDocument(name, value);
    const { input } = question;
    const kept = input === undefined ? undefined : this.#keptInput(input, question);
    if (kept === undefined || input === undefined) return this.#parsed(question);
    this.#fill(kept, valuesOf(input), question.shared);
    return kept.address;
  }

  forget(): void {
    this.#memory.forget();
    this.#documents = new WeakMap();
    this.#paths = new Map();
    this.#buckets = new Map();
    this.#bucketCount = 0;
  }

  #parsed({ shared, text }: Question): number {
    const input = this.#memory.parse(text());
    this.#addMembers(input, shared);
    return input;
  }

  /** A member that is there already is let go of. */
  #addMembers(input: number, shared: readonly SharedMember[]): void {
    for (const { name, value } of shared) {
      const path = this.#paths.get(name) ?? 0;
      const error = this.#opa.opa_value_add_path(input, path, this.#documents.get(value) ?? 0);
      if (error !== 0) throw new Error(`member ${name} cannot be added to the input: ${error}`);
    }
  }

  #keepDocument(name: string, value: object): void {
    if (!this.#paths.has(name)) {
      this.#paths.set(name, this.#memory.parse(JSON.stringify([name])));
      this.#memory.keep();
    }
    if (this.#documents.has(value)) return;
    this.#documents.set(value, this.#memory.parse(documentText(value) ?? "null"));
    this.#memory.keep();
  }

  #keptInput(input: PolicyInput, question: Question): KeptInput | undefined {
    const [first] = input.request.accesses;
    if (first === undefined || !this.#keepsInputs) return undefined;
    const bucket = this.#buckets.get(input.request.operation)?.get(first.arn);
    for (const one of bucket?.kept ?? []) if (areAlike(one.sample, input)) return one;
    if (bucket?.kept.length === MOST_KEPT) return undefined;
    const twin = bucket?.seen.find((one) => areAlike(one, input));
    if (bucket !== undefined && twin !== undefined) {
      const made = this.#keepInput(twin);
      if (made === undefined) this.#keepsInputs = false;
      else bucket.kept.push(made);
      return made;
    }
    const text = question.text();
    if (text.length <= LONGEST_KEPT && valuesOf(input).length <= MOST_VALUES) this.#remember(text);
    return undefined;
  }

  /** As a copy: texts of the request would keep all of its body, and its user would stay with it. */
  #remember(text: string): void {
    const copy: PolicyInput = { ...(JSON.parse(text) as PolicyInput), ...FIRST };
    const { seen } = this.#bucketOf(copy.request.operation, copy.request.accesses[0]?.arn ?? "");
    if (seen.push(copy) > MOST_SEEN) seen.shift();
  }

  #bucketOf(operation: string, arn: string): Bucket {
    let ofOperation = this.#buckets.get(operation);
    if (ofOperation === undefined) this.#buckets.set(operation, (ofOperation = new Map()));
    let bucket = ofOperation.get(arn);
    if (bucket === undefined) {
      ofOperation.set(arn, (bucket = { kept: [], seen: [] }));
      this.#bucketCount += 1;
    }
    return bucket;
  }

  /**
   * Parses an input to stay, with marks for its values, and finds the marks and its documents again: OPA remembers of a text its
   * length and its address, one after the other, and of a member the address of its value. That is no promise of OPA's, so an
   * input is kept only if each is found once, and if others in their places make of it what parsing makes. No document of a
   * user is looked at: that would cost as much as it is large.
   */
  #keepInput(input: PolicyInput): KeptInput | undefined {
    const memory = this.#memory;
    const marks = valuesOf(input).map(() => newId());
    const sample = withValues(input, marks);
    const { shared, text } = questionOfInput(sample);
    for (const { name, value } of shared) this.#keepDocument(name, value);
    const from = memory.floor;
    const address = memory.parse(`{${shared.map(({ name }) => `"${name}":null,`).join("")}${text().slice(1)}`);
    const until = this.#opa.opa_heap_ptr_get();
    memory.refresh();
    const before = Buffer.from(memory.bytes.slice(from, until));
    this.#addMembers(address, shared);
    memory.keep();
    const values = this.#placesOfTexts(marks, from);
    const members = this.#placesOfDocuments(shared, before, from);
    if (values === undefined || members === undefined) return undefined;
    const kept = { sample, address, values, members };
    const isFaithful = SAMPLES.every((text) =>
      this.#isFaithful(
        kept,
        marks.map((_, at) => text.repeat(at % 3)),
      ),
    );
    return isFaithful ? kept : undefined;
  }

  #placesOfTexts(texts: readonly string[], from: number): number[] | undefined {
    const memory = this.#memory;
    const bytes = Buffer.from(memory.bytes.buffer, from, memory.floor - from);
    const places = new Map(texts.map((text): [string, number[]] => [text, []]));
    const length = texts[0]?.length ?? 0;
    for (let at = 0; at + 8 <= bytes.length; at++) {
      if (bytes.readUInt32LE(at) !== length) continue;
      const start = bytes.readUInt32LE(at + 4) - from;
      if (start >= 0 && start + length <= bytes.length)
        places.get(bytes.toString("latin1", start, start + length))?.push(from + at);
    }
    return onePlaceEach([...places.values()]);
  }

  /**
   * Where the documents' addresses came to stand when they were put in. A word that was there before is none of them: what OPA
   * leaves unwritten between its own can look like any address, and to try such a word would break what it is part of.
   */
  #placesOfDocuments(shared: readonly SharedMember[], before: Buffer, from: number): number[] | undefined {
    const bytes = Buffer.from(this.#memory.bytes.buffer, from, before.length);
    const places = new Map(shared.map(({ value }): [number, number[]] => [this.#documents.get(value) ?? 0, []]));
    for (let at = 0; at + 4 <= bytes.length; at++) {
      const word = bytes.readUInt32LE(at);
      if (word !== before.readUInt32LE(at)) places.get(word)?.push(from + at);
    }
    return onePlaceEach([...places.values()]);
  }

  #isFaithful(kept: KeptInput, values: readonly string[]): boolean {
    const other = { ...withValues(kept.sample, values), user: OTHER_USER, database: OTHER_DATABASE };
    const { shared, text } = questionOfInput(other);
    for (const { name, value } of shared) this.#keepDocument(name, value);
    const expected = this.#memory.dump(this.#parsed({ shared, text }));
    this.#fill(kept, values, shared);
    return this.#memory.dump(kept.address) === expected;
  }

  #fill(kept: KeptInput, values: readonly string[], shared: readonly SharedMember[]): void {
    const memory = this.#memory;
    let text = "";
    for (const value of values) text += value + SEPARATOR;
    if (text.length > LONGEST_VALUES) throw new EvaluationFault("policy_failed", "the input is too long");
    let at = memory.floor;
    const isAscii = memory.write(text) === text.length;
    if (!isAscii && LONE_SURROGATE.test(text))
      throw new EvaluationFault("policy_failed", "the input holds text that is not well-formed Unicode");
    for (let index = 0; index < kept.values.length; index++) {
      const value = values[index] ?? "";
      const length = isAscii ? value.length : Buffer.byteLength(value);
      const place = kept.values[index] ?? 0;
      memory.setWord(place, length);
      memory.setWord(place + 4, at);
      at += length + SEPARATOR.length;
    }
    for (let index = 0; index < kept.members.length; index++)
      memory.setWord(kept.members[index] ?? 0, this.#documents.get(shared[index]?.value ?? NOTHING) ?? 0);
  }
}

/** Keeps two halves of a surrogate pair in two values apart. */
const SEPARATOR = ",";
const LONE_SURROGATE = /\p{Surrogate}/u;
const LONGEST_VALUES = 4 * 1024 * 1024;
/** Characters of JSON: about ten accesses. */
const LONGEST_KEPT = 8_192;
const MOST_KEPT = 16;
/** Those of a batch of a hundred keys. */
const MOST_VALUES = 128;
const MOST_SEEN = 4;
const MOST_BUCKETS = 1_024;
const NOTHING = {};
/** Of what is kept for others to be put in its place. */
const FIRST: Pick<PolicyInput, "user" | "database"> = {
  user: Object.freeze({ name: "first", roles: [], traits: {}, mfa_verified: false }),
  database: Object.freeze({ name: "first", labels: {}, region: "", account_id: "", partition: "" }),
};
/** In place of values, while an input is tried. */
const SAMPLES = ["a", '"\\\n\u0000', "é😀"];
const OTHER_USER: PolicyInput["user"] = Object.freeze({ name: "", roles: [], traits: {}, mfa_verified: true });
const OTHER_DATABASE: PolicyInput["database"] = Object.freeze({
  name: "",
  labels: {},
  region: "",
  account_id: "",
  partition: "",
});

function onePlaceEach(places: readonly (readonly number[])[]): number[] | undefined {
  return places.every((ones) => ones.length === 1) ? places.flat() : undefined;
}
