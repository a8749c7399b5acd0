/** People, roles, locks and connectors of a cluster at one moment, and as a change would leave them. */

import { Buffer } from "node:buffer";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { BUILT_IN_ROLES } from "../identity/built-in-roles.ts";
import { Directory } from "../identity/directory.ts";
import { parseLock, type Lock } from "../identity/lock.ts";
import { nameFault, quoted } from "../identity/names.ts";
import { parseOidcConnector } from "../identity/oidc-connector.ts";
import { parseRole, type ResourceRule, type Role } from "../identity/role.ts";
import { standingOf } from "../identity/session.ts";
import { type KnownConnector, parseUser, type User, vouchedFor } from "../identity/user.ts";
import { requireWhole } from "../store/backup.ts";
import type { Store, StoredResource, StoredValue } from "../store/store.ts";
import type { Actor, Verb } from "./authorize.ts";

/** One resource that is to be another, or to be gone. */
export interface PlannedChange {
  readonly verb: Extract<Verb, "create" | "update" | "delete">;
  readonly kind: string;
  readonly name: string;
  readonly before: StoredResource | undefined;
  /** The document as it is to be; undefined: gone. */
  readonly after: StoredValue | undefined;
  readonly expiresAt?: number;
}

const KINDS = ["role", "user", "lock", "oidc"] as const;

/** Documents by kind and name. */
type Documents = ReadonlyMap<string, StoredValue>;

/** What was read at one moment. */
export class World {
  readonly #documents: Documents;
  readonly #clock: Clock;
  #before: Directory | undefined;

  /**
   * Reads people, roles and locks. What changes meanwhile must be noticed by whoever writes.
   *
   * @throws PosternError `restore_unfinished`
   */
  static async read(store: Store, clock: Clock): Promise<World> {
    const lists = await Promise.all(KINDS.map((kind) => store.list(kind)));
    // Behind them: what they found may be half of a backup that began to be put back meanwhile.
    await requireWhole(store, "use this store");
    return new World(new Map(lists.flat().map(({ kind, name, value }) => [`${kind}/${name}`, value])), clock);
  }

  /**
   * Reads as much as it takes to judge one user who changes nothing: their document, their roles with those that they are
   * `held` to have, and all locks. However many others there are, it costs the same.
   *
   * @throws PosternError `restore_unfinished`
   */
  static async around(user: string, held: readonly string[], store: Store, clock: Clock): Promise<World> {
    const [own, locks, connectors] = await Promise.all([
      isStorable(user) ? store.get("user", user) : undefined,
      store.list("lock"),
      // Who came by one that is there no more is there no more, either.
      store.list("oidc"),
    ]);
    const names = [...new Set([...held, ...rolesNamedIn(own?.value)])].filter((name) => !isBuiltIn(name));
    const roles = await Promise.all(names.filter(isStorable).map((name) => store.get("role", name)));
    // Behind them, as in `read`: what takes away may be what is not back yet.
    await requireWhole(store, "use this store");
    const found = [own, ...roles, ...locks, ...connectors].filter((one) => one !== undefined);
    return new World(new Map(found.map(({ kind, name, value }) => [`${kind}/${name}`, value])), clock);
  }

  /** The same with another document in the place of one, or beside them. */
  with(kind: (typeof KINDS)[number], name: string, document: StoredValue): World {
    return new World(new Map([...this.#documents, [`${kind}/${name}`, document]]), this.#clock);
  }

  /** Use `read` or `around`. */
  constructor(documents: Documents, clock: Clock) {
    this.#documents = documents;
    this.#clock = clock;
  }

  /** As it is. A document that cannot be read counts for nothing, so that it can be removed or replaced. */
  get directory(): Directory {
    this.#before ??= directoryOf(this.#documents, this.#clock, "forgiving");
    return this.#before;
  }

  /**
   * As it is, for deciding whether a user is let in: what cannot be read may be the very thing that keeps them out.
   *
   * @throws PosternError `resource_unreadable` for a lock, and for the user's own document and roles
   */
  directoryFor(user: string): Directory {
    for (const key of this.#documents.keys()) if (key.startsWith("lock/")) this.#required(key, parseLock);
    const own = `user/${user}`;
    const roles = this.#documents.has(own) ? this.#required(own, parseUser).value.roles : [];
    for (const role of roles) if (!isBuiltIn(role)) this.#required(`role/${role}`, parseRole);
    return this.directory;
  }

  #required<T>(key: string, parse: (document: unknown) => T): T {
    try {
      return parse(this.#documents.get(key));
    } catch (cause) {
      throw unreadable(key, cause);
    }
  }

  /** A connector by which a role is given to whoever logs in: whoever makes or removes the role changes what it gives. */
  connectorGiving(role: string): { readonly name: string; readonly document: StoredValue } | undefined {
    for (const [key, document] of this.#documents) {
      if (!key.startsWith("oidc/")) continue;
      try {
        const { name, claimsToRoles } = parseOidcConnector(document).value;
        if (claimsToRoles.some(({ roles }) => roles.includes(role))) return { name, document };
      } catch {
        // It gives nobody anything.
      }
    }
    return undefined;
  }

  /**
   * As it would be. Somebody can be shut out whatever else is there.
   *
   * @throws ResourceProblemsError for a reference to nothing, PosternError for what cannot be read, unless all changes take away
   */
  after(changes: readonly PlannedChange[]): Directory {
    const documents = new Map(this.#documents);
    for (const { kind, name, after } of changes) {
      if (after === undefined) documents.delete(`${kind}/${name}`);
      else if (KINDS.some((one) => one === kind)) documents.set(`${kind}/${name}`, after);
    }
    return directoryOf(documents, this.#clock, changes.every(takesAway) ? "forgiving" : "strict");
  }
}

function takesAway({ kind, after }: PlannedChange): boolean {
  return (kind === "lock" && after !== undefined) || (kind === "user" && after === undefined);
}

/** How many users hold the role `editor` and can use it. */
export function editorsIn(directory: Directory): number {
  const isEditor = ({ name, roles }: User): boolean => roles.includes("editor") && directory.lockOf(name) === undefined;
  return directory.users().filter(isEditor).length;
}

/**
 * The actor as of this moment, by `standingOf`: what was taken away since they were recognised counts no more. Who is gone has
 * nothing left, nor has who got a role since that denies something and must log in again.
 */
export function actorNow(actor: Actor, directory: Directory): Actor {
  if (actor.kind === "local") return actor;
  const known = directory.principalOf(actor.name);
  const standing = known && standingOf({ ...actor, mfaVerified: false }, known, directory);
  if (standing === undefined || "denying" in standing) return { ...actor, roles: [], traits: {} };
  return { ...actor, roles: standing.roles, traits: standing.traits };
}

/** The lock that shuts an actor out at this moment, whether or not there is a document of that user. */
export function lockOn(actor: Actor, directory: Directory, now: number): Lock | undefined {
  if (actor.kind === "local") return undefined;
  const own = directory.lockOf(actor.name);
  const meant = ({ target }: Lock): boolean =>
    ("user" in target && target.user === actor.name) || ("role" in target && actor.roles.includes(target.role));
  return own ?? directory.locks().find((lock) => meant(lock) && (lock.expires === undefined || now < lock.expires));
}

/** The rules of an actor's roles, without the built-in ones, which policy knows by itself. */
export function rulesOf(
  actor: Actor,
  directory: Directory,
): Record<string, { allow: readonly ResourceRule[]; deny: readonly ResourceRule[] }> {
  const roles = actor.roles.map((name) => directory.role(name));
  const own = roles.filter((role): role is Role => role !== undefined && !role.builtIn);
  return Object.fromEntries(
    own.map(({ name, allow, deny }) => [name, { allow: allow.rules ?? [], deny: deny.rules ?? [] }]),
  );
}

/** Whether a store could have something of this name: what can be nobody's is looked up nowhere. */
export function isStorable(name: string): boolean {
  return nameFault(name) === undefined && Buffer.byteLength(name) <= MAX_NAME_BYTES;
}

/** As much as a store takes. */
const MAX_NAME_BYTES = 255;

/** None for a document that cannot be read: it counts for nothing, or keeps its user out. */
function rolesNamedIn(document: StoredValue | undefined): readonly string[] {
  try {
    return document === undefined ? [] : parseUser(document).value.roles;
  } catch {
    return [];
  }
}

function directoryOf(documents: Documents, clock: Clock, mood: "strict" | "forgiving"): Directory {
  const users: User[] = [];
  const roles: Role[] = [];
  const locks: Lock[] = [];
  const connectors: KnownConnector[] = [];
  for (const [key, value] of documents) {
    try {
      if (key.startsWith("user/")) users.push(parseUser(value).value);
      else if (key.startsWith("role/")) roles.push(parseRole(value).value);
      else if (key.startsWith("oidc/")) connectors.push(parseOidcConnector(value).value);
      else locks.push(parseLock(value).value);
    } catch (cause) {
      // A connector that cannot be read vouches for nobody.
      if (mood === "strict" && !key.startsWith("oidc/")) throw unreadable(key, cause);
    }
  }
  const people = vouchedFor(users, connectors);
  if (mood === "strict") return new Directory({ users: people, roles, locks }, clock);
  const sound = roles.filter(({ name }) => !isBuiltIn(name));
  const known = new Set(sound.map(({ name }) => name));
  // What a broken role leaves behind must not keep anybody from mending it.
  const kept = people.map((user) => ({
    ...user,
    roles: user.roles.filter((role) => known.has(role) || isBuiltIn(role)),
  }));
  return new Directory({ users: kept, roles: sound, locks }, clock);
}

/** Whether every cluster has this role. */
export function isBuiltIn(role: string): boolean {
  return BUILT_IN_ROLES.some(({ name }) => name === role);
}

function unreadable(key: string, cause: unknown): PosternError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PosternError("resource_unreadable", `Cannot read ${quoted(key)}, which is in the store: ${reason}`, {
    cause,
    hint: `remove it with postern ctl rm ${key}, or write it anew with postern ctl create -f`,
  });
}
