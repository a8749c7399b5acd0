/** The kinds of resource that the cluster keeps, each judged as the rooms that use it will judge it. */

import { type Database, resolveDatabase } from "../aws/database.ts";
import { systemClock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import type { Config } from "../config/config.ts";
import { parseDatabase } from "../config/resource-file.ts";
import { connectorKind } from "../control/connectors.ts";
import { kindsOf, type Kind } from "../control/kinds.ts";
import { ACTION_TABLE } from "../dynamodb/catalogue.ts";
import { quoted } from "../identity/names.ts";
import type { Role } from "../identity/role.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { PolicyBundle } from "../policy/bundle.ts";
import { compilePolicyData } from "../policy/data.ts";
import { PolicyDecisionPoint } from "../policy/pdp.ts";
import { firstResources } from "./sources.ts";

/** What is known beyond the documents themselves. */
export interface KindsOptions {
  /** The policy in which a role's patterns are tried, and which says what databases roles reach; absent: none. */
  readonly loadPolicy?: () => Promise<PolicyBundle>;
  /** Seals the secrets of connectors. */
  readonly ring?: KeyRing;
  /** `kind/name` of what files of the gateway beside the store define: read with the first document. */
  readonly taken?: () => Promise<ReadonlySet<string>>;
}

/**
 * Kinds whose documents, once stored, every gateway can put in force: one that it cannot use would keep it from all later
 * changes.
 */
export function kindsForUse({ loadPolicy, ring, taken = async () => new Set() }: KindsOptions = {}): ReadonlyMap<
  string,
  Kind
> {
  let policy: Promise<PolicyBundle> | undefined;
  const judgeRole = async (role: Role): Promise<void> => {
    const data = compilePolicyData([role], ACTION_TABLE);
    if (loadPolicy === undefined) return;
    // Once for all documents of a call: what is compiled is remembered by the bundle.
    policy ??= loadPolicy();
    await PolicyDecisionPoint.load({ bundle: await policy, data });
  };
  const database: Kind = {
    ...DATABASE,
    async reachBy({ name, roles: held, traits }, roles) {
      if (loadPolicy === undefined) return () => false;
      policy ??= loadPolicy();
      const data = compilePolicyData(roles, ACTION_TABLE);
      const decisions = await PolicyDecisionPoint.load({ bundle: await policy, data });
      // A second factor, as in Teleport, is no matter of which databases are somebody's.
      const user = { name, roles: held, traits, mfa_verified: true };
      return (document) => {
        const found = databaseIn(document);
        return found !== undefined && decisions.shows(user, found);
      };
    },
  };
  const kinds = kindsOf(judgeRole, [database, connectorKind(ring)]);
  let names: Promise<ReadonlySet<string>> | undefined;
  const once = (): Promise<ReadonlySet<string>> => (names ??= taken());
  return new Map([...kinds].map(([name, kind]) => [name, withoutTaken(kind, once)]));
}

/** The names that a gateway of this configuration has from its files: `kind/name`. What cannot be read takes none. */
export async function namesInFiles(config: Config): Promise<ReadonlySet<string>> {
  const configured = config.db_service.databases.map(({ name }) => `db/${name}`);
  // Somebody must be able to lock a user while a file is broken.
  const files = await firstResources(config, systemClock).catch(() => undefined);
  if (files === undefined) return new Set(configured);
  const { directory, databases } = files;
  return new Set([
    ...configured,
    ...databases.map(({ name }) => `db/${name}`),
    ...directory.users().map(({ name }) => `user/${name}`),
    ...directory.roles().flatMap(({ name, builtIn }) => (builtIn ? [] : [`role/${name}`])),
    ...directory.locks().map(({ name }) => `lock/${name}`),
  ]);
}

function withoutTaken(kind: Kind, taken: () => Promise<ReadonlySet<string>>): Kind {
  return {
    ...kind,
    async judge(document) {
      const { name } = kind.read(document);
      if ((await taken()).has(`${kind.kind}/${name}`)) {
        const message = `metadata.name: ${kind.noun} ${quoted(name)} is defined in this machine's files already`;
        throw new PosternError("name_taken", message, { hint: "remove it there, or choose another name" });
      }
      await kind.judge?.(document);
    },
  };
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

/** Undefined for what cannot be read. */
function databaseIn(document: unknown): Database | undefined {
  try {
    return resolveDatabase(parseDatabase(document).value);
  } catch {
    return undefined;
  }
}
