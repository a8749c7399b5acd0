/** Who there is: users, roles and locks of one revision, never changed in place. */

import type { Clock } from "../base/clock.ts";
import { BUILT_IN_ROLES } from "./built-in-roles.ts";
import type { Lock } from "./lock.ts";
import { quoted } from "./names.ts";
import { nearMiss } from "./near-miss.ts";
import { BOT_TRAIT, type Principal } from "./principal.ts";
import { ResourceProblemsError, type ResourceProblem } from "./problem.ts";
import type { Role } from "./role.ts";
import type { User } from "./user.ts";

/** What a directory is made of. */
export interface DirectoryContents {
  readonly users: readonly User[];
  /** Without the built-in roles, which are always added. */
  readonly roles: readonly Role[];
  readonly locks: readonly Lock[];
}

/** An immutable snapshot. Whoever wants a change makes a new one and swaps it in. */
export class Directory {
  readonly #users: ReadonlyMap<string, User>;
  readonly #roles: ReadonlyMap<string, Role>;
  readonly #locks: readonly Lock[];
  readonly #principals = new Map<string, Principal>();
  readonly #locksOf: ReadonlyMap<string, readonly Lock[]>;
  readonly #clock: Clock;
  /** What is allowed but was hardly meant, such as a lock on a user who does not exist. */
  readonly warnings: readonly ResourceProblem[];

  /** @throws ResourceProblemsError when a name is taken twice or a user names a role that is not there */
  constructor(contents: DirectoryContents, clock: Clock) {
    const problems: ResourceProblem[] = [];
    this.#clock = clock;
    this.#roles = byName("role", [...BUILT_IN_ROLES, ...contents.roles], problems);
    this.#users = byName("user", contents.users, problems);
    this.#locks = [...byName("lock", contents.locks, problems).values()];
    problems.push(...contents.users.flatMap((user) => this.#missingRoles(user)));
    if (problems.length > 0) throw new ResourceProblemsError("Cannot load the resources", problems);
    for (const { name, roles, traits } of contents.users) {
      // Documents and claims of providers are no login: whoever writes them must not make a bot of anybody.
      const { [BOT_TRAIT]: _, ...own } = structuredClone(traits);
      this.#principals.set(name, deepFreeze({ name, roles: [...roles], traits: own, mfaVerified: false }));
    }
    const byTarget = byTargetOf(this.#locks);
    this.#locksOf = new Map(contents.users.flatMap((user) => entryOf(user, byTarget)));
    this.warnings = this.#locks.flatMap((lock) => this.#idleLock(lock));
  }

  /** The principal of a user by its exact name; undefined when there is none. */
  principalOf(userName: string): Principal | undefined {
    return this.#principals.get(userName);
  }

  /** The lock that shuts a user out now; undefined when none does. A user whose time is over counts as locked. */
  lockOf(userName: string): Lock | undefined {
    const locks = this.#locksOf.get(userName);
    if (locks === undefined) return undefined;
    const now = this.#clock.now();
    const user = this.#users.get(userName);
    if (user?.expires !== undefined && now >= user.expires) {
      return {
        name: `expired/${userName}`,
        target: { user: userName },
        message: `the user expired on ${new Date(user.expires).toISOString()}`,
      };
    }
    return locks.find(({ expires }) => expires === undefined || now < expires);
  }

  user(name: string): User | undefined {
    return this.#users.get(name);
  }

  role(name: string): Role | undefined {
    return this.#roles.get(name);
  }

  users(): readonly User[] {
    return [...this.#users.values()];
  }

  /** All roles, the built-in ones first. */
  roles(): readonly Role[] {
    return [...this.#roles.values()];
  }

  locks(): readonly Lock[] {
    return this.#locks;
  }

  #missingRoles(user: User): ResourceProblem[] {
    return user.roles.flatMap((role, at) => {
      if (this.#roles.has(role)) return [];
      const meant = nearMiss(role, this.#roles.keys());
      const message = `spec.roles[${at}]: user ${quoted(user.name)} has role ${quoted(role)}, which is not defined`;
      const hint =
        meant === undefined ? "add a document for the role, or remove it from the user" : `did you mean "${meant}"?`;
      return [{ kind: "user", name: user.name, path: ["spec", "roles", at], message, hint }];
    });
  }

  #idleLock(lock: Lock): ResourceProblem[] {
    // Services that have joined are nothing that a document defines.
    if ("server_id" in lock.target) return [];
    const [kind, target, known]: [string, string, ReadonlyMap<string, unknown>] =
      "user" in lock.target ? ["user", lock.target.user, this.#users] : ["role", lock.target.role, this.#roles];
    if (known.has(target)) return [];
    const meant = nearMiss(target, known.keys());
    return [
      {
        kind: "lock",
        name: lock.name,
        path: ["spec", "target", kind],
        message: `spec.target.${kind}: lock ${quoted(lock.name)} is for ${kind} ${quoted(target)}, which is not defined`,
        ...(meant === undefined ? {} : { hint: `did you mean "${meant}"?` }),
      },
    ];
  }
}

/** A user's own lock and those on the user or one of the roles; nothing for those, nearly all, whom no lock can shut out. */
function entryOf(user: User, byTarget: ReadonlyMap<string, readonly Lock[]>): [string, readonly Lock[]][] {
  const own: Lock[] =
    user.locked === undefined ? [] : [{ name: `user/${user.name}`, target: { user: user.name }, ...user.locked }];
  const targets = [`user/${user.name}`, ...user.roles.map((role) => `role/${role}`)];
  const locks = [...own, ...targets.flatMap((target) => byTarget.get(target) ?? [])];
  return locks.length === 0 && user.expires === undefined ? [] : [[user.name, locks]];
}

function byTargetOf(locks: readonly Lock[]): ReadonlyMap<string, readonly Lock[]> {
  const map = new Map<string, Lock[]>();
  for (const lock of locks) {
    const [key = ""] = Object.entries(lock.target).map(([kind, target]) => `${kind}/${target}`);
    map.set(key, [...(map.get(key) ?? []), lock]);
  }
  return map;
}

function byName<T extends Role | User | Lock>(
  kind: "role" | "user" | "lock",
  items: readonly T[],
  problems: ResourceProblem[],
): ReadonlyMap<string, T> {
  const map = new Map<string, T>();
  for (const item of items) {
    const first = map.get(item.name);
    if (first === undefined) map.set(item.name, deepFreeze(item));
    else problems.push(taken(kind, item.name, "builtIn" in first && first.builtIn));
  }
  return map;
}

function taken(kind: "role" | "user" | "lock", name: string, builtIn: boolean): ResourceProblem {
  const message = builtIn
    ? `metadata.name: role ${quoted(name)} is built in and cannot be replaced`
    : `metadata.name: ${kind} ${quoted(name)} is defined twice`;
  return {
    kind,
    name,
    path: ["metadata", "name"],
    message,
    hint: builtIn ? "give your role another name" : "remove one of the two",
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
