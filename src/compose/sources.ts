/** What a gateway decides by, besides its policy: the resources of files and of the store as one set, and what becomes of them. */

import { createHash } from "node:crypto";
import { type Database, type DatabaseSpec, resolveDatabase } from "../aws/database.ts";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { loadResources, type Resources } from "../config/resources.ts";
import { ACTION_TABLE } from "../dynamodb/catalogue.ts";
import { Directory } from "../identity/directory.ts";
import type { Lock } from "../identity/lock.ts";
import type { User } from "../identity/user.ts";
import { compilePolicyData, type PolicyData } from "../policy/data.ts";
import type { StoredSet } from "./store-follower.ts";

/** The resources of the files, and those of the store where there is one, as one set. @throws ResourceProblemsError where both have a name */
export function merged(files: Resources, stored: StoredSet | undefined, clock: Clock): Resources {
  if (stored === undefined) return files;
  const { directory } = files;
  const users = [...directory.users(), ...stored.users];
  const people = new Directory(
    {
      users,
      roles: [...directory.roles().filter(({ builtIn }) => !builtIn), ...stored.roles],
      locks: [...directory.locks(), ...stored.locks, ...shuttingOut(users, stored.shut)],
    },
    clock,
  );
  return {
    directory: people,
    roles: people.roles(),
    databases: [...files.databases, ...stored.databases],
    warnings: files.warnings,
    digest: createHash("sha256").update(`${files.digest}\n${stored.digest}`).digest("hex"),
    positionOf: (kind, name, path) => files.positionOf(kind, name, path),
  };
}

/** No document has such a name. */
function shuttingOut(users: readonly User[], message: string | undefined): readonly Lock[] {
  if (message === undefined) return [];
  return users.map(({ name }) => ({ name: `unreadable/${name}`, target: { user: name }, message }));
}

/** Compiled once to judge the roles and then again to use them would be twice the work. */
export function policyDataOf(resources: Resources): PolicyData {
  const known = compiled.get(resources);
  if (known !== undefined) return known;
  const data = compilePolicyData(resources.roles, ACTION_TABLE);
  compiled.set(resources, data);
  return data;
}

const compiled = new WeakMap<Resources, PolicyData>();

/** Databases of the configuration and of the resources, by name. */
export function databasesOf(config: Config, resources: Resources): ReadonlyMap<string, Database> {
  const databases = new Map<string, Database>();
  const add = (spec: DatabaseSpec): void => {
    const database = resolveDatabase(spec);
    if (databases.has(database.name)) {
      throw new PosternError("database_defined_twice", `Cannot load database "${database.name}": it is defined twice`, {
        hint: "keep it either in the configuration or in the resources",
      });
    }
    databases.set(database.name, database);
  };
  for (const spec of config.db_service.databases) add(spec);
  for (const spec of resources.databases) add(spec);
  return databases;
}

/** Judges a set of resources as it would be used: roles compile, databases resolve. */
export function validateResources(config: Config, resources: Resources): void {
  policyDataOf(resources);
  databasesOf(config, resources);
}

/** The resources of the files that a configuration names; without any, the built-in roles. */
export async function firstResources(config: Config, clock: Clock): Promise<Resources> {
  const { resources } = config.postern;
  if (resources !== undefined)
    return await loadResources(resources, { clock, validate: (set) => validateResources(config, set) });
  const directory = new Directory({ users: [], roles: [], locks: [] }, clock);
  return { directory, roles: directory.roles(), databases: [], warnings: [], digest: "", positionOf: () => undefined };
}
