/** The kinds of resource that the cluster keeps, each judged as the rooms that use it will judge it. */

import { resolveDatabase } from "../aws/database.ts";
import { parseDatabase } from "../config/resource-file.ts";
import { kindsOf, type Kind } from "../control/kinds.ts";
import { ACTION_TABLE } from "../dynamodb/catalogue.ts";
import type { Role } from "../identity/role.ts";
import type { PolicyBundle } from "../policy/bundle.ts";
import { compilePolicyData } from "../policy/data.ts";
import { PolicyDecisionPoint } from "../policy/pdp.ts";

/**
 * Kinds whose documents, once stored, every gateway can put in force: one that it cannot use would keep it from all later
 * changes. With `loadPolicy` a role's patterns are tried in the policy itself.
 */
export function kindsForUse(loadPolicy?: () => Promise<PolicyBundle>): ReadonlyMap<string, Kind> {
  let policy: Promise<PolicyBundle> | undefined;
  const judgeRole = async (role: Role): Promise<void> => {
    const data = compilePolicyData([role], ACTION_TABLE);
    if (loadPolicy === undefined) return;
    // Once for all documents of a call: what is compiled is remembered by the bundle.
    policy ??= loadPolicy();
    await PolicyDecisionPoint.load({ bundle: await policy, data });
  };
  return kindsOf(judgeRole, [DATABASE]);
}

const DATABASE: Kind = {
  kind: "db",
  noun: "database",
  read(document) {
    const { value, warnings } = parseDatabase(document);
    return { name: value.name, warnings };
  },
  async judge(document) {
    resolveDatabase(parseDatabase(document).value);
  },
};
