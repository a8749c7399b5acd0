/** Where the built-in policy is: its sources, and its compiled bundle, in a checkout and in an installed package. */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { isBuildCurrent, type PolicyName } from "../../../scripts/lib/built-policy.mjs";
import { PosternError } from "../../base/errors.ts";
import { loadBundle, type PolicyBundle } from "../../policy/bundle.ts";

/** The folders and files of the built-in policy's sources. */
export interface BuiltinSources {
  readonly policies: string;
  readonly schemas: string;
  readonly capabilities: string;
}

/**
 * The compiled built-in policy of the gateway, or another one.
 *
 * @throws PosternError `policy_not_built`, `policy_stale`, or as `loadBundle` does
 */
export async function loadBuiltinBundle(
  from: string = import.meta.url,
  name: PolicyName = "bundle",
): Promise<PolicyBundle> {
  // `npm test` and `npm run demo` build to build/, and know when it is out of date; a package has dist/.
  const places = ["build", "dist"].map((folder) => join(folder, "policy", `${name}.tar.gz`));
  for (const root of parentsOf(from)) {
    const found = places.map((place) => join(root, place)).find((path) => existsSync(path));
    if (found !== undefined) {
      if (found.startsWith(join(root, "build"))) await requireCurrent(root, name);
      return await loadBundle(found);
    }
    if (existsSync(join(root, "package.json"))) break;
  }
  throw new PosternError("policy_not_built", "Cannot load the built-in policy: it has not been compiled", {
    hint: "node scripts/setup.mjs",
  });
}

/** The compiled policy of administration. @throws PosternError as `loadBuiltinBundle` does */
export function loadControlBundle(): Promise<PolicyBundle> {
  return loadBuiltinBundle(import.meta.url, "control");
}

/** In a checkout somebody may have changed the sources since: what runs must be what they read. */
async function requireCurrent(root: string, name: PolicyName): Promise<void> {
  if (await isBuildCurrent(root, name)) return;
  throw new PosternError(
    "policy_stale",
    "Cannot load the built-in policy: its sources have changed since it was compiled",
    {
      hint: "node scripts/setup.mjs",
    },
  );
}

/** @throws PosternError `policy_sources_missing` */
export function builtinSources(from: string = import.meta.url): BuiltinSources {
  for (const root of parentsOf(from)) {
    const policies = join(root, "policies");
    if (existsSync(join(policies, "postern", "decision.rego"))) {
      return { policies, schemas: join(policies, "schemas"), capabilities: join(policies, "capabilities.json") };
    }
  }
  throw new PosternError(
    "policy_sources_missing",
    "Cannot find the sources of the built-in policy beside this program",
    {
      hint: "install postern again; its package holds them in policies/",
    },
  );
}

function parentsOf(url: string): string[] {
  const parents: string[] = [];
  let directory = dirname(fileURLToPath(url));
  while (directory !== dirname(directory)) {
    parents.push(directory);
    directory = dirname(directory);
  }
  return parents;
}
