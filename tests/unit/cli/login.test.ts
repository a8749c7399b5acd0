import assert from "node:assert/strict";
import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, beforeEach, afterEach, describe, it } from "node:test";
import * as OTPAuth from "otpauth";
import { documents, ROOT } from "../../support/cluster.ts";
import { Secret } from "../../../src/base/secret.ts";
import { goDuration } from "../../../src/cli/login/go-duration.ts";
import { ClusterAuthorities, HOUR } from "../../support/cluster-authorities.ts";
import { type CommandLine, commandLine } from "../../support/command-line.ts";
import { honest, openRealDoor, playDoor, type PlayedDoor, type RealDoor } from "../../support/doors.ts";

const PASSWORD = "correct horse battery";
const PEOPLE = `
kind: user
version: v2
metadata: {name: alice}
spec: {roles: [access, auditor], traits: {team: [payments]}}
---
kind: user
version: v2
metadata: {name: nobody}
spec: {roles: [], traits: {}}
`;

describe("the commands of users", () => {
  let door: RealDoor;
  before(async () => {
    door = await openRealDoor(PEOPLE);
    await door.people.setPassword(ROOT, "alice", new Secret(PASSWORD));
    await door.people.setPassword(ROOT, "nobody", new Secret(PASSWORD));
  });
  after(() => door.close());

  let user: CommandLine;
  beforeEach(() => {
    user = commandLine();
  });
  afterEach(() => user.close());

  function login(more: readonly string[] = [], input = `${PASSWORD}\n`): ReturnType<CommandLine["run"]> {
    return user.run(
      ["login", `--proxy=${door.proxy}`, "--user=alice", "--password-stdin", `--ca-pin=${door.pin}`, ...more],
      input,
    );
  }

  describe("postern login", () => {
    it("logs in by a pin and prints the block that status prints", async () => {
      const { code, out, err } = await login();
      assert.deepEqual([code, err], [0, ""]);
      assert.match(out, new RegExp(`^> Profile URL:        https://${door.proxy}\n  Logged in as:       alice\n`));
      assert.match(out, /\n {2}Cluster: {12}example\n {2}Roles: {14}access, auditor\n/);
      assert.match(out, /\n {2}Valid until: {8}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC \[valid for 12h0m0s\]\n$/);
      assert.deepEqual(await user.run(["status"]), { code: 0, out, err: "" });
    });

    it("keeps what it keeps for this user alone, and the key nowhere else", async () => {
      await login();
      assert.equal(statSync(user.home).mode & 0o777, 0o700);
      const files = readdirSync(user.home);
      assert.deepEqual(files, ["127.0.0.1_" + door.proxy.split(":")[1] + ".json", "current"]);
      for (const file of files) assert.equal(lstatSync(join(user.home, file)).mode & 0o777, 0o600);
      const profile = JSON.parse(readFileSync(join(user.home, files[0] ?? ""), "utf8")) as { private_key: string };
      assert.match(profile.private_key, /BEGIN PRIVATE KEY/);
    });

    it("sends a public key and no private one", async () => {
      const authorities = await ClusterAuthorities.make("other", { now: Date.now, monotonic: Date.now });
      const played = await playDoor(authorities, honest(authorities));
      const words = ["login", `--proxy=${played.proxy}`, "--user=alice", "--password-stdin", `--ca-pin=${played.pin}`];
      assert.equal((await user.run([...words, "--ttl=8h"], "pw")).code, 0);
      const { body } = played.asked[1] ?? { body: "{}" };
      const sent = JSON.parse(body) as Record<string, unknown>;
      assert.deepEqual(Object.keys(sent), ["user", "password", "public_key", "ttl_ms"]);
      assert.deepEqual([sent["password"], sent["ttl_ms"]], ["pw", 8 * HOUR]);
      assert.match(String(sent["public_key"]), /^-----BEGIN PUBLIC KEY-----/);
      await played.close();
    });

    it("refuses a wrong password with the server's words, and writes nothing", async () => {
      const { code, out, err } = await login([], "wrong\n");
      assert.deepEqual([code, out], [1, ""]);
      assert.match(err, /^postern: error: Cannot log in: user name, password or code is not right.*\npostern: hint: /);
      assert.throws(() => statSync(user.home));
    });

    it("takes no password as an argument", async () => {
      const { code, err } = await user.run(["login", `--proxy=${door.proxy}`, "--password=x"]);
      assert.equal(code, 2);
      assert.match(err, /unknown option '--password=x'/);
    });

    it("asks for the password on a terminal, and shows nothing of it", async () => {
      const terminal = Object.assign(new PassThrough(), {
        isTTY: true,
        modes: [] as boolean[],
        setRawMode(mode: boolean) {
          this.modes.push(mode);
          return this;
        },
      });
      terminal.write(`wrong\u0015${PASSWORD}x\u007f\r`);
      const words = ["login", `--proxy=${door.proxy}`, "--user=alice", `--ca-pin=${door.pin}`];
      const { code, err } = await user.run(words, terminal as never);
      assert.deepEqual([code, err, terminal.modes], [0, "Password of alice: \n", [true, false]]);
    });

    it("gives the terminal back when the answer is control-C", async () => {
      const modes: boolean[] = [];
      const setRawMode = (mode: boolean): void => void modes.push(mode);
      const terminal = Object.assign(new PassThrough(), { isTTY: true, setRawMode });
      terminal.write("abc\u0003");
      const words = ["login", `--proxy=${door.proxy}`, "--user=alice", `--ca-pin=${door.pin}`];
      const { code, err } = await user.run(words, terminal as never);
      assert.deepEqual([code, modes], [1, [true, false]]);
      assert.match(err, /Cannot go on: there was no answer/);
    });

    it("says how to hand a password in where nobody can be asked", async () => {
      const { code, err } = await user.run(["login", `--proxy=${door.proxy}`, "--user=alice", `--ca-pin=${door.pin}`]);
      assert.equal(code, 2);
      assert.match(err, /standard input is no terminal\npostern: hint: hand it in with --password-stdin/);
    });

    it("says what is missing or wrong before it calls anybody", async () => {
      const wrong: readonly (readonly [readonly string[], RegExp])[] = [
        [[], /it is not known where/],
        [["--proxy=here"], /it has no port/],
        [["--proxy=unix:/x"], /it is a Unix socket/],
        [["--proxy=127.0.0.1:1", "--user= x"], /begins or ends with a space/],
        [["--proxy=127.0.0.1:1", "--ca-pin=sha256:12"], /is not sha256: and 64 hex digits/],
        [["--proxy=127.0.0.1:1", "--ca-pin=sha256:12", "--insecure"], /both --ca-pin and --insecure/],
        [["--proxy=postern.example.com:1", "--insecure"], /it is not this machine/],
        [["--proxy=127.0.0.1:1", "--ttl=soon"], /not a duration/],
      ];
      for (const [words, message] of wrong) {
        const { code, err } = await user.run(["login", ...words]);
        assert.equal(code, 2, err);
        assert.match(err, message);
      }
    });

    it("logs in again without a pin where the cluster is known", async () => {
      await login();
      const again = await user.run(["login", "--password-stdin", "--ttl=1h"], PASSWORD);
      assert.equal(again.code, 0, again.err);
      assert.match(again.out, /\[valid for 1h0m0s\]/);
    });

    it("takes up a login that still holds, and says so", async () => {
      await login();
      const { code, err, out } = await user.run(["login", `--proxy=${door.proxy}`]);
      assert.equal(code, 0);
      assert.match(err, /still logged in/);
      assert.match(out, /Logged in as: {7}alice/);
    });

    it("believes anybody with --insecure on this machine, says so, and trusts the cluster from then on", async () => {
      const words = ["login", `--proxy=${door.proxy}`, "--user=alice", "--password-stdin", "--insecure"];
      const { code, err } = await user.run(words, PASSWORD);
      assert.equal(code, 0, err);
      assert.match(err, /^postern: warning: --insecure: whoever answers .* is believed/);
      assert.equal((await user.run(["login", "--password-stdin"], PASSWORD)).code, 0);
    });
  });

  describe("postern db ls", () => {
    it("asks as the user of the profile", async () => {
      await login();
      const { code, out, err } = await user.run(["db", "ls", "-f", "json"]);
      assert.deepEqual([code, err], [0, ""]);
      assert.deepEqual(JSON.parse(out), [{ kind: "db", metadata: { name: "of-alice" } }]);
    });

    it("says why nothing is shown to who has been locked out", async () => {
      await login();
      const lock = "{kind: lock, version: v2, metadata: {name: out}, spec: {target: {user: alice}, message: on leave}}";
      await door.administration.create(ROOT, documents(lock), { force: false });
      const { code, out, err } = await user.run(["db", "ls"]);
      await door.administration.remove(ROOT, "lock", "out");
      assert.deepEqual([code, out], [3, ""]);
      assert.equal(err, 'postern: error: Cannot go on as "alice": the user is locked: on leave\n');
    });
  });

  describe("a login with a second factor", () => {
    let strict: RealDoor;
    let secret: Secret;
    before(async () => {
      strict = await openRealDoor(PEOPLE, "otp");
      const { token } = await strict.people.makeLink(ROOT, "alice", "invite");
      const given = { token, kind: "invite", address: null } as const;
      const { totp } = await strict.links.open(given);
      assert.ok(totp !== undefined);
      ({ secret } = totp);
      await strict.links.use({ ...given, password: new Secret(PASSWORD), code: codeAt(0) });
    });
    after(() => strict.close());

    function codeAt(steps: number): string {
      const totp = new OTPAuth.TOTP({ secret: OTPAuth.Secret.fromBase32(secret.reveal()) });
      return totp.generate({ timestamp: strict.clock.now() + steps * 30_000 });
    }

    it("needs the code, by --otp where nobody can be asked", async () => {
      const words = ["login", `--proxy=${strict.proxy}`, "--user=alice", "--password-stdin", `--ca-pin=${strict.pin}`];
      const unasked = await user.run(words, PASSWORD);
      assert.equal(unasked.code, 2);
      assert.match(unasked.err, /hint: hand it in with --otp/);
      assert.equal((await user.run([...words, "--otp=000000"], PASSWORD)).code, 1);
      strict.advance(60_000);
      const right = await user.run([...words, `--otp=${codeAt(0)}`], PASSWORD);
      assert.equal(right.code, 0, right.err);
    });
  });

  describe("postern status -f json", () => {
    it("has the active profile and the others, with roles even where there are none", async () => {
      await login(["--user=nobody"]);
      const { code, out } = await user.run(["status", "-f", "json"]);
      assert.equal(code, 0);
      const status = JSON.parse(out) as { active: Record<string, unknown>; profiles: unknown[] };
      const { valid_until, ...active } = status.active;
      assert.match(String(valid_until), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.deepEqual(active, {
        profile_url: `https://${door.proxy}`,
        username: "nobody",
        cluster: "example",
        roles: [],
        traits: {},
        databases: [],
      });
      assert.deepEqual(status.profiles, []);
    });

    it("prints before it fails where nobody is logged in", async () => {
      const { code, out, err } = await user.run(["status", "-f", "json"]);
      assert.deepEqual([code, JSON.parse(out)], [1, { profiles: [] }]);
      assert.match(err, /^postern: error: Not logged in\.\npostern: hint: postern login/);
    });

    it("prints before it fails when the login has ended", async () => {
      let ahead = 0;
      user.close();
      user = commandLine({ now: () => Date.now() + ahead, monotonic: Date.now });
      await login();
      ahead = 12 * HOUR;
      const { code, out, err } = await user.run(["status", "-f", "json"]);
      assert.equal((JSON.parse(out) as { active: { username: string } }).active.username, "alice");
      assert.equal(code, 1);
      assert.match(err, /^postern: error: Active profile expired\.\n/);
      assert.match((await user.run(["status"])).out, /\[EXPIRED\]\n$/);
      assert.match((await user.run(["db", "ls"])).err, /Active profile expired/);
    });
  });

  describe("profiles of several clusters", () => {
    let authorities: ClusterAuthorities;
    let other: PlayedDoor;
    const DATABASES = [
      {
        kind: "db",
        version: "v3",
        metadata: { name: "orders", labels: { env: "dev" } },
        spec: { protocol: "dynamodb" },
      },
    ];
    before(async () => {
      authorities = await ClusterAuthorities.make("other", { now: Date.now, monotonic: Date.now });
      const play = honest(authorities);
      other = await playDoor(authorities, (asked) =>
        asked.path === "/v1/databases" ? { databases: DATABASES } : play(asked),
      );
    });
    after(() => other.close());

    async function bothLogins(): Promise<void> {
      assert.equal((await login()).code, 0);
      const words = ["login", `--proxy=${other.proxy}`, "--user=alice", "--password-stdin", `--ca-pin=${other.pin}`];
      const ran = await user.run(words, "x");
      assert.equal(ran.code, 0, ran.err);
    }

    it("show the last login as the current one, and go back with login --cluster", async () => {
      await bothLogins();
      const clusters = async (): Promise<unknown> => {
        const { active, profiles } = JSON.parse((await user.run(["status", "-f", "json"])).out) as {
          active: { cluster: string };
          profiles: { cluster: string }[];
        };
        return [active.cluster, profiles.map(({ cluster }) => cluster)];
      };
      assert.deepEqual(await clusters(), ["other", ["example"]]);
      assert.equal((await user.run(["login", "--cluster=example"])).code, 0);
      assert.deepEqual(await clusters(), ["example", ["other"]]);
      assert.match((await user.run(["login", "--cluster=third"])).err, /Not logged in to cluster "third"/);
    });

    it("are chosen from by db ls", async () => {
      await bothLogins();
      await user.run(["login", "--cluster=example"]);
      for (const where of [`--proxy=${other.proxy}`, "--cluster=other"]) {
        const { code, out } = await user.run(["db", "ls", where, "-f", "json"]);
        assert.deepEqual([code, JSON.parse(out)], [0, DATABASES]);
      }
      const { out } = await user.run(["db", "ls", "--cluster=other"]);
      assert.match(out, /^Name +Description Allowed Users Labels +Connect\n-+ .*\norders +env=dev\n$/);
      assert.match((await user.run(["db", "ls", "--cluster=other", "-f", "yaml"])).out, /^kind: db\nversion: v3\n/);
    });

    it("are forgotten by logout, one or all", async () => {
      await bothLogins();
      assert.equal((await user.run(["logout", "--cluster=other"])).out, `Logged out of ${other.proxy}.\n`);
      assert.equal((await user.run(["status"])).code, 1);
      assert.equal((await user.run(["logout"])).out, "Logged out of all clusters.\n");
      assert.deepEqual(readdirSync(user.home), []);
      assert.equal((await user.run(["logout"])).out, "Not logged in.\n");
    });
  });
});

describe("the help of each command", () => {
  it("ends in examples", async () => {
    const user = commandLine();
    for (const command of [["login"], ["logout"], ["status"], ["db"], ["db", "ls"]]) {
      const { code, out } = await user.run([...command, "--help"]);
      assert.equal(code, 0);
      assert.match(out, /\nExamples:\n(?: {2}postern .+\n)+$/);
    }
    user.close();
  });
});

describe("a span of time", () => {
  it("is written as Go writes it", () => {
    const texts = [43_200_000, 5_400_000, 61_000, 59_400, 0, -5].map(goDuration);
    assert.deepEqual(texts, ["12h0m0s", "1h30m0s", "1m1s", "59s", "0s", "0s"]);
  });
});
