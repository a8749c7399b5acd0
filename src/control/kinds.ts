/** The kinds of resource that people write, and how a document of each is read. */

import { PosternError } from "../base/errors.ts";
import { maskedName, parseJoinToken } from "../identity/join-tokens.ts";
import { parseLock } from "../identity/lock.ts";
import { quoted } from "../identity/names.ts";
import { nearMiss } from "../identity/near-miss.ts";
import type { DocumentPath, Problem } from "../identity/problem.ts";
import { parseRole, type Role } from "../identity/role.ts";
import { isMapping } from "../identity/teleport-keys.ts";
import { parseUser } from "../identity/user.ts";
import type { StoredValue } from "../store/store.ts";
import type { JudgedActor } from "./authorize.ts";

/** What a document says of itself. */
export interface ReadDocument {
  readonly name: string;
  /** Milliseconds since the epoch from when on the store need not keep it. */
  readonly expiresAt?: number;
  readonly warnings: readonly Problem[];
}

/** One kind of resource. */
export interface Kind {
  /** As in `kind:` and in the store. */
  readonly kind: string;
  /** What people call it in a sentence. */
  readonly noun: string;
  /** Kinds of what belongs to a resource of the same name: it goes with it, and none is there when one is made. */
  readonly belongings?: readonly string[];
  /** Reads a document. @throws DocumentError with every problem */
  read(document: unknown): ReadDocument;
  /** Judges what its shape does not tell, as whoever will use it would. @throws PosternError, with `path` where it knows */
  judge?(document: unknown): Promise<void>;
  /** Readies an answer to whether somebody's roles reach what a document describes; absent: no role does. */
  reachBy?(user: JudgedActor, roles: readonly Role[]): Promise<Reaches>;
  /** The document as it is kept: a secret in it is sealed. Asked for what was read and judged. */
  keep?(document: StoredValue): StoredValue;
  /** A name as it may stand in a log or an error, where names are secrets. */
  readonly recorded?: (name: string) => string;
}

/** True for the document of what is reached; false for what is none. */
export type Reaches = (document: unknown) => boolean;

/** Judges a role as a gateway would that is about to use it. */
export type JudgeRole = (role: Role) => Promise<void>;

/** The kinds that this room reads by itself. Databases, which it knows nothing about, are given to it. */
export function kindsOf(judgeRole: JudgeRole, others: readonly Kind[]): ReadonlyMap<string, Kind> {
  const role: Kind = {
    kind: "role",
    noun: "role",
    read: (document) => named(parseRole(document)),
    judge: (document) => judgeRole(parseRole(document).value),
  };
  const user: Kind = {
    kind: "user",
    noun: "user",
    belongings: ["user_secret"],
    read(document) {
      const { value, warnings } = parseUser(document);
      const { name, origin, expires } = value;
      // Whoever comes by a connector is made anew when they come again.
      return { name, warnings, ...(origin === undefined || expires === undefined ? {} : { expiresAt: expires }) };
    },
  };
  const lock: Kind = { kind: "lock", noun: "lock", read: (document) => named(parseLock(document)) };
  const token: Kind = {
    kind: "token",
    noun: "token",
    read(document) {
      const { value, warnings } = parseJoinToken(document);
      const { name, expires } = value;
      return { name, warnings, ...(expires === undefined ? {} : { expiresAt: expires }) };
    },
    recorded: (name) => maskedName({ name, method: "token" }),
  };
  return new Map([role, user, lock, token, ...others].map((one) => [one.kind, one]));
}

/** A resource of the kind as sentences name it. */
export function called(kind: Kind, name: string): string {
  return `${kind.noun} ${quoted(kind.recorded?.(name) ?? name)}`;
}

/** The kind of this name. @throws PosternError `kind_unknown` */
export function kindNamed(kinds: ReadonlyMap<string, Kind>, name: string): Kind {
  const kind = kinds.get(name);
  if (kind !== undefined) return kind;
  const { message, hint } = unknownKind(name, kinds.keys());
  throw new PosternError("kind_unknown", message, hint === undefined ? {} : { hint });
}

/** What is wrong with the `kind` of a document, or undefined. */
export function kindProblem(document: unknown, kinds: ReadonlyMap<string, Kind>): Problem | undefined {
  const known = [...kinds.keys()].join(", ");
  if (!isMapping(document))
    return { path: [], message: "The document is not a mapping", hint: `begin with kind: and one of ${known}` };
  const { kind } = document;
  if (typeof kind === "string" && kinds.has(kind)) return undefined;
  if (typeof kind === "string") return unknownKind(kind, kinds.keys());
  const path: DocumentPath = kind === undefined ? [] : ["kind"];
  return { path, message: "The document does not say its kind", hint: `write kind: and one of ${known}` };
}

function unknownKind(name: string, kinds: Iterable<string>): Problem {
  const known = [...kinds];
  const meant = nearMiss(name, known);
  const hint = meant === undefined ? `the kinds are ${known.join(", ")}` : `did you mean "${meant}"?`;
  return { path: ["kind"], message: `Kind ${quoted(name)} is not known`, hint };
}

function named({
  value,
  warnings,
}: {
  readonly value: { readonly name: string };
  readonly warnings: readonly Problem[];
}): ReadDocument {
  return { name: value.name, warnings };
}
