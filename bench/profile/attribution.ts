/** Says of each frame of a profile whose it is: a room of Postern, the compiled policy, a package, or a part of Node. */

import type { CallFrame, Sampled } from "./cpu-profile.ts";
import { type Modules, sourceAt } from "./modules.ts";

export type OwnerKind = "room" | "policy" | "package" | "node";

/** Whom time is told of. */
export interface Owner {
  readonly kind: OwnerKind;
  readonly name: string;
}

const node = (name: string): Owner => ({ kind: "node", name });
export const WASM: Owner = { kind: "policy", name: "policy (WebAssembly)" };
export const SOCKET_WRITES: Owner = node("Node: writing to sockets");
export const STREAMS: Owner = node("Node: sockets and streams");
export const HTTP1: Owner = node("Node: HTTP/1.1");
export const HTTP2: Owner = node("Node: HTTP/2");
export const FILES: Owner = node("Node: files");
export const CRYPTO: Owner = node("Node: hashes and random numbers");
export const BUFFERS: Owner = node("Node: buffers");
export const COLLECTOR: Owner = node("garbage collection");
export const EVENT_LOOP: Owner = node("Node: event loop, reading from sockets");
export const REST: Owner = node("Node: promises, timers, the rest");

/** Parts of Node by the names of its modules. */
const NODE_PARTS: readonly (readonly [RegExp, Owner])[] = [
  [
    /^node:(?:net|tls|_tls_\w+|stream|_stream_\w+|internal\/(?:stream_base_commons|js_stream_socket|streams\/.*|net|tls\/.*))$/,
    STREAMS,
  ],
  [/^node:(?:http|_http_\w+|internal\/(?:http|freelist))$/, HTTP1],
  [/^node:(?:http2|internal\/http2\/.*)$/, HTTP2],
  [/^node:(?:fs|internal\/fs)(?:\/|$)/, FILES],
  [/^node:(?:crypto|internal\/crypto\/.*)$/, CRYPTO],
  [/^node:(?:buffer|string_decoder|internal\/(?:buffer|encoding))$/, BUFFERS],
];
const SOCKET_WRITE = /^(?:writev|write(?:Buffer|Latin1String|Utf8String|AsciiString|Ucs2String))$/;

/** A frame that is told of by names that are the same on every machine. */
export interface PlacedFrame {
  readonly name: string;
  /** The source, the package or Node's module. */
  readonly where: string;
  readonly owner: Owner;
  /** A part of the engine without a source: it works for the function that called it. */
  readonly native: boolean;
}

export interface PlacedStack {
  /** The outermost first; never empty. */
  readonly frames: readonly PlacedFrame[];
  readonly count: number;
}

/**
 * Places a profile's stacks. V8 takes a thread for idle from when it waits for events until a script runs, which includes
 * the system calls that read from sockets; the samples of the time that the kernel says it was blocked are left out.
 *
 * @param blockedShare how much of the time the thread did not want a core; undefined when nobody knows
 */
export function placeStacks(
  { stacks, idle }: Sampled,
  modules: Modules,
  blockedShare: number | undefined,
): PlacedStack[] {
  const all = idle + stacks.reduce((total, { count }) => total + count, 0);
  const reading = Math.round(blockedShare === undefined ? 0 : Math.max(0, idle - blockedShare * all));
  const placed = stacks.map(({ frames, count }): PlacedStack => {
    const path: PlacedFrame[] = [];
    for (const frame of frames) path.push(placeFrame(frame, path.at(-1), modules));
    return { frames: path, count };
  });
  return reading === 0 ? placed : [...placed, { frames: [engine("reading, polling", EVENT_LOOP)], count: reading }];
}

/** Places a frame, knowing by whom it was called. */
export function placeFrame(frame: CallFrame, caller: PlacedFrame | undefined, modules: Modules): PlacedFrame {
  const { url, lineNumber } = frame;
  const name = frame.functionName === "" ? "(anonymous)" : frame.functionName;
  if (url === "") return nativeFrame(name, caller);
  // The policy is metered when it is loaded, which leaves it no names; what is left are numbers that change with each build.
  if (url.startsWith("wasm:")) return { name: WASM.name, where: "WebAssembly", owner: WASM, native: false };
  if (url.startsWith("node:")) {
    const owner = NODE_PARTS.find(([pattern]) => pattern.test(url))?.[1] ?? REST;
    return { name, where: url, owner, native: false };
  }
  const starts = modules.get(/\/dist\/(.+\.mjs)$/.exec(url)?.[1] ?? "");
  const source = starts === undefined ? undefined : sourceAt(starts, lineNumber);
  // A package is loaded from its own files, or built into ours.
  const dependency = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source ?? url)?.[1];
  if (dependency !== undefined)
    return { name, where: dependency, owner: { kind: "package", name: dependency }, native: false };
  // What has no source is the launcher, or what esbuild adds. Its address is a machine's and is not told.
  if (source === undefined)
    return { name, where: "launcher", owner: { kind: "room", name: "launcher" }, native: false };
  return { name, where: source, owner: { kind: "room", name: roomOf(source) }, native: false };
}

function roomOf(source: string): string {
  return source.split("/")[1]?.replace(/\.ts$/, "") ?? source;
}

function nativeFrame(name: string, caller: PlacedFrame | undefined): PlacedFrame {
  if (name === "(garbage collector)") return engine("collector", COLLECTOR);
  if (name === "(program)") return engine("outside of scripts", EVENT_LOOP);
  if (caller === undefined) return engine(name, REST);
  const owner = caller.owner === STREAMS && SOCKET_WRITE.test(name) ? SOCKET_WRITES : caller.owner;
  // The text of a regular expression is long and says nothing of whose it is.
  return { name: name.startsWith("RegExp: ") ? "RegExp" : name, where: caller.where, owner, native: true };
}

function engine(name: string, owner: Owner): PlacedFrame {
  return { name, where: "engine", owner, native: true };
}

/** A share of the profile, from 0 to 1, in which something was on top of the stack. */
export interface Share {
  readonly name: string;
  readonly share: number;
}

export interface OwnerShare extends Share {
  readonly kind: OwnerKind;
}

export interface FunctionShare extends Share {
  readonly where: string;
}

/** Who spent how much, the largest first. */
export function ownerShares(stacks: readonly PlacedStack[]): OwnerShare[] {
  const kinds = new Map<string, OwnerKind>();
  const counts = tallied(stacks, ({ frames }) => {
    const owner = frames.at(-1)?.owner ?? REST;
    kinds.set(owner.name, owner.kind);
    return owner.name;
  });
  return counts.map(([name, share]) => ({ name, kind: kinds.get(name) ?? "node", share }));
}

/** The functions of a room, or of all, that spent most of it. What the engine does for a function is the function's. */
export function functionShares(
  stacks: readonly PlacedStack[],
  room: string | undefined,
  most: number,
): FunctionShare[] {
  const counts = tallied(stacks, ({ frames }) => {
    if (room !== undefined && frames.at(-1)?.owner.name !== room) return undefined;
    const own = frames.findLast(({ native }) => !native);
    return own === undefined ? undefined : `${own.name}\n${own.where}`;
  });
  return counts.slice(0, most).map(([key, share]) => {
    const [name = "", where = ""] = key.split("\n");
    return { name, where, share };
  });
}

/** The shares of all samples that belong to each key, the largest first, those alike by name. */
function tallied(
  stacks: readonly PlacedStack[],
  keyOf: (stack: PlacedStack) => string | undefined,
): (readonly [string, number])[] {
  const all = stacks.reduce((total, { count }) => total + count, 0);
  const counts = new Map<string, number>();
  for (const stack of stacks) {
    const key = keyOf(stack);
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + stack.count);
  }
  return [...counts]
    .map(([key, count]) => [key, count / all] as const)
    .sort(([one, a], [other, b]) => b - a || (one < other ? -1 : 1));
}
