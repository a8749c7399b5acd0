import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Secret } from "../../../src/base/secret.ts";
import { keepCluster } from "../../../src/compose/upkeep.ts";
import { keepRotating, rotateAuthorities, type RotationOptions } from "../../../src/control/rotation.ts";
import type { Authority, AuthorityKind, RotationPhase } from "../../../src/identity/authority.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { ROOT } from "../../support/cluster.ts";
import { type CommandLine, commandLine, type Ran } from "../../support/command-line.ts";
import { openRealDoor, type RealDoor } from "../../support/doors.ts";
import { eventually } from "../../support/eventually.ts";
import { startLogins, type TestLogins } from "../../support/logins.ts";

const ALICE = "kind: user\nversion: v2\nmetadata: {name: alice}\nspec: {roles: [access]}\n";
const PASSWORD = "correct horse battery";
const HOUR = 3_600_000;

/** What a node works with. */
function nodeOf({ cluster, ring, clock, events }: TestLogins): RotationOptions {
  const sink = { healthy: true, record: async (event: TestLogins["events"][number]) => void events.push(event) };
  return { cluster, ring, clock, events: sink };
}

function steps({ events }: TestLogins): string[] {
  return events.flatMap((event) =>
    event.event === "postern.authority.rotated" ? [`${event.authority} ${event.phase} by ${event.user}`] : [],
  );
}

describe("a rotation of both authorities, seen by real clients at a real door", () => {
  interface Clients {
    readonly door: RealDoor;
    readonly all: CommandLine[];
    /** Takes a step, and lets the door see it, as it does once a minute. */
    step(phase: RotationPhase): Promise<void>;
    login(): Promise<CommandLine>;
    again(client: CommandLine): Promise<Ran>;
  }

  async function started(): Promise<Clients> {
    const door = await openRealDoor(ALICE);
    await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
    const all: CommandLine[] = [];
    const words = (...more: string[]): string[] => [
      "login",
      `--proxy=${door.proxy}`,
      "--user=alice",
      "--password-stdin",
      ...more,
    ];
    return {
      door,
      all,
      async step(phase) {
        await rotateAuthorities("root", { kinds: ["host", "user"], phase, manual: true, grace: 0 }, nodeOf(door));
        door.listening.show(await door.identity.current());
      },
      async login() {
        const client = commandLine(door.clock);
        all.push(client);
        // The first pin that status shows is the one that is good now.
        const [pin = ""] = await door.cluster.pins();
        const ran = await client.run(words(`--ca-pin=${pin}`), PASSWORD);
        assert.equal(ran.code, 0, ran.err);
        return client;
      },
      again: (client) => client.run(words(), PASSWORD),
    };
  }

  async function ended({ door, all }: Clients): Promise<void> {
    for (const client of all) client.close();
    await door.close();
  }

  const list = (client: CommandLine): Promise<Ran> => client.run(["db", "ls", "-f", "json"]);
  const worksFor = async (what: string, ...clients: CommandLine[]): Promise<void> => {
    for (const client of clients) {
      const ran = await list(client);
      assert.equal(ran.code, 0, `${what}: ${ran.err}`);
    }
  };

  it("keeps logins good through all phases, and ends those of the old keys with the last one", async () => {
    const clients = await started();
    const { door, step, login, again } = clients;
    try {
      const idle = await login();
      const early = await login();
      await step("init");
      await worksFor("init", idle, early, await login());
      assert.equal((await again(early)).code, 0);
      const inInit = await login();
      await step("update_clients");
      await worksFor("update_clients", idle, early, inInit, await login());
      const busy = await login();
      await step("update_servers");
      await worksFor("update_servers", early, inInit, busy, await login());
      // Who has not been there since before the rotation knows no key of it, and sends nothing to who may be anybody.
      const lost = await list(idle);
      assert.equal(lost.code, 1);
      assert.match(lost.err, /not signed by the cluster.*\n.*log in with --ca-pin/);
      assert.equal((await again(early)).code, 0, "the profile knows both");
      await step("standby");
      await worksFor("standby", busy, early, await login());
      // This one's certificate was signed by the old key.
      const over = await list(inInit);
      assert.equal(over.code, 1);
      assert.match(over.err, /no authority of cluster "example" signed it/);
      assert.equal((await again(inInit)).code, 0, "it knows the new key by its last login");
      await worksFor("standby", inInit);
      assert.deepEqual(
        steps(door).filter((one) => one.startsWith("host")),
        ["init", "update_clients", "update_servers", "standby"].map((phase) => `host ${phase} by root`),
      );
    } finally {
      await ended(clients);
    }
  });

  for (const from of ["init", "update_clients", "update_servers"] as const) {
    it(`goes back from ${from}, and whoever was in before stays in`, async () => {
      const clients = await started();
      const { door, step, login } = clients;
      try {
        const pins = await door.cluster.pins();
        const idle = await login();
        for (const phase of ["init", "update_clients", "update_servers"] as const) {
          await step(phase);
          if (phase === from) break;
        }
        const during = await login();
        await step("rollback");
        await worksFor("rollback", idle, during, await login());
        const back = await login();
        await step("standby");
        await worksFor("standby", idle, back);
        assert.deepEqual(await door.cluster.pins(), pins);
        // The new key issued from update_clients on: what it signed is over.
        assert.equal((await list(during)).code, from === "init" ? 0 : 1);
      } finally {
        await ended(clients);
      }
    });
  }
});

describe("a rotation with a grace period", () => {
  const start = async (kinds: readonly AuthorityKind[]): Promise<TestLogins> => {
    const started = await startLogins(ALICE, "off");
    await rotateAuthorities("root", { kinds, phase: "init", manual: false, grace: 48 * HOUR }, nodeOf(started));
    return started;
  };
  const phases = (taken: readonly Authority[]): string[] => taken.map(({ kind, phase }) => `${kind} ${phase}`);

  it("goes on by itself, a third of it in each phase, whichever node looks", async () => {
    const logins = await start(["host", "user"]);
    const nodes = [nodeOf(logins), nodeOf(logins), nodeOf(logins)];
    const look = async (): Promise<string[]> => phases((await Promise.all(nodes.map(keepRotating))).flat());
    for (const phase of ["update_clients", "update_servers", "standby"]) {
      logins.advance(16 * HOUR - 60_000);
      assert.deepEqual(await look(), [], `before ${phase}`);
      logins.advance(61_000);
      assert.deepEqual((await look()).sort(), [`host ${phase}`, `user ${phase}`], "one node, once");
    }
    logins.advance(1000 * HOUR);
    assert.deepEqual(await look(), []);
    assert.deepEqual(
      steps(logins).map((one) => one.replace(/^\w+ /, "")),
      ["init by root", "update_clients by postern", "update_servers by postern", "standby by postern"].flatMap(
        (one) => [one, one],
      ),
    );
    await logins.close();
  });

  it("leaves no phase out when nobody looked for long, and gives each its time", async () => {
    const logins = await start(["user"]);
    logins.advance(500 * HOUR);
    assert.deepEqual(phases(await keepRotating(nodeOf(logins))), ["user update_clients"]);
    assert.deepEqual(await keepRotating(nodeOf(logins)), []);
    logins.advance(16 * HOUR);
    assert.deepEqual(phases(await keepRotating(nodeOf(logins))), ["user update_servers"]);
    await logins.close();
  });

  it("goes back by itself, too, and stops for who takes it in hand", async () => {
    const logins = await start(["host", "user"]);
    const node = nodeOf(logins);
    const by = (kind: AuthorityKind, phase: RotationPhase, manual: boolean): Promise<readonly Authority[]> =>
      rotateAuthorities("root", { kinds: [kind], phase, manual, grace: 48 * HOUR }, node);
    await by("host", "rollback", false);
    await by("user", "update_clients", true);
    logins.advance(17 * HOUR);
    assert.deepEqual(phases(await keepRotating(node)), ["host standby"]);
    logins.advance(1000 * HOUR);
    assert.deepEqual(await keepRotating(node), []);
    await logins.close();
  });

  it("goes on in an auth service that runs, and stops with it", async () => {
    const logins = await start(["user"]);
    const { cluster, ring, clock } = logins;
    const keys = {
      type: "file",
      spread: 0,
      read: async () => ring,
      add: async () => "",
      drop: async () => undefined,
    } as const;
    const log = createLog({ severity: "error", format: "text", write: () => undefined });
    const { events } = nodeOf(logins);
    const end = await keepCluster({ cluster, ring, keys }, { events, clock, log, lookEvery: 5 });
    const phase = async (): Promise<string> => (await cluster.authority("user")).phase;
    logins.advance(17 * HOUR);
    await eventually(async () => (await phase()) === "update_clients");
    await end();
    logins.advance(17 * HOUR);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await phase(), "update_clients");
    await logins.close();
  });

  it("refuses what cannot follow, all of it, and changes nothing", async () => {
    const logins = await start(["user"]);
    const node = nodeOf(logins);
    const before = await logins.cluster.store.list("authority");
    const asked = (kinds: readonly AuthorityKind[], phase: RotationPhase, grace = 48 * HOUR): Promise<unknown> =>
      rotateAuthorities("root", { kinds, phase, manual: false, grace }, node);
    await assert.rejects(asked(["user"], "init"), { code: "rotation_invalid", hint: /update_clients and rollback/ });
    await assert.rejects(asked(["host", "user"], "init"), { code: "rotation_invalid" });
    await assert.rejects(asked(["user"], "standby"), { code: "rotation_invalid" });
    await assert.rejects(asked(["host"], "rollback"), { code: "rotation_invalid", hint: /standby can be followed/ });
    await assert.rejects(asked(["host"], "init", 60_000), { code: "rotation_invalid", hint: /10m at least/ });
    const deaf = { ...node, events: { ...node.events, healthy: false } };
    await assert.rejects(rotateAuthorities("root", { kinds: ["host"], phase: "init", manual: true, grace: 0 }, deaf), {
      code: "audit_unavailable",
    });
    assert.deepEqual(await logins.cluster.store.list("authority"), before);
    await logins.close();
  });
});
