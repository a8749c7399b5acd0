/** The roles that every installation has, whatever its files say. */

import type { Role, RoleConditions } from "./role.ts";

const NONE: RoleConditions = { db_labels: {}, db_users: [] };

/** `access`, `editor` and `auditor`. A document of one of these names is refused. */
export const BUILT_IN_ROLES: readonly Role[] = [
  {
    name: "access",
    description:
      "Every database, as the AWS roles in the user's own trait db_users: nothing until the user has that trait",
    labels: {},
    allow: { db_labels: { "*": ["*"] }, db_users: ["{{internal.db_users}}"] },
    deny: NONE,
    options: {},
    builtIn: true,
  },
  {
    name: "editor",
    description: "Administers users, roles and tokens; reaches no database",
    labels: {},
    allow: NONE,
    deny: NONE,
    options: {},
    builtIn: true,
  },
  {
    name: "auditor",
    description: "Reads the audit log; reaches no database",
    labels: {},
    allow: NONE,
    deny: NONE,
    options: {},
    builtIn: true,
  },
];
