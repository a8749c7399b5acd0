/** A cluster's store in a file of its own and administration over it, for tests of what people may do with it. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEvent } from "../../src/audit/event.ts";
import { systemClock } from "../../src/base/clock.ts";
import { loadControlBundle } from "../../src/cli/policy/builtin.ts";
import { kindsForUse } from "../../src/compose/kinds.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { Administration, type AdministrationOptions } from "../../src/control/administration.ts";
import { type Actor, Authorizer } from "../../src/control/authorize.ts";
import type { GivenDocument } from "../../src/control/documents.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";

/** Whoever runs commands on the machine. */
export const ROOT: Actor = { name: "root", roles: [], traits: {}, kind: "local" };

export interface TestCluster {
  readonly store: SqliteStore;
  readonly administration: Administration;
  /** What was recorded. */
  readonly events: AuditEvent[];
  /** Another administrator of the same store, with options of their own. */
  another(options?: Partial<AdministrationOptions>): Administration;
  /** The actor that a stored user is. */
  actor(name: string): Promise<Actor>;
  close(): Promise<void>;
}

/** Opens one; its store holds the given documents. */
export async function startTestCluster(yaml = ""): Promise<TestCluster> {
  const directory = mkdtempSync(join(tmpdir(), "postern-cluster-"));
  const store = await SqliteStore.open({ path: join(directory, "store.sqlite"), clock: systemClock });
  const events: AuditEvent[] = [];
  const options: AdministrationOptions = {
    store,
    authorizer: await Authorizer.load(await loadControlBundle()),
    events: {
      healthy: true,
      record: async (event) => {
        events.push(event);
      },
    },
    clock: systemClock,
    kinds: kindsForUse(),
    service: "test",
  };
  const administration = new Administration(options);
  if (yaml !== "") await administration.create(ROOT, documents(yaml), { force: false });
  events.length = 0;
  return {
    store,
    administration,
    events,
    another: (own) => new Administration({ ...options, ...own }),
    async actor(name) {
      const { value } = await administration.get(ROOT, "user", name);
      const { roles = [], traits = {} } = (value as { spec: Partial<Pick<Actor, "roles" | "traits">> }).spec;
      return { name, roles, traits, kind: "user" };
    },
    async close() {
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The documents of a text, as the command line gives them. */
export function documents(yaml: string): GivenDocument[] {
  return [...parseYaml(yaml, "test.yaml")].map(({ value, positionOf }) => ({ value, positionOf }));
}
