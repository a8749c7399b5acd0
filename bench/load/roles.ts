/** Roles, users and databases of the bench: what the caller holds, among many that are not asked. */

import { ACTION_TABLE } from "../../src/dynamodb/catalogue.ts";
import { compilePolicyData, type PolicyData } from "../../src/policy/data.ts";
import type { RoleRule, RoleSpec } from "../../src/policy/roles.ts";

/** How much of everything there is. */
export interface World {
  /** Roles that are loaded. */
  readonly roles: number;
  /** Roles that the caller holds. */
  readonly held: number;
  /** Rules in the allow block of each role. */
  readonly rules: number;
  readonly databases: number;
  /** Users with a listener each; every one has an AWS session of its own. */
  readonly sessions: number;
}

export const USUAL_WORLD: World = { roles: 100, held: 5, rules: 2, databases: 1, sessions: 1 };

export const DB_USER = "ExampleRole";
export const ACCOUNT = "123456789012";
export const DATABASE = Object.freeze({
  name: "example-0",
  labels: Object.freeze({ env: "dev" }),
  region: "us-east-1",
  account_id: ACCOUNT,
  partition: "aws",
});

/** Every name a user has. */
export function userNames({ sessions }: World): string[] {
  return Array.from({ length: sessions }, (_, at) => `user-${at}`);
}

export function rolesHeld({ roles, held }: World): string[] {
  return Array.from({ length: Math.min(roles, held) }, (_, at) => `role-${at}`);
}

/** Labels, database users, rules and denials in each; two in five are about the database that is asked. */
export function roleSpecs({ roles, rules }: World): RoleSpec[] {
  return Array.from({ length: roles }, (_, at) => ({
    name: `role-${at}`,
    allow: {
      db_labels: { env: at % 5 < 2 ? ["dev", "staging"] : ["prod"] },
      db_users: [DB_USER, "Reader-*"],
      db_rules: rulesOf(rules),
    },
    deny: { db_labels: {}, db_users: [], db_rules: [{ actions: ["dynamodb:DeleteTable"] }] },
  }));
}

/** The last rule is the one that matches. Those before it are about the same actions from the third on. */
function rulesOf(count: number): RoleRule[] {
  const actions = [
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:PutItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:PartiQLSelect",
  ];
  return Array.from({ length: count }, (_, at): RoleRule => {
    if (at === count - 1) return { actions, tables: ["orders", "orders-*"] };
    return at === 0
      ? { actions: ["write"], tables: ["audit-*"] }
      : { actions, tables: [`other-${at}`, `other-${at}-*`] };
  });
}

/** The roles as an OPA server gets them. */
export function compiledRoles(world: World): PolicyData {
  return compilePolicyData(roleSpecs(world), ACTION_TABLE);
}

/** The roles as resources, each a document. */
export function roleDocuments(world: World): string[] {
  return roleSpecs(world).map(({ name, allow, deny }) =>
    JSON.stringify({
      kind: "role",
      version: "v7",
      metadata: { name },
      spec: { allow, deny: { db_rules: deny.db_rules } },
    }),
  );
}

/** Files of the resources directory, each small enough to be read. */
export function resourceFiles(world: World): Map<string, string> {
  const documents = [
    ...roleDocuments(world),
    ...userNames(world).map((name) =>
      JSON.stringify({
        kind: "user",
        version: "v2",
        metadata: { name },
        spec: { roles: rolesHeld(world), traits: {} },
      }),
    ),
  ];
  const files = new Map<string, string>();
  let file: string[] = [];
  let size = 0;
  for (const document of documents) {
    if (size + document.length > FILE_BYTES) {
      files.set(`part-${files.size}.yaml`, file.join("\n---\n"));
      file = [];
      size = 0;
    }
    file.push(document);
    size += document.length + 5;
  }
  return files.set(`part-${files.size}.yaml`, file.join("\n---\n"));
}

const FILE_BYTES = 900_000;
