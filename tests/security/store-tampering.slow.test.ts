import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it, type TestContext } from "node:test";
import Database from "libsql";
import type { AuditEvent } from "../../src/audit/event.ts";
import { systemClock } from "../../src/base/clock.ts";
import { withAdministration } from "../../src/cli/ctl/local.ts";
import { readConfig } from "../../src/cli/start/index.ts";
import { openClusterOf } from "../../src/compose/store.ts";
import { StoreFollower } from "../../src/compose/store-follower.ts";
import type { DynamoDbCall } from "../../src/store/dynamodb-call.ts";
import { dynamoDbCaller } from "../contract/dynamodb-caller.ts";
import { documents } from "../support/cluster.ts";
import { eventually } from "../support/eventually.ts";
import { missing, startDynamoDbLocal } from "../support/peers.ts";

const skip = await missing("java", "dynamodbLocal");
const ENV = { AWS_ACCESS_KEY_ID: "AKIDEXAMPLE", AWS_SECRET_ACCESS_KEY: "example" };

/** A resource as it lies there: its text, and how long it lives. */
interface Row {
  readonly text: string;
}

/** Somebody who can write to a store and has no key of it. */
interface Intruder {
  read(kind: string, name: string): Promise<Row>;
  /** Puts a text under a name, over what is there. */
  write(kind: string, name: string, row: Row): Promise<void>;
  remove(kind: string, name: string): Promise<void>;
}

interface Victim {
  readonly file: string;
  readonly data: string;
  readonly intruder: Intruder;
}

function victim(t: TestContext, storage: object, intruderOf: (data: string) => Intruder): Victim {
  const directory = mkdtempSync(join(tmpdir(), "postern-tampering-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const [file, data] = [join(directory, "postern.yaml"), join(directory, "data")];
  mkdirSync(data, { mode: 0o700 });
  const auth_service = { enabled: "yes", cluster_name: "example", storage };
  writeFileSync(file, JSON.stringify({ version: "v3", postern: { nodename: "a", data_dir: data }, auth_service }));
  return { file, data, intruder: intruderOf(data) };
}

function sqliteIntruder(data: string): Intruder {
  const withDatabase = <T>(work: (db: Database.Database) => T): T => {
    const db = new Database(join(data, "store.sqlite"), { timeout: 5000 });
    try {
      return work(db);
    } finally {
      db.close();
    }
  };
  return {
    read: async (kind, name) =>
      withDatabase(
        (db) => db.prepare("SELECT value AS text FROM resources WHERE kind = ? AND name = ?").get(kind, name) as Row,
      ),
    write: async (kind, name, { text }) =>
      withDatabase((db) => {
        db.prepare(
          "INSERT INTO resources VALUES (?, ?, ?, 'r', NULL) ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, revision = 'r'",
        ).run(kind, name, text);
        db.prepare("INSERT INTO changes (kind, name) VALUES (?, ?)").run(kind, name);
      }),
    remove: async (kind, name) =>
      withDatabase((db) => void db.prepare("DELETE FROM resources WHERE kind = ? AND name = ?").run(kind, name)),
  };
}

function dynamoDbIntruder(call: DynamoDbCall, table: string): Intruder {
  const keyOf = (kind: string, name: string): object => ({ pk: { S: kind }, sk: { S: name } });
  return {
    read: async (kind, name) => {
      const { body } = await call("GetItem", { TableName: table, Key: keyOf(kind, name) });
      return { text: (body as { Item: { json: { S: string } } }).Item.json.S };
    },
    write: async (kind, name, { text }) => {
      const item = { ...keyOf(kind, name), json: { S: text }, revision: { S: "r" } };
      await call("PutItem", { TableName: table, Item: item });
    },
    remove: async (kind, name) => void (await call("DeleteItem", { TableName: table, Key: keyOf(kind, name) })),
  };
}

const PEOPLE = [
  ["alice", "access"],
  ["mallory", "access"],
  ["root", "editor"],
]
  .map(([name, role]) => `kind: user\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [${role}]}\n`)
  .join("---\n");

async function filled({ file }: Victim): Promise<void> {
  await withAdministration(readConfig(file), "writes", ({ administration, actor }) =>
    administration.create(actor, documents(PEOPLE), { force: false }),
  );
}

/** Makes alice an editor, as a person does who administers. */
function promote({ file }: Victim): Promise<unknown> {
  return withAdministration(readConfig(file), "writes", ({ administration, actor }) =>
    administration.change(actor, "user", "alice", (document) => {
      const copy = structuredClone(document) as { spec: { roles: string[] } };
      copy.spec.roles = ["editor"];
      return copy as never;
    }),
  );
}

/** What is on record of tampering in a data directory. */
function recorded({ data }: Victim): string[] {
  return readdirSync(join(data, "audit"))
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(data, "audit", name), "utf8").split("\n"))
    .filter((line) => line.includes('"postern.store.tampered"'))
    .map((line) => (JSON.parse(line) as { resource: string }).resource);
}

/** Each of them gives somebody what they were not given. */
const TAMPERINGS: Readonly<Record<string, (intruder: Intruder, foreign: Intruder) => Promise<string>>> = {
  "a value that was changed": async (intruder) => {
    const { text } = await intruder.read("user", "mallory");
    await intruder.write("user", "mallory", { text: text.replace('"access"', '"editor"') });
    return "user/mallory";
  },
  "values that change places": async (intruder) => {
    const [one, other] = [await intruder.read("user", "mallory"), await intruder.read("user", "root")];
    await intruder.write("user", "mallory", other);
    await intruder.write("user", "root", one);
    return "user/mallory";
  },
  "a value of another kind": async (intruder) => {
    await intruder.write("role", "mallory", await intruder.read("user", "mallory"));
    return "role/mallory";
  },
  "a resource of another cluster": async (intruder, foreign) => {
    await intruder.write("user", "mallory", await foreign.read("user", "mallory"));
    return "user/mallory";
  },
  "an authority of another cluster": async (intruder, foreign) => {
    await intruder.write("authority", "user", await foreign.read("authority", "user"));
    return "authority/user";
  },
  "a guard's key of another cluster": async (intruder, foreign) => {
    await intruder.write("guard_key", "store", await foreign.read("guard_key", "store"));
    return "";
  },
  "a guard's key that was taken away": async (intruder) => {
    await intruder.remove("guard_key", "store");
    return "guard_key/store";
  },
  "a guard's key that was cut": async (intruder) => {
    const { text } = await intruder.read("guard_key", "store");
    await intruder.write("guard_key", "store", { text: text.replace(/.{4}"\}$/, '"}') });
    return "guard_key/store";
  },
};

const CODES = /^(?:store_tampered|store_unguarded|sealed_value_damaged|sealing_key_lost)$/;

/** An auth service does not start, nobody can administer, and it is on record. */
async function refusedEverywhere(own: Victim, foreign: Victim, what: string): Promise<void> {
  const resource = await TAMPERINGS[what]?.(own.intruder, foreign.intruder);
  const events: AuditEvent[] = [];
  const record = async (event: AuditEvent): Promise<void> => void events.push(event);
  const start = async (): Promise<void> => {
    const { cluster } = await openClusterOf(readConfig(own.file), {
      clock: systemClock,
      env: process.env,
      events: { record },
    });
    // It closes the store when it cannot follow it.
    await (await StoreFollower.open(cluster.store)).close();
  };
  const isClear = (error: Error & { code: string; hint: string }): boolean => {
    assert.match(error.code, CODES, what);
    assert.ok(error.hint !== undefined, what);
    return true;
  };
  await assert.rejects(start(), isClear);
  const noted = resource === "" ? [] : [resource];
  assert.deepEqual(
    events.flatMap((event) => (event.event === "postern.store.tampered" ? [event.resource] : [])),
    noted,
    what,
  );
  const { text } = await own.intruder.read("user", "alice");
  await assert.rejects(promote(own), isClear);
  assert.equal((await own.intruder.read("user", "alice")).text, text, `${what}: nothing was changed`);
  assert.deepEqual(recorded(own), noted, what);
}

describe("a store in SQLite that somebody writes to behind its back", () => {
  const sqlite = { type: "sqlite" };
  for (const what of Object.keys(TAMPERINGS)) {
    it(`is refused with ${what}: an error, an event and no change`, async (t) => {
      const [own, foreign] = [victim(t, sqlite, sqliteIntruder), victim(t, sqlite, sqliteIntruder)];
      await filled(own);
      await filled(foreign);
      await refusedEverywhere(own, foreign, what);
    });
  }
});

describe("a store in DynamoDB that somebody writes to behind its back", { skip }, () => {
  it("is refused in each of these cases: an error, an event and no change", async (t) => {
    const peer = await startDynamoDbLocal();
    const before = { ...process.env };
    Object.assign(process.env, ENV);
    t.after(async () => {
      for (const name of Object.keys(ENV)) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
      await peer.close();
    });
    const call = await dynamoDbCaller(peer.url);
    const at = (table: string): Victim => {
      const storage = { type: "dynamodb", table, region: "us-east-1", endpoint: peer.url };
      return victim(t, storage, () => dynamoDbIntruder(call, table));
    };
    const foreign = at("foreign");
    await filled(foreign);
    for (const [n, what] of Object.keys(TAMPERINGS).entries()) {
      const own = at(`own-${n}`);
      await filled(own);
      await refusedEverywhere(own, foreign, what);
    }
  });
});

describe("a store's file that was cut", () => {
  it("is refused, and is as it was", async (t) => {
    const own = victim(t, { type: "sqlite" }, sqliteIntruder);
    await filled(own);
    const path = join(own.data, "store.sqlite");
    truncateSync(path, 4096 * 2);
    const before = readFileSync(path);
    await assert.rejects(promote(own), {
      code: "store_corrupt",
      message: /it is damaged/,
      hint: /keep it for inspection and restore a backup into a new one/,
    });
    assert.deepEqual(readFileSync(path), before);
  });
});

describe("an auth service that runs while its store is tampered with", () => {
  it("goes on with what was in force, says so once, and takes up what is written right again", async (t) => {
    const own = victim(t, { type: "sqlite" }, sqliteIntruder);
    await filled(own);
    const events: AuditEvent[] = [];
    const record = async (event: AuditEvent): Promise<void> => void events.push(event);
    const opened = await openClusterOf(readConfig(own.file), { clock: systemClock, env: {}, events: { record } });
    const follower = await StoreFollower.open(opened.cluster.store);
    t.after(() => follower.close());
    const [sets, errors]: [string[], string[]] = [[], []];
    follower.start(
      async ({ users }) => void sets.push(users.map(({ name, roles }) => `${name} ${roles.join()}`).join("; ")),
      (error) => errors.push((error as { code: string }).code),
    );
    const right = await own.intruder.read("user", "mallory");
    await own.intruder.write("user", "mallory", { text: right.text.replace('"access"', '"editor"') });
    await eventually(() => errors.length > 0);
    assert.deepEqual([sets, errors], [[], ["store_tampered"]]);
    await own.intruder.write("user", "mallory", right);
    await eventually(() => sets.length > 0);
    assert.equal(sets.at(-1), "alice access; mallory access; root editor");
    const seen = events.filter(({ event }) => event === "postern.store.tampered");
    assert.deepEqual(seen, [
      { event: "postern.store.tampered", code: "PST04E", store: "sqlite", resource: "user/mallory" },
    ]);
  });
});
