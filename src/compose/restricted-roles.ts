/** What roles take away that were changed beside what cannot be read: they allow nothing, and what they deny is known or shuts out. */

import { BUILT_IN_ROLES } from "../identity/built-in-roles.ts";
import { quoted } from "../identity/names.ts";
import { parseRole, type Role, type RoleConditions } from "../identity/role.ts";
import { denies } from "../identity/session.ts";
import type { User } from "../identity/user.ts";
import type { StoredValue } from "../store/store.ts";

/** Documents by name; undefined for what is not ours. */
type Documents = ReadonlyMap<string, StoredValue | undefined>;

/** Roles that are in force, and users with the roles that the store gives them, as far as the store bears them out. */
export interface RolesInQuestion {
  readonly inForce: readonly Role[];
  readonly users: readonly User[];
}

/** Names of the roles whose documents it takes. */
export function namesOfRoles({ inForce, users }: RolesInQuestion): ReadonlySet<string> {
  const names = [...inForce.map(({ name }) => name), ...users.flatMap(({ roles }) => roles)];
  return new Set(names.filter((name) => !BUILT_IN.has(name)));
}

/**
 * The roles: one that allows something else in the store allows nothing. The users: with those roles of theirs that are in force,
 * and locked when one of theirs denies in the store what no role in force does, or nobody knows what.
 */
export function restrictedRoles(
  { inForce, users }: RolesInQuestion,
  documents: Documents,
): { readonly roles: readonly Role[]; readonly users: readonly User[] } {
  const known = new Map(inForce.map((role) => [role.name, role]));
  const stored = new Map([...documents].map(([name, document]) => [name, readRole(document)]));
  const isUnclear = (name: string): boolean => {
    if (BUILT_IN.has(name)) return false;
    const [before, now] = [known.get(name), stored.get(name)];
    // What is gone from the store denies on; what is there must be readable.
    if (before !== undefined && !documents.has(name)) return false;
    if (now === undefined) return true;
    return before === undefined ? denies(now) : atDatabases(before.deny) !== atDatabases(now.deny);
  };
  return {
    roles: inForce.map((role) => {
      const now = stored.get(role.name);
      return now !== undefined && atDatabases(now.allow) === atDatabases(role.allow)
        ? role
        : { ...role, allow: NOTHING };
    }),
    users: users.map((user) => {
      const roles = user.roles.filter((name) => BUILT_IN.has(name) || known.has(name));
      const unclear = user.roles.find(isUnclear);
      return unclear === undefined ? { ...user, roles } : { ...user, roles, locked: { message: why(unclear) } };
    }),
  };
}

const BUILT_IN: ReadonlySet<string> = new Set(BUILT_IN_ROLES.map(({ name }) => name));
const NOTHING: RoleConditions = { db_labels: {}, db_users: [] };

function why(role: string): string {
  return `what role ${quoted(role)} denies cannot be put in force, as something in the store cannot be read`;
}

/** What a block means here; who may administer is asked of the store itself. */
function atDatabases({ rules: _, ...block }: RoleConditions): string {
  return JSON.stringify(block);
}

function readRole(document: StoredValue | undefined): Role | undefined {
  try {
    return parseRole(document).value;
  } catch {
    return undefined;
  }
}
