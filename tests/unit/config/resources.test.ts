import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { PosternError } from "../../../src/base/errors.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import type { ResourceFile } from "../../../src/config/resource-file.ts";
import { loadResources, type ResourcesOptions } from "../../../src/config/resources.ts";
import { ResourceProblemsError } from "../../../src/identity/problem.ts";

const ROLE = `kind: role
version: v7
metadata:
  name: dev
spec:
  allow:
    db_labels: {env: dev}
    db_users: [ExampleRole]
    db_rules:
      - actions: [read]
      - actions: [nonsense]
`;
const USER = "kind: user\nversion: v2\nmetadata: {name: alice}\nspec: {roles: [dev]}\n";
const LOCK = "kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: alice}, message: bye}\n";
const DATABASE = `kind: db
version: v3
metadata: {name: orders, labels: {env: dev}}
spec: {protocol: dynamodb, uri: "http://127.0.0.1:8000", aws: {region: us-east-1, account_id: "123456789012"}}
`;

describe("loadResources()", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "postern-resources-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  /** The problems of the folder as `file:line:column message`. */
  const problems = async (options: ResourcesOptions = {}): Promise<string[]> => {
    const [result] = await Promise.allSettled([loadResources(folder, options)]);
    if (result.status === "fulfilled") return [];
    assert.ok(result.reason instanceof ConfigError, String(result.reason));
    return result.reason.problems.map(
      ({ file, line, column, message }) =>
        `${file.slice(folder.length + 1)}:${line}:${column} ${message.replaceAll(folder, "")}`,
    );
  };

  it("reads one or many documents from each YAML and JSON file", async () => {
    write("a.yaml", `${ROLE}---\n${USER}`);
    write("b.yml", LOCK);
    write(
      "c.json",
      JSON.stringify({ kind: "user", version: "v2", metadata: { name: "bob" }, spec: { roles: ["access"] } }),
    );
    write("d.yaml", DATABASE);
    write("e.yaml", "# nothing yet\n");
    const { directory, roles, databases, warnings } = await loadResources(folder);
    assert.deepEqual(
      roles.map(({ name }) => name),
      ["access", "editor", "auditor", "dev"],
    );
    assert.deepEqual(
      directory.users().map(({ name }) => name),
      ["alice", "bob"],
    );
    assert.equal(directory.lockOf("alice")?.message, "bye");
    assert.deepEqual(databases, [
      {
        name: "orders",
        static_labels: { env: "dev" },
        protocol: "dynamodb",
        uri: "http://127.0.0.1:8000",
        aws: { region: "us-east-1", account_id: "123456789012" },
      },
    ]);
    assert.deepEqual(warnings, []);
  });

  it("loads the standalone example", async () => {
    const { directory, warnings } = await loadResources(
      new URL("../../../examples/standalone/resources/", import.meta.url).pathname,
    );
    assert.deepEqual(directory.principalOf("alice")?.roles, ["dev"]);
    assert.deepEqual(directory.principalOf("bob")?.roles, ["reviewer"]);
    assert.deepEqual(warnings, []);
  });

  it("holds the built-in roles and nobody when the directory is empty", async () => {
    const { directory } = await loadResources(folder);
    assert.deepEqual([directory.users().length, directory.roles().length], [0, 3]);
  });

  it("follows links as Kubernetes makes them, and reads each document once", async () => {
    mkdirSync(join(folder, "..data_1"));
    writeFileSync(join(folder, "..data_1", "a.yaml"), ROLE);
    symlinkSync("..data_1", join(folder, "..data"));
    symlinkSync("..data/a.yaml", join(folder, "a.yaml"));
    assert.equal((await loadResources(folder)).roles.length, 4);
  });

  it("leaves out other names and warns of a subdirectory", async () => {
    mkdirSync(join(folder, "sub"));
    write(".a.yaml.swp", "{");
    write(".a.yaml", "{");
    write("a.yaml~", "{");
    write("README.md", "{");
    const { warnings } = await loadResources(folder);
    assert.deepEqual(
      warnings.map(({ message }) => message),
      ["The directory is not read"],
    );
  });

  it("names both places of a name that is taken twice", async () => {
    write("a.yaml", ROLE);
    write("b.yaml", `${USER}---\n${ROLE}`);
    assert.deepEqual(await problems(), ['b.yaml:9:9 role "dev" is already defined in /a.yaml:4']);
  });

  it("collects the faults of all files, in order", async () => {
    write("b.yaml", ROLE.replace("db_labels", "db_lables"));
    write("a.yaml", `${USER.replace("v2", "v9")}---\nkind: token\n---\nkind: rol\n---\nname: x\n`);
    assert.deepEqual(await problems(), [
      'a.yaml:2:10 version: expected v2, not "v9"',
      'a.yaml:6:7 Kind "token" is not used without a cluster, and this version has none',
      'a.yaml:8:7 Kind "rol" is not known',
      "a.yaml:10:1 The document does not say its kind",
      'b.yaml:7:5 spec.allow: unknown key "db_lables"',
    ]);
  });

  it("refuses a user whose role is missing, at that role", async () => {
    write("a.yaml", USER);
    assert.deepEqual(await problems(), [
      'a.yaml:4:16 spec.roles[0]: user "alice" has role "dev", which is not defined',
    ]);
  });

  for (const [what, text, message] of [
    ["an empty file", " \n", /The file is empty/],
    [
      "a placeholder",
      ROLE.replace("ExampleRole", "arn:aws:iam::abcd1234-this-is-an-example:role/X"),
      /8:16 .* still a placeholder/,
    ],
    ["a control character", "kind: role\u0007", /control character/],
    ["half a document", ROLE.slice(0, 95), /Cannot read it as YAML/],
  ] as const) {
    it(`refuses ${what}`, async () => {
      write("a.yaml", text);
      assert.match((await problems()).join(), message);
    });
  }

  it("refuses what is no UTF-8, too large or a dangling link", async () => {
    writeFileSync(join(folder, "a.yaml"), Buffer.from([0xc3, 0x28]));
    assert.match((await problems()).join(), /a\.yaml:1:1 The file is not UTF-8/);
    write("a.yaml", "#".repeat(1024 * 1024 + 1));
    assert.match((await problems()).join(), /1048577 bytes/);
    rmSync(join(folder, "a.yaml"));
    symlinkSync("nowhere", join(folder, "b.yaml"));
    assert.match((await problems()).join(), /b\.yaml:1:1 The file cannot be read/);
  });

  it("says that the directory cannot be read", async () => {
    await assert.rejects(loadResources(join(folder, "none")), { code: "resources_unreadable" });
  });

  it("shows fifty problems of many and counts them all", async () => {
    const users = Array.from({ length: 120 }, (_, at) => USER.replace("alice", `user-${at}`));
    write("a.yaml", users.join("---\n"));
    await assert.rejects(
      loadResources(folder),
      (error: unknown) =>
        error instanceof ConfigError && error.problems.length === 50 && /: 120 problems/.test(error.message),
    );
  });

  it("places what a validator finds: by problem, by role and path, or by the words of its message", async () => {
    write("a.yaml", `${USER}---\n${ROLE}`);
    write("b.yaml", DATABASE);
    const path = ["spec", "allow", "db_rules", 1, "actions", 0];
    const thrown = [
      new ResourceProblemsError("Cannot compile", [{ kind: "role", name: "dev", path, message: "no such action" }]),
      Object.assign(new PosternError("x", "no such action"), {
        role: "dev",
        path: "spec.allow.db_rules[1].actions[0]",
      }),
      new PosternError("x", 'Cannot load role "dev": spec.allow.db_rules[1].actions[0] "nonsense": no such action'),
      new PosternError("x", 'Cannot load database "orders": its region is odd'),
      new PosternError("x", "something else"),
    ];
    const places: string[] = [];
    for (const error of thrown)
      places.push(
        ...(await problems({ validate: () => Promise.reject(error) })).map((line) => line.split(" ")[0] ?? ""),
      );
    assert.deepEqual(places, ["a.yaml:16:19", "a.yaml:16:19", "a.yaml:16:19", "b.yaml:3:18", ":1:1"]);
  });

  it("lets through what is no error of Postern's", async () => {
    await assert.rejects(loadResources(folder, { validate: () => Promise.reject(new RangeError("bug")) }), RangeError);
  });

  it("parses again only what changed, with the same outcome", async () => {
    const cache = new Map<string, ResourceFile>();
    write("a.yaml", ROLE);
    write("b.yaml", USER);
    const first = await loadResources(folder, { cache });
    const kept = cache.get(join(folder, "a.yaml"));
    write("b.yaml", USER.replace("alice", "bob"));
    const second = await loadResources(folder, { cache });
    assert.equal(cache.get(join(folder, "a.yaml")), kept);
    assert.notEqual(second.digest, first.digest);
    assert.deepEqual(
      second.directory.users().map(({ name }) => name),
      ["bob"],
    );
    rmSync(join(folder, "b.yaml"));
    await loadResources(folder, { cache });
    assert.equal(cache.size, 1);
  });

  it("lets other work through while it reads hundreds of roles", async () => {
    write("a.yaml", Array.from({ length: 500 }, (_, at) => ROLE.replace("dev", `role-${at}`)).join("---\n"));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const { roles } = await loadResources(folder);
    clearInterval(timer);
    assert.equal(roles.length, 503);
    assert.ok(turns > 3, `${turns} turns`);
  });
});
