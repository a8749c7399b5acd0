/** A cluster with people who can log in, over a store in a file, for tests. Passwords are hashed at a cost that tests can bear. */

import { generateKeyPairSync, randomBytes } from "node:crypto";
import type { Clock } from "../../src/base/clock.ts";
import { kindsForUse } from "../../src/compose/kinds.ts";
import { type Cluster, openCluster } from "../../src/control/cluster.ts";
import { type ConnectorLogins, connectorLogins } from "../../src/control/connector-logins.ts";
import { Links } from "../../src/control/links.ts";
import { Logins } from "../../src/control/logins.ts";
import { People } from "../../src/control/people.ts";
import { Passkeys } from "../../src/identity/passkeys.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import { KeyRing } from "../../src/identity/sealing.ts";
import type { SecondFactor } from "../../src/identity/second-factor.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { documents, ROOT, startTestCluster, type TestCluster } from "./cluster.ts";

export interface TestLogins extends TestCluster, ConnectorLogins {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly people: People;
  readonly links: Links;
  readonly passkeys: Passkeys;
  /** Whose passkeys count; a door fills in where it is. */
  readonly party: { id: string; name: string; origin: string };
  readonly logins: Logins;
  /** Milliseconds that have passed beside those of the machine. */
  advance(ms: number): void;
  readonly clock: Clock;
  /** What the service has logged. */
  readonly logged: { text: string };
  readonly publicKey: string;
}

export async function startLogins(yaml: string, secondFactor: SecondFactor, localAuth = true): Promise<TestLogins> {
  let ahead = 0;
  const clock: Clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead };
  const started = await startTestCluster();
  const ring = new KeyRing([randomBytes(32)]);
  // The store must be empty for a cluster to be made in it.
  const cluster = await openCluster({ store: await emptied(started), ring, name: "example", clock });
  const administration = started.another({ store: cluster.store, clock, kinds: kindsForUse({ ring }) });
  if (yaml !== "") await administration.create(ROOT, documents(yaml), { force: false });
  started.events.length = 0;
  const sink = {
    healthy: true,
    record: async (event: TestCluster["events"][number]) => void started.events.push(event),
  };
  const passwords = new Passwords({ cost: { ln: 10, r: 8, p: 1 } });
  const common = { cluster, ring, passwords, events: sink, clock, secondFactor };
  const logged = { text: "" };
  const party = { id: "localhost", name: cluster.name, origin: "https://localhost:3080" };
  const passkeys = new Passkeys({ party, ring, clock });
  const judging = { ...common, localAuth, passkeys };
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    ...started,
    administration,
    cluster,
    ring,
    clock,
    party,
    people: new People({ ...common, administration }),
    passkeys,
    links: new Links(judging),
    ...connectorLogins({
      ...common,
      publicUrl: () => party.origin,
      taken: async () => new Set(["in-files"]),
      log: createLog({ severity: "debug", format: "json", write: (line) => void (logged.text += line) }),
    }),
    logged,
    logins: new Logins(judging),
    advance: (ms) => void (ahead += ms),
    publicKey: publicKey.export({ type: "spki", format: "pem" }) as string,
  };
}

async function emptied({ store }: TestCluster): Promise<TestCluster["store"]> {
  for await (const { kind, name } of store.snapshot()) await store.write([{ op: "delete", kind, name }]);
  return store;
}
