import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { ALICE_MAY_NEARLY_EVERYTHING, ORDERS } from "../support/gateway.ts";
import { install, type Installed, type Service } from "../support/installed.ts";
import { anyOf, lacking } from "../support/programs.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PASSWORD = "correct horse battery";
const NO_SHELL = anyOf(await lacking("curl", ["curl", "--version"]), await lacking("jq", ["jq", "--version"]));
const run = promisify(execFile);

describe("what npm pack makes, installed with nothing but Node and npm", () => {
  let installed: Installed;
  before(async () => void (installed = await install()));
  after(() => installed.close());

  const at = (name: string): string => join(installed.directory, name);
  const well = async (...given: Parameters<Installed["postern"]>): Promise<string> => {
    const { code, out, err } = await installed.postern(...given);
    assert.equal(code, 0, err);
    return out;
  };

  it("holds what runs, its documents and its licences, nothing of this machine, and little", () => {
    const { files, size, unpackedSize } = installed.archive;
    const tops = new Set(files.map(({ path }) => path.split("/")[0] ?? ""));
    assert.deepEqual(
      [...tops].sort(),
      [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "SECURITY.md",
        "bin",
        "deploy",
        "dist",
        "docs",
        "examples",
        "package.json",
        "policies",
      ].sort(),
    );
    assert.ok(size < 2_000_000 && unpackedSize < 8_000_000, `${size} bytes, ${unpackedSize} unpacked`);
    const names = files.map(({ path }) => path);
    assert.ok(names.includes("dist/policy/bundle.tar.gz") && names.includes("dist/policy/control.tar.gz"));
    assert.ok(names.includes("dist/THIRD-PARTY.txt") && names.includes("LICENSE"));
    assert.deepEqual(
      names.filter((name) => /\.test\.|(?:^|\/)(?:tests?|node_modules|src)\/|\.(?:ts|map|key|tfstate)$/.test(name)),
      [],
    );
    const places = [ROOT, `${homedir()}/`].filter((place) => place.length > 1);
    for (const name of names) {
      const text = readFileSync(join(installed.packageDirectory, name), "latin1");
      for (const place of places) assert.ok(!text.includes(place), `${name} names ${place}`);
    }
  });

  it("says its version, and that Rego of one's own needs OPA", async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
    assert.match(await well(["version"]), new RegExp(`^Postern ${version.replaceAll(".", "\\.")} `));
    mkdirSync(at("policies"));
    writeFileSync(at("policies/x.rego"), "package postern.custom.x\n");
    const { code, err } = await installed.postern(["policy", "check", "policies"]);
    assert.equal(code, 1);
    assert.match(err, /OPA/);
  });

  describe("beside an application", () => {
    let sandbox: Sandbox;
    before(async () => {
      sandbox = await startSandbox();
      await sandbox.seed([ORDERS]);
    });
    after(async () => await sandbox.close());

    it("judges by the built-in policy with the file that configure db writes", async () => {
      mkdirSync(at("resources"));
      writeFileSync(at("resources/all.yaml"), ALICE_MAY_NEARLY_EVERYTHING);
      const words = [
        "--name",
        "example",
        "--region",
        "us-east-1",
        "--account-id",
        "123456789012",
        "--labels",
        "env=dev",
      ];
      const standalone = [
        "--user",
        "alice",
        "--db-user",
        "ExampleRole",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        "./data",
      ];
      const uri = ["--uri", sandbox.dynamodb.url];
      await well(["configure", "db", ...words, ...standalone, ...uri, "-o", "postern.yaml"]);
      const service = installed.start(["start", "-c", "postern.yaml"], sandbox.env);
      try {
        const address = await service.found(/Listening +address=(\S+)/);
        assert.equal((await ask(address, "GetItem", { Key: { id: { S: "ada#1" } } })).status, 200);
        const denied = await ask(address, "DeleteTable", {});
        assert.match(await denied.text(), /AccessDeniedException.*rule_denied/);
      } finally {
        assert.equal(await service.stop(), 0, service.log());
      }
      assert.ok(readdirSync(at("data/audit")).some((name) => name.endsWith(".jsonl")));
      await well(["audit", "verify", "-c", "postern.yaml"]);
    });
  });

  describe("as a cluster", () => {
    let service: Service;
    let proxy: string;
    before(async () => {
      writeFileSync(
        at("cluster.yaml"),
        `version: v3
postern: {nodename: test, data_dir: ./cluster}
auth_service: {enabled: "yes", cluster_name: example, authentication: {second_factor: "off"}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
`,
      );
      service = installed.start(["start", "-c", "cluster.yaml"]);
      proxy = await service.found(/Listening +address=(\S+) service=proxy_service/);
    });
    after(async () => assert.equal(await service.stop(), 0, service.log()));

    it(
      "is administered by the built-in policy, logs in, and says its version as the guide asks for it",
      { skip: NO_SHELL },
      async () => {
        const pin = /CA pin +(sha256:\S+)/.exec(await well(["ctl", "-c", "cluster.yaml", "status"]))?.[1] ?? "";
        const add = ["ctl", "-c", "cluster.yaml", "users", "add", "alice", "--roles=access", "--password-stdin"];
        await well(add, { input: PASSWORD });
        const token = await well(["ctl", "-c", "cluster.yaml", "tokens", "add", "--type=db", "--format=text"]);
        const login = ["login", `--proxy=${proxy}`, "--user=alice", `--ca-pin=${pin}`, "--password-stdin"];
        await well(login, { input: PASSWORD });
        const { active } = JSON.parse(await well(["status", "-f", "json"])) as { active: { roles: string[] } };
        assert.deepEqual(active.roles, ["access"]);

        const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
        const profile = readFileSync(
          join(installed.directory, "..", "home", ".postern", `${proxy.replace(":", "_")}.json`),
          "utf8",
        );
        const authority = at("authority.pem");
        writeFileSync(authority, (JSON.parse(profile) as { trusted: string[] }).trusted.join(""));
        for (const trust of ["-k", `--cacert ${authority}`]) {
          const line = `POSTERN_DOMAIN=${proxy}; curl -s ${trust} "https://$POSTERN_DOMAIN/webapi/ping" | jq -r '.server_version'`;
          assert.equal((await run("sh", ["-c", line])).stdout, `${version}\n`, trust);
        }
        // Nobody without the authority takes it for the cluster.
        await assert.rejects(run("curl", ["-s", `https://${proxy}/webapi/ping`]));

        // The agent's file of the guide's third step, with the token's own text: for its owner alone.
        const words = ["--name", "orders", "--region", "us-east-1", "--account-id", "123456789012", "--proxy", proxy];
        await well([
          "configure",
          "db",
          ...words,
          "--token",
          token.trim(),
          "--ca-pin",
          pin,
          "-o",
          `file://${at("agent.yaml")}`,
        ]);
        assert.equal(statSync(at("agent.yaml")).mode & 0o777, 0o600);
      },
    );
  });
});

function ask(address: string, operation: string, body: object): Promise<Response> {
  return fetch(`http://${address}`, {
    method: "POST",
    headers: { "x-amz-target": `DynamoDB_20120810.${operation}`, "content-type": "application/x-amz-json-1.0" },
    body: JSON.stringify({ TableName: "orders", ...body }),
  });
}
