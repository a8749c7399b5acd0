import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type CtlRan, runCtl } from "../support/ctl.ts";
import { everythingIn, STORE_PLACES, type StorePlace } from "../support/store-places.ts";

const PASSWORD = "correct horse battery";
for (const { name, skip, start } of STORE_PLACES) {
  describe(`a cluster ${name}, from its own machine`, { skip }, () => {
    let directory = "";
    let file = "";
    let place: StorePlace;
    before(async () => {
      place = await start();
      directory = mkdtempSync(join(tmpdir(), "postern-ctl-"));
      file = join(directory, "postern.yaml");
      const text = `
version: v3
postern: {nodename: auth-1, data_dir: ./data}
auth_service: {enabled: "yes", cluster_name: "example", storage: ${place.storage}}
`;
      writeFileSync(file, text);
    });
    after(async () => {
      rmSync(directory, { recursive: true, force: true });
      await place.close();
    });

    /** `postern ctl -c FILE …` as a person runs it. */
    const ctl = (args: readonly string[], input = ""): Promise<CtlRan> => runCtl(file, args, { input, env: place.env });

    it("is made by the first command, and says its name, version, authorities and pin, always the same", async () => {
      const first = await ctl(["status"]);
      assert.equal(first.code, 0, first.told);
      assert.match(
        first.out,
        /^Cluster {2}example\nVersion {2}\S+\nhost CA {2}never updated\nuser CA {2}never updated\n/,
      );
      assert.match(first.out, /\nCA pin {3}sha256:[0-9a-f]{64}\n$/);
      assert.equal((await ctl(["status"])).out, first.out);
      const { cluster, ca_pins } = JSON.parse((await ctl(["status", "-f", "json"])).out) as Record<string, unknown>;
      assert.deepEqual([cluster, ca_pins], ["example", [/sha256:\S+/.exec(first.out)?.[0]]]);
    });

    it("makes join tokens: the token alone, as JSON, and in words; lists them masked; removes them", async () => {
      const { out: alone } = await ctl(["tokens", "add", "--type=db", "--format=text"]);
      assert.match(alone, /^[0-9a-f]{32}\n$/);
      const made = JSON.parse((await ctl(["tokens", "add", "--type=db,proxy", "--ttl=1h", "--format=json"])).out) as {
        token: string;
        roles: string[];
        expires: string;
      };
      assert.deepEqual(made.roles, ["db", "proxy"]);
      const minutes = (Date.parse(made.expires) - Date.now()) / 60_000;
      assert.ok(minutes > 58 && minutes <= 60, made.expires);
      assert.match(
        (await ctl(["tokens", "add", "--type=db"])).out,
        /^The invite token: \S+\nThis token will expire in 30 minutes\./,
      );
      const { out: listed } = await ctl(["tokens", "ls"]);
      assert.match(listed, /^Token +Type +Labels Expiry Time \(UTC\)\n/);
      const limited = (
        await ctl(["tokens", "add", "--type=db", "--databases=dev-*, users", "--format=text"])
      ).out.trim();
      const { out: withDatabases } = await ctl(["tokens", "ls"]);
      assert.match(withDatabases, /^Token +Type +Labels Expiry Time \(UTC\) +Databases\n/);
      assert.match(withDatabases, new RegExp(`\\*${limited.slice(-8)} db .* GMT dev-\\*,users\n`));
      assert.match(withDatabases, new RegExp(`\\*${made.token.slice(-8)} db,proxy .* GMT any *\n`));
      assert.match((await ctl(["tokens", "ls", "-f", "yaml"])).out, /databases:\n +- dev-\*\n +- users\n/);
      assert.equal((await ctl(["tokens", "rm", limited])).code, 0);
      assert.ok(!listed.includes(made.token) && listed.includes(made.token.slice(-8)));
      assert.ok((await ctl(["tokens", "ls", "--format=text", "--with-secrets"])).out.includes(made.token));
      assert.deepEqual(await ctl(["tokens", "rm", made.token]), {
        code: 0,
        out: `Token ${made.token} has been deleted\n`,
        told: "",
      });
      assert.equal((await ctl(["tokens", "rm", made.token])).code, 1);
      for (const [args, told] of [
        [["--type=database"], /nothing joins as that/],
        [["--type=db", "--ttl=soon"], /not a duration/],
        [["--type=db", "--max-uses=0"], /0 times/],
        [["--type=db", "--value=short"], /needs 16/],
        [["--type=db", "--databases="], /names no database/],
        [["--type=proxy", "--databases=orders"], /only database services serve databases/],
      ] as const) {
        const { code, out, told: said } = await ctl(["tokens", "add", ...args]);
        assert.ok(code === 1 || code === 2, said);
        assert.equal(out, "");
        assert.match(said, told);
      }
    });

    it("takes passwords from standard input, and keeps none of them", async () => {
      const add = ["users", "add", "alice", "--roles=access", "--password-stdin"];
      const short = await ctl(add, "too short");
      assert.equal(short.code, 1);
      assert.match(short.told, /fewer than 12 characters/);
      assert.equal((await ctl(["users", "ls"])).out, "No users found\n");
      assert.deepEqual(await ctl(add, `${PASSWORD}\n`), { code: 0, out: 'User "alice" has been created\n', told: "" });
      assert.equal((await ctl(["users", "reset", "alice", "--password-stdin"], `${PASSWORD} 2`)).code, 0);
      assert.equal((await ctl(["users", "reset", "nobody", "--password-stdin"], PASSWORD)).code, 1);
      const data = join(directory, "data");
      const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      for (const { parentPath, name } of files) {
        const path = join(parentPath, name);
        assert.equal(statSync(path).mode & 0o077, 0, `${name} is nobody else's`);
        const bytes = readFileSync(path).toString("latin1");
        assert.ok(!bytes.includes(PASSWORD) && !bytes.includes("PRIVATE KEY"), name);
      }
      const stored = JSON.stringify(await everythingIn(place, data));
      assert.ok(stored.includes("alice") && !stored.includes(PASSWORD) && !stored.includes("PRIVATE KEY"));
    });

    it("is not opened without its sealing key, or under another name", async () => {
      const key = readFileSync(join(directory, "data", "sealing.key"));
      rmSync(join(directory, "data", "sealing.key"));
      const without = await ctl(["status"]);
      assert.deepEqual([without.code, without.out], [1, ""]);
      assert.match(without.told, /sealing/);
      writeFileSync(join(directory, "data", "sealing.key"), key, { mode: 0o600 });
      const text = readFileSync(file, "utf8");
      writeFileSync(file, text.replace('"example"', '"other"'));
      const other = await ctl(["status"]);
      assert.deepEqual([other.code, other.out], [1, ""]);
      assert.match(other.told, /its name is "example"/);
      writeFileSync(file, text);
      assert.equal((await ctl(["status"])).code, 0);
    });
  });
}
