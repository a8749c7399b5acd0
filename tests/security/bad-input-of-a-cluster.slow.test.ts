/**
 * What people and programs get wrong, and what others try: each over the real command line and the real door, each with a
 * clear word and an exit code, an event, and nothing changed in the store.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import * as OTPAuth from "otpauth";
import { systemClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { withAdministration } from "../../src/cli/ctl/local.ts";
import { Profiles, proxyAddress } from "../../src/cli/login/profiles.ts";
import { readConfig } from "../../src/cli/start/index.ts";
import { requireDataDirectory } from "../../src/config/data-directory.ts";
import { Links } from "../../src/control/links.ts";
import { People } from "../../src/control/people.ts";
import { DATABASE_SERVER, PROXY } from "../../src/control/presence.ts";
import { openAuthority } from "../../src/identity/authority-keys.ts";
import { readOwnCertificate } from "../../src/identity/certificate-reader.ts";
import { issueUserCertificate } from "../../src/identity/certificates.ts";
import { Passwords } from "../../src/identity/passwords.ts";
import { SqliteStore } from "../../src/store/sqlite-store.ts";
import type { StoredValue } from "../../src/store/store.ts";
import { ClusterAuthorities, HOUR, newKeyPair } from "../support/cluster-authorities.ts";
import { documents } from "../support/cluster.ts";
import { callDoor } from "../support/door.ts";
import { eventually } from "../support/eventually.ts";
import { auditOf } from "../support/gateway.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const PASSWORD = "correct horse battery";
const WRONG = "incorrect horse battery";
const USERS = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];
const PEOPLE = [
  "kind: user\nversion: v2\nmetadata: {name: root}\nspec: {roles: [editor]}\n",
  "kind: role\nversion: v7\nmetadata: {name: dev}\nspec: {allow: {db_labels: {env: dev}, db_users: [ExampleRole]}}\n",
  ...USERS.map((name) => `kind: user\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [dev]}\n`),
].join("---\n");
const ROLE = "kind: role\nversion: v7\nmetadata: {name: new}\nspec: {allow: {db_labels: {env: dev}, db_users: [R]}}\n";
const REFUSED =
  /^postern: error: Cannot log in: user name, password or code is not right, or there were too many failures\npostern: hint: try again in a while, or ask an administrator: postern ctl users reset NAME\n$/;

const directory = mkdtempSync(join(tmpdir(), "postern-bad-"));
const dataDir = join(directory, "data");
const configFile = join(directory, "postern.yaml");
const totps = new Map<string, OTPAuth.TOTP>();
let service: ChildProcess;
let proxy = "";
let pin = "";
let authority = "";

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** `postern …` as a person runs it, with a home of its own for each name. */
function run(words: readonly string[], input = "", home = "nobody"): Promise<Ran> {
  const env = { PATH: process.env["PATH"] ?? "", NO_COLOR: "1", HOME: directory, POSTERN_HOME: homeOf(home) };
  const child = spawn(process.execPath, [LAUNCHER, ...words], { env });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
  child.stdin.on("error", () => undefined).end(input);
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, out, err })));
}
const homeOf = (name: string): string => join(directory, `home-${name}`);
const ctl = (words: readonly string[], input = ""): Promise<Ran> => run(["ctl", "-c", configFile, ...words], input);
const codeOf = (user: string, steps = 0): string =>
  totps.get(user)?.generate({ timestamp: Date.now() + steps * 30_000 }) ?? "";
const logIn = (user: string, password: string, code: string, more: readonly string[] = []): Promise<Ran> =>
  run(
    ["login", `--proxy=${proxy}`, `--user=${user}`, "--password-stdin", `--otp=${code}`, `--ca-pin=${pin}`, ...more],
    password,
    user,
  );
async function loggedIn(user: string): Promise<void> {
  const { code, err } = await logIn(user, PASSWORD, codeOf(user, 1));
  assert.equal(code, 0, err);
}
async function done(words: readonly string[], input = ""): Promise<void> {
  const { code, err } = await ctl(words, input);
  assert.equal(code, 0, err);
}

/** The store past its guard. */
async function withStore<T>(work: (store: SqliteStore) => Promise<T>): Promise<T> {
  const store = await SqliteStore.open({ path: join(dataDir, "store.sqlite"), clock: systemClock });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Of all that is in the store, but for how often somebody has failed, which code was taken last, and that a proxy lives. */
async function fingerprint(): Promise<string> {
  const digest = createHash("sha256");
  await withStore(async (store) => {
    for await (const resource of store.snapshot()) {
      const { kind, name, value } = resource;
      if (kind === PROXY || kind === DATABASE_SERVER) continue;
      const secrets = (value as { value?: { password?: string; totp?: object } }).value;
      const kept = kind === "user_secret" ? [name, secrets?.password, secrets?.totp !== undefined] : resource;
      digest.update(JSON.stringify(kept));
    }
  });
  return digest.digest("hex");
}

/** A profile as a login would have left it, with a certificate of an authority and a time of our choosing. */
async function profileOf(home: string, user: string, by: "ours" | "another", offset: number): Promise<void> {
  const { publicKey, privateKey } = newKeyPair();
  const clock = { now: () => Date.now() + offset, monotonic: () => 0 };
  const principal = { name: user, roles: ["dev"], traits: {}, mfaVerified: true };
  const request = { user: principal, publicKey, lifetime: HOUR, longest: HOUR };
  const { certificate } =
    by === "another"
      ? await (await ClusterAuthorities.make("example", clock)).issueUser(request)
      : await withAdministration(readConfig(configFile), "reads", async ({ cluster, ring }) =>
          issueUserCertificate(await openAuthority(await cluster.authority("user"), ring), request, clock),
        );
  new Profiles(homeOf(home)).save({
    proxy: proxyAddress(proxy),
    door: "cluster",
    certificate,
    privateKey: new Secret(privateKey),
    trusted: [authority],
    stated: await readOwnCertificate(certificate),
  });
}

interface Row {
  readonly what: string;
  /** What must have happened before, and is no part of it. */
  readonly given?: () => Promise<unknown>;
  readonly when: () => Promise<Ran>;
  readonly code: number;
  readonly told: RegExp;
  /** Name and code of the event, and what else it says; null where no part of the cluster learns of it. */
  readonly event: readonly [name: string, code: string, more?: Readonly<Record<string, unknown>>] | null;
  /** Undoes `given` where others would trip over it. */
  readonly undo?: () => Promise<unknown>;
}

const ZEROS = `sha256:${"0".repeat(64)}`;
let untampered: StoredValue = null;

const LOGINS: readonly Row[] = [
  {
    what: "a wrong password",
    when: () => logIn("alice", WRONG, codeOf("alice", 1)),
    code: 1,
    told: REFUSED,
    event: ["user.login", "T1000W", { user: "alice", success: false, error: "wrong user or password" }],
  },
  {
    what: "a user who is not there",
    when: () => logIn("nobody", PASSWORD, "123456"),
    code: 1,
    told: REFUSED,
    event: ["user.login", "T1000W", { user: "nobody", error: "wrong user or password" }],
  },
  {
    what: "a wrong code",
    when: () => logIn("bob", PASSWORD, String((Number(codeOf("bob")) + 1) % 1_000_000).padStart(6, "0")),
    code: 1,
    told: REFUSED,
    event: ["user.login", "T1000W", { user: "bob", error: "wrong code" }],
  },
  {
    what: "what is no code",
    when: () => logIn("bob", PASSWORD, "12345"),
    code: 1,
    told: REFUSED,
    event: ["user.login", "T1000W", { user: "bob", error: "malformed code" }],
  },
  {
    what: "a code that was used",
    given: () => loggedIn("carol"),
    when: () => logIn("carol", PASSWORD, codeOf("carol", 0)),
    code: 1,
    told: REFUSED,
    event: ["user.login", "T1000W", { user: "carol", error: "used code" }],
  },
  {
    what: "the fifth failure",
    given: async () => {
      const { publicKey } = newKeyPair();
      const body = { user: "dave", password: WRONG, otp: "123456", public_key: publicKey };
      const port = Number(proxy.split(":")[1]);
      for (let at = 0; at < 4; at++) await callDoor(port, authority, "/v1/login", { method: "POST", body });
    },
    when: () => logIn("dave", WRONG, "123456"),
    code: 1,
    told: REFUSED,
    event: ["postern.user.locked_out", "PUL01W", { user: "dave" }],
  },
  {
    what: "the right password of who is locked out",
    when: () => logIn("dave", PASSWORD, codeOf("dave", 1)),
    code: 1,
    told: REFUSED,
    event: ["user.login", "T1000W", { user: "dave", error: "too many failures" }],
  },
  {
    what: "a wrong pin",
    when: () => logIn("alice", PASSWORD, codeOf("alice", 1), [`--ca-pin=${ZEROS}`]),
    code: 1,
    told: /error: Cannot trust 127\.0\.0\.1:\d+: none of the certificates that it shows has the pin sha256:0{64}\n.*hint: compare the pin/,
    // The client breaks off before it has sent anything.
    event: null,
  },
  {
    what: "what is no pin",
    when: () => logIn("alice", PASSWORD, "123456", ["--ca-pin=sha256:abc"]),
    code: 2,
    told: /error: Cannot use the pin "sha256:abc": it is not sha256: and 64 hex digits\n/,
    event: null,
  },
];

const CERTIFICATES: readonly Row[] = [
  {
    what: "an expired certificate, which the client sees by itself",
    given: () => profileOf("expired", "alice", "ours", -2 * HOUR),
    when: () => run(["db", "ls"], "", "expired"),
    code: 1,
    told: /error: Active profile expired\.\n.*hint: postern login\n/,
    event: null,
  },
  {
    what: "an expired certificate, at the door itself",
    given: () => profileOf("expired", "bob", "ours", -2 * HOUR),
    when: async () => {
      const profile = await new Profiles(homeOf("expired")).read(proxyAddress(proxy));
      const credentials = { cert: profile?.certificate ?? "", key: profile?.privateKey.reveal() ?? "" };
      const { status, text } = await callDoor(Number(proxy.split(":")[1]), authority, "/v1/databases", { credentials });
      return { code: status, out: "", err: text };
    },
    code: 401,
    told: /"certificate_expired","message":"Cannot accept the certificate: it ended on [^"]*, and here it is /,
    event: ["postern.cert.refused", "PCE01W", { cert_type: "user", identity: null }],
  },
  {
    what: "a certificate that is not valid yet",
    given: () => profileOf("early", "alice", "ours", 2 * HOUR),
    when: () => run(["db", "ls"], "", "early"),
    code: 1,
    told: /error: Cannot accept the certificate: it is valid from .*, and here it is .*\n.*hint: set the clocks right\n/,
    event: ["postern.cert.refused", "PCE01W", { cert_type: "user" }],
  },
  {
    what: "a certificate of another cluster of the same name",
    given: () => profileOf("foreign", "alice", "another", 0),
    when: () => run(["db", "ls"], "", "foreign"),
    code: 1,
    told: /error: Cannot accept the certificate: no authority of cluster "example" signed it\n/,
    event: ["postern.cert.refused", "PCE01W", { identity: null }],
  },
  {
    what: "the certificate of a user who is locked",
    given: async () => {
      await loggedIn("erin");
      await done(
        ["create"],
        "{kind: lock, version: v2, metadata: {name: out}, spec: {target: {user: erin}, message: on leave}}",
      );
    },
    when: () => run(["db", "ls"], "", "erin"),
    code: 3,
    told: /error: Cannot go on as "erin": the user is locked: on leave\n/,
    event: ["postern.cert.refused", "PCE01W", { reason: 'Cannot go on as "erin": the user is locked: on leave' }],
  },
  {
    what: "the certificate of a user who was removed",
    given: async () => {
      await loggedIn("frank");
      await done(["users", "rm", "frank"]);
    },
    when: () => run(["db", "ls"], "", "frank"),
    code: 1,
    told: /error: Cannot go on as "frank": there is no such user any more\n/,
    event: ["postern.cert.refused", "PCE01W"],
  },
  {
    what: "a certificate from before a reset",
    given: async () => {
      await loggedIn("grace");
      await done(["users", "reset", "grace", "--password-stdin"], WRONG);
    },
    when: () => run(["db", "ls"], "", "grace"),
    code: 1,
    told: /error: Cannot go on as "grace": the user was reset after this login\n.*hint: postern login\n/,
    event: ["postern.cert.refused", "PCE01W"],
  },
];

const ACTS: readonly Row[] = [
  {
    what: "an unknown field",
    when: () => ctl(["create", "-f"], ROLE.replace("db_users", "db_usrs")),
    code: 1,
    told: /error: stdin:4:39: Cannot use the documents: 1 problem\n +stdin:4:39: spec\.allow: unknown key "db_usrs"\n +hint: did you mean "db_users"\?\n/,
    event: ["postern.control.refused", "PCT02E", { verb: "create", kind: "role", name: "new" }],
  },
  {
    what: "an unknown kind",
    when: () => ctl(["create", "-f"], ROLE.replace("kind: role", "kind: rolle")),
    code: 1,
    told: /error: stdin:1:7: .*\n +stdin:1:7: Kind "rolle" is not known\n +hint: did you mean "role"\?\n/,
    event: ["postern.control.refused", "PCT02E", { verb: "create" }],
  },
  {
    what: "a role that is not there",
    when: () => ctl(["users", "add", "zoe", "--roles=nope"]),
    code: 1,
    told: /error: .*\n.* user "zoe" has role "nope", which is not defined\n +hint: add a document for the role/,
    event: ["postern.control.refused", "PCT02E", { verb: "create", kind: "user", name: "zoe" }],
  },
  {
    what: "a user who is there already",
    when: () => ctl(["users", "add", "alice", "--roles=dev"]),
    code: 1,
    told: /error: user "alice" already exists\n.*hint: postern ctl users update alice --set-roles dev replaces the roles\n/,
    event: ["postern.control.refused", "PCT02E", { verb: "create", kind: "user", name: "alice" }],
  },
  {
    what: "a reset of nobody",
    when: () => ctl(["users", "reset", "nobody", "--password-stdin"], PASSWORD),
    code: 1,
    told: /error: user "nobody" is not found\n/,
    event: ["postern.control.refused", "PCT02E", { verb: "update", kind: "user", name: "nobody" }],
  },
  {
    what: "a password that can be none",
    when: () => ctl(["users", "add", "zoe", "--roles=dev", "--password-stdin"], "too short"),
    code: 1,
    told: /error: .*fewer than 12 characters/,
    // It is refused before anything is asked for.
    event: null,
  },
  {
    what: "a join token that is not there",
    when: () => ctl(["tokens", "rm", "0123456789abcdef0123456789abcdef"]),
    code: 1,
    told: /error: token "\*{24}89abcdef" is not found\n/,
    event: ["postern.control.refused", "PCT02E", { verb: "delete", kind: "token", name: `${"*".repeat(24)}89abcdef` }],
  },
  {
    what: "the removal of the last editor",
    when: () => ctl(["users", "rm", "root"]),
    code: 3,
    told: /error: Cannot delete user "root": .*nobody could administer/,
    event: ["postern.control.denied", "PCT01E", { verb: "delete", kind: "user", name: "root" }],
  },
];

const TAMPERING: readonly Row[] = [
  {
    what: "a role that somebody has changed in the store, to who reads it",
    given: () =>
      withStore(async (store) => {
        const found = await store.get("role", "dev");
        untampered = found?.value ?? null;
        const text = JSON.stringify(untampered).replace("ExampleRole", "AdminRole");
        await store.write([{ op: "put", kind: "role", name: "dev", value: JSON.parse(text) as StoredValue }]);
      }),
    when: () => ctl(["get", "role/dev"]),
    code: 1,
    told: /error: Cannot use role "dev": it is not what Postern wrote\n.*hint: find out who writes to the store/,
    event: ["postern.store.tampered", "PST04E", { store: "sqlite", resource: "role/dev" }],
  },
  {
    what: "such a role, to who would get in by it",
    when: () => logIn("alice", PASSWORD, codeOf("alice", 1)),
    code: 1,
    told: /error: Cannot answer: something went wrong inside\n/,
    event: ["user.login", "T1000W", { user: "alice", error: 'Cannot use role "dev": it is not what Postern wrote' }],
    undo: () => withStore((store) => store.write([{ op: "put", kind: "role", name: "dev", value: untampered }])),
  },
];

describe("a cluster answers, in clear words, with an event and without a change:", () => {
  before(async () => {
    writeFileSync(
      configFile,
      `
  version: v3
  postern: {nodename: example, data_dir: ./data}
  auth_service: {enabled: "yes"}
  proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
  `,
    );
    const config = readConfig(configFile);
    requireDataDirectory(config);
    await withAdministration(config, "writes", async ({ administration, actor, cluster, ring, events }) => {
      await administration.create(actor, documents(PEOPLE), { force: false });
      const passwords = new Passwords();
      const people = new People({
        administration,
        cluster,
        ring,
        events,
        passwords,
        clock: systemClock,
      });
      // Hashing takes a while: a code of the step before must not be two steps old at its end.
      const at = Date.now();
      const clock = { now: () => at, monotonic: () => 0 };
      const links = new Links({ cluster, ring, events, passwords, clock, secondFactor: "otp" });
      for (const user of USERS) {
        const { token } = await people.makeLink(actor, user, "invite");
        const link = { token, kind: "invite", address: null } as const;
        const { totp } = await links.open(link);
        const made = new OTPAuth.TOTP({ secret: totp?.secret.reveal() ?? "" });
        totps.set(user, made);
        const code = made.generate({ timestamp: at - 30_000 });
        await links.use({ ...link, password: new Secret(PASSWORD), code });
      }
      pin = (await cluster.pins())[0] ?? "";
      authority = (await cluster.authority("host")).active.certificate;
    });
    service = spawn(process.execPath, [LAUNCHER, "start", "-c", configFile], { stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    service.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    await eventually(() => {
      assert.equal(service.exitCode, null, text);
      proxy = /Listening.*address=(\S+)/.exec(text)?.[1] ?? "";
      return proxy !== "";
    });
  });
  after(async () => {
    const ended = new Promise((resolve) => service.once("exit", resolve));
    service.kill();
    await ended;
    rmSync(directory, { recursive: true, force: true });
  });

  for (const { what, given, when, code, told, event, undo } of [...LOGINS, ...CERTIFICATES, ...ACTS, ...TAMPERING]) {
    it(what, async () => {
      await given?.();
      const before = { store: await fingerprint(), events: auditOf(join(dataDir, "audit")).length };
      const ran = await when();
      assert.deepEqual([ran.code, ran.out], [code, ""], ran.err);
      assert.match(ran.err, told);
      assert.equal(await fingerprint(), before.store, "something was changed");
      const isMeant = (one: Record<string, unknown>): boolean =>
        event !== null &&
        one["event"] === event[0] &&
        one["code"] === event[1] &&
        Object.entries(event[2] ?? {}).every(([key, value]) => JSON.stringify(one[key]) === JSON.stringify(value));
      // Each process has a file of its own: what is new is not at the end of all.
      const events = auditOf(join(dataDir, "audit"));
      if (event === null) assert.equal(events.length, before.events);
      else assert.ok(events.some(isMeant), JSON.stringify(events.slice(-5), null, 1));
      for (const secret of [PASSWORD, WRONG, totps.get("alice")?.secret.base32 ?? ""])
        assert.ok(!(ran.err + JSON.stringify(events)).includes(secret));
      await undo?.();
    });
  }

  it("and all of it is in logs that verify", async () => {
    const { code, err } = await run(["audit", "verify", "-c", configFile]);
    assert.equal(code, 0, err);
    assert.ok(readdirSync(join(dataDir, "audit")).length > 0);
  });
});
