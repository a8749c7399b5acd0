import assert from "node:assert/strict";
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { Secret } from "../../../src/base/secret.ts";
import { documentsOf } from "../../../src/compose/documents.ts";
import { withAdministration } from "../../../src/cli/ctl/local.ts";
import { renderResources } from "../../../src/cli/ctl/render.ts";
import { commaList } from "../../../src/cli/ctl/surroundings.ts";
import { configurationWithoutFile } from "../../../src/cli/default-configuration.ts";
import { Profiles, proxyAddress } from "../../../src/cli/login/profiles.ts";
import { readOwnCertificate } from "../../../src/identity/certificate-reader.ts";
import { ClusterAuthorities } from "../../support/cluster-authorities.ts";
import { readConfig } from "../../../src/cli/start/index.ts";
import { ROOT } from "../../support/cluster.ts";
import { commandLine } from "../../support/command-line.ts";
import { openRealDoor } from "../../support/doors.ts";

function withConfig(auth: string): { config: ReturnType<typeof readConfig>; directory: string; data: string } {
  const directory = mkdtempSync(join(tmpdir(), "postern-ctl-"));
  const data = join(directory, "data");
  mkdirSync(data, { mode: 0o700 });
  writeFileSync(join(directory, "p.yaml"), `version: v3\npostern: {data_dir: ./data}\n${auth}\n`);
  return { config: readConfig(join(directory, "p.yaml")), directory, data };
}

describe("postern ctl on the auth service's own machine", () => {
  it(
    "runs as the owner of the data directory only, and makes nothing as anybody else",
    {
      skip: process.getuid?.() !== 0,
    },
    async () => {
      const { config, directory, data } = withConfig("auth_service: {enabled: yes}");
      try {
        chownSync(data, 12_345, 12_345);
        await assert.rejects(
          withAdministration(config, "writes", async () => assert.fail("it ran")),
          { code: "ctl_wrong_user", hint: /sudo -u '#12345'/ },
        );
        assert.deepEqual(readdirSync(data), []);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
  );

  it("calls this machine's door localhost in links, as the door itself does: passkeys are no address's", async () => {
    for (const [proxy, address] of [
      ["listen_addr: '127.0.0.1:3199'", "localhost:3199"],
      ["listen_addr: '[::1]:3199'", "localhost:3199"],
      ["listen_addr: '0.0.0.0:3199'", "localhost:3199"],
      ["listen_addr: '127.0.0.1:3199', public_addr: Postern.Example.com", "postern.example.com:443"],
    ]) {
      const { directory } = withConfig(`auth_service: {enabled: yes}\nproxy_service: {enabled: yes, ${proxy}}`);
      const user = commandLine();
      try {
        const { out, err } = await user.run([
          "ctl",
          "-c",
          join(directory, "p.yaml"),
          "users",
          "add",
          "alice",
          "--roles=access",
        ]);
        assert.ok(out.includes(`https://${address}/web/invite/`), `${out}${err}`);
      } finally {
        user.close();
        rmSync(directory, { recursive: true, force: true });
      }
    }
  });

  it("says that there is no store where there is no auth service", async () => {
    const { config, directory } = withConfig("auth_service: {enabled: no}");
    try {
      await assert.rejects(
        withAdministration(config, "reads", async () => assert.fail("it ran")),
        { code: "auth_service_off", message: /auth_service is not enabled in ".*p\.yaml"/ },
      );
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("postern ctl", () => {
  it("is told one cluster, by one way", async () => {
    const { directory } = withConfig("auth_service: {enabled: yes}");
    const user = commandLine();
    try {
      const both = await user.run(["ctl", "-c", join(directory, "p.yaml"), "--proxy=127.0.0.1:1", "status"]);
      assert.equal(both.code, 2);
      assert.match(both.err, /Cannot administer with -c what --proxy or --cluster name/);
      const none = await user.run(["ctl", "status"]);
      assert.equal(none.code, 2);
      assert.match(
        none.err,
        /nobody is logged in\npostern: hint: log in: postern login .*postern ctl -c postern\.yaml/,
      );
      assert.equal((await user.run(["ctl", "--proxy=127.0.0.1:1", "status"])).code, 1);
      assert.equal((await user.run(["ctl", "--cluster=example", "status"])).code, 1);
    } finally {
      user.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("does nothing to a cluster of one's own that is meant for another", async () => {
    const { directory, data } = withConfig("auth_service: {enabled: yes}");
    // As a start without a file leaves it.
    writeFileSync(join(data, "store.sqlite"), "");
    const before = process.env["POSTERN_DATA_DIR"];
    process.env["POSTERN_DATA_DIR"] = data;
    const user = commandLine();
    const door = await openRealDoor("kind: user\nversion: v2\nmetadata: {name: eve}\nspec: {roles: [editor]}\n");
    try {
      const acts = [
        ["auth", "rotate", "--type=all"],
        ["restore", "--force", "b.jsonl"],
        ["sealing", "status"],
      ];
      for (const named of ["--proxy=prod.example:443", "--cluster=prod"]) {
        for (const words of acts) {
          const { code, err } = await user.run(["ctl", named, ...words]);
          assert.deepEqual([code, /Cannot do that over the network/.test(err)], [2, true], err);
        }
        const file = ["-c", join(directory, "p.yaml"), named];
        assert.equal((await user.run(["ctl", ...file, "auth", "status"])).code, 2);
      }
      await door.people.setPassword(ROOT, "eve", new Secret("correct horse battery"));
      const login = ["login", `--proxy=${door.proxy}`, "--user=eve", "--password-stdin", `--ca-pin=${door.pin}`];
      assert.equal((await user.run(login, "correct horse battery")).code, 0);
      for (const words of acts) {
        const { code, err } = await user.run(["ctl", ...words]);
        assert.deepEqual([code, /Cannot do that over the network/.test(err)], [2, true], err);
      }
      assert.deepEqual(readdirSync(data), ["store.sqlite"]);
    } finally {
      if (before === undefined) delete process.env["POSTERN_DATA_DIR"];
      else process.env["POSTERN_DATA_DIR"] = before;
      user.close();
      await door.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("postern ctl beside a cluster of one's own", () => {
  it("means it where its authorities are those of the login, and no other of the same name", async () => {
    const { directory, data } = withConfig("auth_service: {enabled: yes}");
    const before = process.env["POSTERN_DATA_DIR"];
    process.env["POSTERN_DATA_DIR"] = data;
    const user = commandLine();
    const elsewhere = await ClusterAuthorities.make("localhost", systemClock);
    const { certificate } = await elsewhere.issueUser();
    const logInTo = async (trusted: readonly string[]): Promise<void> =>
      new Profiles(user.home).save({
        proxy: proxyAddress("127.0.0.1:3080"),
        door: "cluster",
        certificate,
        privateKey: new Secret(elsewhere.keys.privateKey),
        trusted,
        stated: await readOwnCertificate(certificate),
      });
    try {
      const own = await withAdministration(
        configurationWithoutFile(),
        "writes",
        async ({ cluster }) => (await cluster.authority("host")).active.certificate,
      );
      assert.equal((await user.run(["ctl", "auth", "status"])).code, 0);
      const foreign = elsewhere.host.active.certificate;
      await logInTo([foreign]);
      for (const words of [
        ["auth", "rotate", "--type=all"],
        ["auth", "status"],
        ["restore", "--force", "b.jsonl"],
        ["store", "migrate", "--to=1"],
      ]) {
        const { code, err } = await user.run(["ctl", ...words]);
        assert.deepEqual([code, /Cannot do that over the network\n.*postern logout/.test(err)], [2, true], err);
      }
      for (const trusted of [[own], [foreign, own]]) {
        await logInTo(trusted);
        const { code, out, err } = await user.run(["ctl", "auth", "status"]);
        assert.deepEqual([code, out.includes("never updated")], [0, true], err);
      }
      writeFileSync(join(data, "store.sqlite"), "no store at all");
      const broken = await user.run(["ctl", "restore", "--force", "b.jsonl"]);
      assert.equal(broken.code, 2);
      assert.match(broken.err, /Cannot tell whether you mean the cluster of this machine: .*\n.*postern logout/);
    } finally {
      if (before === undefined) delete process.env["POSTERN_DATA_DIR"];
      else process.env["POSTERN_DATA_DIR"] = before;
      user.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe("what ctl reads and prints", () => {
  it("shows nothing in a table that a terminal would take for a command", () => {
    const value = { spec: { target: { user: "ada" }, message: "\u001b[2Jgone\u202e" } };
    const text = renderResources([{ kind: "lock", name: "l", value }], "lock", "text");
    assert.equal(
      text,
      "Lock Target   Message   Expires\n---- -------- --------- -------\nl    user:ada ?[2Jgone? never\n",
    );
  });

  it("takes a list with nothing before its comma, as the guide's line makes it for a user without roles", () => {
    assert.deepEqual(commaList(",aws-dynamodb-access"), ["aws-dynamodb-access"]);
    assert.deepEqual(commaList(" a, b,,"), ["a", "b"]);
  });

  it("reads what it prints", () => {
    const value = {
      kind: "role",
      version: "v7",
      metadata: { name: "x: #y" },
      spec: { deny: { db_users: ["*", "a: b"] } },
    };
    const shown = { kind: "role", name: "x: #y", value };
    for (const format of ["yaml", "json"] as const) {
      const text = renderResources([shown, shown], "role", format);
      const read =
        format === "json" ? (JSON.parse(text) as unknown[]) : documentsOf({ text, file: "f" }).map((one) => one.value);
      assert.deepEqual(read, [value, value]);
    }
  });

  it("names the place of what is no YAML, and of a placeholder that was left in", () => {
    assert.throws(() => documentsOf({ text: "kind: [", file: "f.yaml" }), /f\.yaml:1:\d+/);
    const [document] = documentsOf({
      text: "kind: db\nspec: {aws: {account_id: abcd1234-this-is-an-example}}\n",
      file: "f.yaml",
    });
    assert.match(document?.problems?.[0]?.message ?? "", /still a placeholder/);
  });
});
