/** A directory of resources: every document in it, read and judged as one set. */

import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers";
import type { DatabaseSpec } from "../aws/database.ts";
import type { Clock } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import { PosternError, type SourcePosition } from "../base/errors.ts";
import { Directory } from "../identity/directory.ts";
import { quoted } from "../identity/names.ts";
import {
  parsePath,
  ResourceProblemsError,
  type DocumentPath,
  type ResourceKind,
  type ResourceProblem,
} from "../identity/problem.ts";
import type { Role } from "../identity/role.ts";
import { resourcePathOf } from "./database-schema.ts";
import { ConfigError, MAX_PROBLEMS, reasonOf, type PositionedProblem } from "./problem.ts";
import { digestOf, readResourceFile, type Resource, type ResourceFile } from "./resource-file.ts";
import { MAX_FILE_BYTES, positionIn, type YamlPlace } from "./yaml.ts";

/** One consistent set of resources. */
export interface Resources {
  /** Users, roles (with the built-in ones) and locks. */
  readonly directory: Directory;
  /** All roles, the built-in ones first. */
  readonly roles: readonly Role[];
  readonly databases: readonly DatabaseSpec[];
  readonly warnings: readonly PositionedProblem[];
  /** SHA-256 over names and contents of the files, in hexadecimal: the same files give the same digest. */
  readonly digest: string;
  /** Where a resource, or a path of it, stands; undefined for what no file says, such as a built-in role. */
  positionOf(kind: ResourceKind, name: string, path?: DocumentPath): SourcePosition | undefined;
}

/** What loading needs besides the directory. */
export interface ResourcesOptions {
  /** Judges the whole set, for example by compiling its roles. Throws a `ResourceProblemsError`, or a PosternError with `role` and `path`. */
  readonly validate?: (resources: Resources) => void | Promise<void>;
  /** Files read before, by path: those whose bytes did not change are not parsed again. Kept up to date. */
  readonly cache?: Map<string, ResourceFile>;
  /** Judges when locks and users end; the machine's clock when absent. */
  readonly clock?: Clock;
}

/** Most documents in a directory. */
export const MAX_DOCUMENTS = 20_000;

/**
 * Loads every `*.yaml`, `*.yml` and `*.json` file of a directory, in the order of their names. Subdirectories and names that
 * begin with a dot are left out, as Kubernetes' own bookkeeping in a mounted ConfigMap must be.
 *
 * @throws ConfigError `resources_unreadable` when directory or file cannot be read, `resources_invalid` with every problem and its place
 */
export async function loadResources(directory: string, options: ResourcesOptions = {}): Promise<Resources> {
  const attempt = `Cannot load resources ${quoted(directory)}`;
  const pause = pauseBetween();
  const { files, warnings } = await readFiles(
    directory,
    attempt,
    options.cache ?? new Map<string, ResourceFile>(),
    pause,
  );
  const read = [...files.values()];
  const all = read.flatMap(({ resources }) => resources);
  const problems = read.flatMap((file) => file.problems);
  const twice = duplicates(all);
  const total = problems.length + twice.length;
  if (total > 0)
    throw new ConfigError("resources_invalid", attempt, [...problems, ...twice.slice(0, MAX_PROBLEMS).map(duplicate)], {
      total,
    });
  const digest = createHash("sha256");
  for (const [path, file] of files) digest.update(`${path.slice(directory.length)}\n${file.digest}\n`);
  const places = new Map(all.map(({ kind, value, place }) => [`${kind}/${value.name}`, place]));
  const positionOf: Resources["positionOf"] = (kind, name, path = ["metadata", "name"]) => {
    const place = places.get(`${kind}/${name}`);
    return place === undefined
      ? undefined
      : positionIn(place, kind === "db" && !IN_DOCUMENT.has(String(path[0])) ? resourcePathOf(path) : path);
  };
  const fail = (thrown: PosternError): ConfigError => {
    const found = problemsOf(thrown, places);
    const shown = found.slice(0, MAX_PROBLEMS).map((problem) => positioned(problem, positionOf, directory));
    return new ConfigError("resources_invalid", attempt, shown, { cause: thrown, total: found.length });
  };
  try {
    const people = directoryOf(all, options.clock ?? systemClock);
    const told = people.warnings.slice(0, MAX_PROBLEMS).map((problem) => positioned(problem, positionOf, directory));
    const resources: Resources = {
      directory: people,
      roles: people.roles(),
      databases: all.flatMap((resource) => (resource.kind === "db" ? [resource.value] : [])),
      warnings: [...warnings, ...read.flatMap((file) => file.warnings), ...told],
      digest: digest.digest("hex"),
      positionOf,
    };
    await options.validate?.(resources);
    return resources;
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown;
    throw fail(thrown);
  }
}

/** Keys that a document has and a `DatabaseSpec` has not. */
const IN_DOCUMENT: ReadonlySet<string> = new Set(["kind", "version", "metadata", "spec"]);

type Pause = () => Promise<void> | undefined;

async function readFiles(
  directory: string,
  attempt: string,
  cache: Map<string, ResourceFile>,
  pause: Pause,
): Promise<{ files: Map<string, ResourceFile>; warnings: PositionedProblem[] }> {
  const unreadable = (file: string, cause: unknown): ConfigError => {
    const message = `${file === directory ? "The directory" : "The file"} cannot be read: ${reasonOf(cause)}`;
    return new ConfigError("resources_unreadable", attempt, [{ file, line: 1, column: 1, message }], { cause });
  };
  const entries = await readdir(directory).catch((cause: unknown) => {
    throw unreadable(directory, cause);
  });
  const files = new Map<string, ResourceFile>();
  const warnings: PositionedProblem[] = [];
  let room = MAX_DOCUMENTS;
  for (const name of entries.filter((entry) => !entry.startsWith(".")).sort()) {
    const file = join(directory, name);
    const { size, isFolder } = await stat(file).then(
      (found) => ({ size: found.size, isFolder: found.isDirectory() }),
      (cause: unknown) => {
        if (isResourceFile(name)) throw unreadable(file, cause);
        return { size: 0, isFolder: false };
      },
    );
    if (isFolder)
      warnings.push({
        file,
        line: 1,
        column: 1,
        message: "The directory is not read",
        hint: "move its files up; subdirectories do not count",
      });
    if (isFolder || !isResourceFile(name)) continue;
    if (size > MAX_FILE_BYTES) throw unreadable(file, `it has ${size} bytes, ${MAX_FILE_BYTES} allowed`);
    const bytes = await readFile(file).catch((cause: unknown) => {
      throw unreadable(file, cause);
    });
    if (bytes.length > MAX_FILE_BYTES)
      throw unreadable(file, `it has ${bytes.length} bytes, ${MAX_FILE_BYTES} allowed`);
    const known = cache.get(file);
    const read =
      known?.digest === digestOf(bytes) && known.resources.length <= room
        ? known
        : await readResourceFile(bytes, file, room, pause);
    room -= read.resources.length;
    files.set(file, read);
    cache.set(file, read);
  }
  for (const file of cache.keys()) if (!files.has(file)) cache.delete(file);
  return { files, warnings };
}

/** True for the names that are read. */
export function isResourceFile(name: string): boolean {
  return /\.(?:yaml|yml|json)$/.test(name);
}

function directoryOf(all: readonly Resource[], clock: Clock): Directory {
  return new Directory(
    {
      users: all.flatMap((resource) => (resource.kind === "user" ? [resource.value] : [])),
      roles: all.flatMap((resource) => (resource.kind === "role" ? [resource.value] : [])),
      locks: all.flatMap((resource) => (resource.kind === "lock" ? [resource.value] : [])),
    },
    clock,
  );
}

/** Pairs of documents with one name. */
function duplicates(all: readonly Resource[]): readonly [first: YamlPlace, second: Resource][] {
  const places = new Map<string, YamlPlace>();
  return all.flatMap((resource): [YamlPlace, Resource][] => {
    const key = `${resource.kind}/${resource.value.name}`;
    const first = places.get(key);
    if (first !== undefined) return [[first, resource]];
    places.set(key, resource.place);
    return [];
  });
}

function duplicate([first, { kind, value, place }]: [first: YamlPlace, second: Resource]): PositionedProblem {
  const { file, line } = positionIn(first, ["metadata", "name"]);
  const message = `${kind} ${quoted(value.name)} is already defined in ${file}:${line}`;
  return { ...positionIn(place, ["metadata", "name"]), message, hint: "remove one of the two" };
}

/** What another room found, by resource. Errors that only name the role in their text are understood, too. */
function problemsOf(thrown: PosternError, places: ReadonlyMap<string, YamlPlace>): readonly ResourceProblem[] {
  if (thrown instanceof ResourceProblemsError) return thrown.problems;
  const { role, path } = thrown as { role?: unknown; path?: unknown };
  const told =
    /^Cannot load (role|user|lock|db|database) "((?:[^"\\]|\\.)*)":? ?((?:[\w-]|\.|\[(?:\d+|"(?:[^"\\]|\\.)*")\])*)/.exec(
      thrown.message,
    );
  const foundKind = (typeof role === "string" ? "role" : told?.[1]?.replace("database", "db")) ?? "role";
  const foundName = typeof role === "string" ? role : (told?.[2] ?? "");
  const given = Array.isArray(path)
    ? (path as DocumentPath)
    : parsePath(typeof path === "string" ? path : /^spec\b/.test(told?.[3] ?? "") ? (told?.[3] ?? "") : "");
  const inside =
    given !== undefined && given.length > 0 && places.has(`${foundKind}/${foundName}`) ? given : ["metadata", "name"];
  return [
    {
      kind: foundKind as ResourceKind,
      name: foundName,
      path: inside,
      message: thrown.message,
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
    },
  ];
}

function positioned(
  { kind, name, path, message, hint }: ResourceProblem,
  positionOf: Resources["positionOf"],
  directory: string,
): PositionedProblem {
  const position = positionOf(kind, name, path) ?? { file: directory, line: 1, column: 1 };
  return { ...position, message, ...(hint === undefined ? {} : { hint }) };
}

/** Lets the event loop breathe whenever this has held it for some milliseconds. */
function pauseBetween(): Pause {
  let since = performance.now();
  return () => {
    if (performance.now() - since < SLICE_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        since = performance.now();
        resolve();
      });
    });
  };
}

const SLICE_MS = 8;
