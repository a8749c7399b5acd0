/** Roles and users of a resources directory as the data that tests of policy see. */

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { loadResources } from "../../config/resources.ts";
import { ACTION_TABLE } from "../../dynamodb/catalogue.ts";
import { compilePolicyData, type PolicyData } from "../../policy/data.ts";
import type { PolicyUser } from "../../policy/input.ts";

/** What tests see: the roles where the policy looks for them, and the users as it would be told of them. */
export interface ResourcesAsData {
  /** `data.postern.compiled`. */
  readonly compiled: PolicyData["postern"]["compiled"];
  /** `data.testing.users`, by name. */
  readonly users: Readonly<Record<string, PolicyUser>>;
}

/** Reads a directory as `postern start` would. @throws ConfigError with every problem and its place */
export async function resourcesAsData(directory: string): Promise<ResourcesAsData> {
  const compile = ({ roles }: { roles: Parameters<typeof compilePolicyData>[0] }): PolicyData =>
    compilePolicyData(roles, ACTION_TABLE);
  const resources = await loadResources(directory, { validate: (set) => void compile(set) });
  const people = resources.directory.users().flatMap(({ name }) => {
    const principal = resources.directory.principalOf(name);
    if (principal === undefined) return [];
    const { roles, traits, mfaVerified } = principal;
    return [[name, { name, roles, traits, mfa_verified: mfaVerified }] as const];
  });
  return { compiled: compile(resources).postern.compiled, users: Object.fromEntries(people) };
}

/** Puts them beside the built-in policy in `stage`, where OPA finds them. */
export async function stageResources({ compiled, users }: ResourcesAsData, stage: string): Promise<void> {
  for (const [path, value] of [
    ["postern/compiled/data.json", compiled],
    ["testing/users/data.json", users],
  ] as const) {
    const file = join(stage, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, JSON.stringify(value));
  }
}
