/** Whatever ctl says and does, it says and does the same on the auth service's own machine and over the network. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { Secret } from "../../../src/base/secret.ts";
import { ROOT } from "../../support/cluster.ts";
import { auditOf } from "../../support/gateway.ts";
import { type CommandLine, commandLine, type Ran } from "../../support/command-line.ts";
import { openRealDoor, type RealDoor } from "../../support/doors.ts";

const PASSWORD = "correct horse battery";
const EDITOR = "kind: user\nversion: v2\nmetadata: {name: eve}\nspec: {roles: [editor], traits: {}}\n";
const ROLE = `kind: role
version: v7
metadata:
  name: dev
spec:
  allow:
    db_labels:
      env: dev
    db_users: [ExampleRole]
`;
const FILES: Readonly<Record<string, string>> = {
  "eve.yaml": EDITOR,
  "role.yaml": ROLE,
  "several.yaml": `${ROLE.replace("name: dev", "name: ops")}---
kind: lock
version: v2
metadata: {name: gone}
spec: {target: {user: ada}, message: on leave}
---
kind: db
version: v3
metadata: {name: orders, labels: {env: dev}}
spec: {protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}
`,
  "unknown.yaml": ROLE.replace("db_users", "db_usrs").replace("db_labels", "db_lables"),
  "broken.yaml": "kind: role\n  version: [\n",
  "tab.yaml": "kind: role\n\tversion: v7\n",
  "placeholder.yaml": `kind: db
version: v3
metadata: {name: example}
spec: {protocol: dynamodb, aws: {region: us-east-1, account_id: abcd1234-this-is-an-example}}
`,
  "regex.yaml": ROLE.replace("env: dev", "env: '^(dev$'"),
  "kind.yaml": "kind: rolle\nversion: v7\nmetadata: {name: x}\n",
  "nobody.yaml": "kind: user\nversion: v2\nmetadata: {name: mallory}\nspec:\n  roles: [nope]\n",
  "twice.yaml": `${ROLE}---\n${ROLE}`,
  "empty.yaml": "# nothing\n",
  "many.yaml": Array.from({ length: 30 }, (_, at) => ROLE.replace("name: dev", `name: r${at}`)).join("---\n"),
  "token.yaml": `kind: token
version: v2
metadata: {name: 0123456789abcdef0123456789abcdef}
spec: {roles: [Db]}
`,
  "masked.yaml": `kind: token
version: v2
metadata: {name: "************************89abcdef", expires: "2099-01-01T00:00:00Z"}
spec: {roles: [Db]}
`,
};

/** Commands, one after another, each with its exit code and how its answer or complaint begins. */
const COMMANDS: readonly (readonly [line: string, code: number, told: RegExp, input?: string])[] = [
  ["status", 0, /^Cluster {2}example\nVersion {2}X\nhost CA {2}never updated\nuser CA {2}never updated\nCA pin {3}sha/],
  ["status -f json", 0, /"cluster": "example"/],
  ["create role.yaml", 0, /^role "dev" has been created\n$/],
  ["create role.yaml", 1, /^postern: error: role "dev" already exists\npostern: hint: use -f to replace it\n$/],
  ["create -f role.yaml", 0, /^role "dev" has been updated\n$/],
  ["create several.yaml", 0, /^role "ops" has been created\nlock "gone" has been created\ndatabase "orders" has/],
  [
    "create unknown.yaml",
    1,
    /unknown\.yaml:7:5: .*2 problems\n {2}.*:7:5: .*db_lables[^]*"db_labels"[^]*:9:5: .*db_usrs/,
  ],
  ["create broken.yaml", 1, /^postern: error: .*broken\.yaml:1:7: Cannot read ".*broken\.yaml": 3 problems\n/],
  ["create tab.yaml", 1, /:2:1: A tab indents this line[^]*hint: replace the tab/],
  ["create placeholder.yaml", 1, /:4:\d+: .*still a placeholder[^]*hint: write the 12 digits/],
  ["create regex.yaml", 1, /regex\.yaml:\d+:\d+: /],
  ["create kind.yaml", 1, /kind\.yaml:1:7: Kind "rolle" is not known\n {2,}hint: did you mean "role"\?/],
  ["create nobody.yaml", 1, /nobody\.yaml:5:\d+: .*"nope"/],
  ["create twice.yaml", 1, /stands twice/],
  ["create empty.yaml", 1, /no document is there/],
  ["create many.yaml", 1, /Cannot change more than 24 resources at once\npostern: hint: hand in at most 24/],
  ["create missing.yaml", 1, /Cannot read ".*missing\.yaml": ENOENT/],
  ["create token.yaml", 0, /^token "\*{24}89abcdef" has been created\n/],
  ["create masked.yaml", 1, /masked\.yaml:3:\d+: .*is a token as lists show it/],
  ["get token", 0, /^kind: token\nversion: v2\nmetadata:\n {2}name: "\*{24}89abcdef"\n/],
  ["get token --with-secrets -f json", 0, /"name": "0123456789abcdef0123456789abcdef"/],
  ["get token -f text", 0, /^Token +Type +Labels Expiry Time \(UTC\)\n-+ -+ -+ -+\n\*{24}89abcdef db +never\n$/],
  ["get token/************************89abcdef", 0, /name: "\*{24}89abcdef"/],
  ["tokens ls", 0, /\n\*{24}89abcdef db +never\n$/],
  ["tokens ls -f text --with-secrets", 0, /^0123456789abcdef0123456789abcdef\n$/],
  ["tokens rm ************************00000000", 1, /token "\*{24}00000000" is not found/],
  ["tokens rm ************************89abcdef", 0, /^Token \*{24}89abcdef has been deleted\n$/],
  ["tokens ls", 0, /^No active tokens found\.\n$/],
  ["tokens add --type=dbb", 1, /nothing joins as that\npostern: hint: did you mean db\?/],
  ["tokens add --type=db --value=short", 1, /warning: --value can be seen[^]*its value needs 16 to 255/],
  ["tokens add --type=db --value-stdin --format=text", 0, /^aaaaaaaaaaaaaaaa00\n$/, "aaaaaaaaaaaaaaaa00\n"],
  ["tokens add --type=db --value-stdin", 1, /Failed to create token \(\*{14}aa00 already/, "aaaaaaaaaaaaaaaa00\n"],
  ["tokens rm *************aa00", 1, /token "\*{13}aa00" is not found/],
  ["tokens add --type=db --value-stdin --format=text", 0, /^bbbbbbbbbbbbbbaa00\n$/, "bbbbbbbbbbbbbbaa00\n"],
  [
    "tokens rm **************aa00",
    1,
    /Cannot tell which token "\*{14}aa00" is: 2 are shown so\npostern: hint: name it whole/,
  ],
  ["tokens rm bbbbbbbbbbbbbbaa00", 0, /^Token bbbbbbbbbbbbbbaa00 has been deleted\n$/],
  ["tokens rm -", 0, /^Token \*{14}aa00 has been deleted\n$/, "aaaaaaaaaaaaaaaa00\n"],
  [
    "tokens add --type=db --databases=dev-*,users --value-stdin --format=text",
    0,
    /^cccccccccccccccc00\n$/,
    "cccccccccccccccc00\n",
  ],
  ["tokens rm cccccccccccccccc00", 0, /has been deleted\n$/],
  ["tokens add --type=db --databases=", 1, /its list of databases names no database/],
  ["tokens add --type=proxy --databases=dev-*", 1, /only database services serve databases/],
  ["tokens add --type=db --max-uses=0", 1, /it could be used 0 times/],
  ["tokens add --type=db --ttl=soon", 2, /not a duration/],
  ["get role/dev", 0, /^kind: role\nversion: v7\nmetadata:\n {2}name: dev\n/],
  ["get role/editor", 0, /name: editor/],
  ["get rolle", 1, /Kind "rolle" is not known\npostern: hint: did you mean "role"\?/],
  ["get role/nope", 1, /role "nope" is not found\npostern: hint: postern ctl get role lists them/],
  ["get role -f text", 0, /^Role +Allowed database users[^]*\ndev +ExampleRole +env=dev/],
  ["db ls", 0, /\norders dynamodb us-east-1\/123456789012 env=dev none\n$/],
  ["users add ada --roles=access --db-users=A,B --password-stdin", 0, /^User "ada" has been created\n$/, PASSWORD],
  ["users add ada --roles=access", 1, /already exists\npostern: hint: postern ctl users update ada --set-roles access/],
  ["users add bob --roles=nope", 1, /"nope", which is not defined/],
  ["users add bob --roles=access --password-stdin", 1, /has fewer than 12 characters/, "short"],
  ["users add bob --roles=access --ttl=49h", 1, /Cannot make a link that lasts 176400 s: at most 48h/],
  ["users add bob --roles=access --ttl=1h --password-stdin", 2, /there is no link that could end/, PASSWORD],
  ["users ls", 0, /^User Roles\n-+ -+\nada {2}access\neve {2}editor\n\n$/],
  ["users ls -f json", 0, /"db_users": \[\n +"A",\n +"B"/],
  ["users update ada --set-roles ,access,dev", 0, /^User ada has been updated:\n\tNew roles: access,dev\n$/],
  ["users update ada --set-db-users C", 0, /^User ada has been updated:\n\tNew database users: C\n$/],
  ["users update ada", 2, /Nothing to update/],
  ["users update ada --set-roles nope", 1, /"nope", which is not defined/],
  ["users update nobody --set-roles dev", 1, /user "nobody" is not found/],
  ["users reset ada --password-stdin", 0, /^User "ada" has been reset\n$/, PASSWORD],
  ["users reset nobody", 1, /user "nobody" is not found/],
  ["rm role/dev", 1, /Cannot delete role "dev": user "ada" holds it/],
  ["rm role/access", 1, /Cannot delete role "access": it is built in/],
  ["rm role", 2, /provide a full resource name to delete/],
  ["users rm eve", 3, /nobody could administer the cluster any more/],
  ["edit role/dev", 0, /^role "dev" has been updated\n$/],
  ["edit role/editor", 1, /it is built in/],
  ["rm lock/gone", 0, /^lock "gone" has been deleted\n$/],
  ["users rm ada,nobody", 1, /^User "ada" has been deleted\npostern: error: user "nobody" is not found/],
  ["rm role/dev", 0, /^role "dev" has been deleted\n$/],
];

describe("postern ctl, both ways", () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-both-"));
  const editor = process.env["EDITOR"];
  let door: RealDoor;
  let user: CommandLine;
  let local: (words: readonly string[], input?: string) => Promise<Ran>;
  let remote: typeof local;
  before(async () => {
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(directory, name), text);
    mkdirSync(join(directory, "data"), { mode: 0o700 });
    writeFileSync(
      join(directory, "postern.yaml"),
      "version: v3\npostern: {data_dir: ./data}\nauth_service: {enabled: yes, cluster_name: example, authentication: {second_factor: off}}\n",
    );
    process.env["EDITOR"] = "sed -i s/v7/v6/";
    door = await openRealDoor(EDITOR);
    await door.people.setPassword(ROOT, "eve", new Secret(PASSWORD));
    user = commandLine();
    local = (words, input) => user.run(["ctl", "-c", join(directory, "postern.yaml"), ...words], input);
    remote = (words, input) => user.run(["ctl", ...words], input);
    assert.equal((await local(["create", join(directory, "eve.yaml")])).code, 0);
    const login = ["login", `--proxy=${door.proxy}`, "--user=eve", "--password-stdin", `--ca-pin=${door.pin}`];
    assert.equal((await user.run(login, PASSWORD)).code, 0);
    door.events.length = 0;
  });
  after(async () => {
    if (editor === undefined) delete process.env["EDITOR"];
    else process.env["EDITOR"] = editor;
    user.close();
    await door.close();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const [line, code, told, input] of COMMANDS) {
    it(`${line}: ${code}`, async () => {
      const words = line.split(" ").map((word) => (word.endsWith(".yaml") ? join(directory, word) : word));
      const here = await local(words, input);
      assert.deepEqual(alike(await remote(words, input)), alike(here));
      assert.equal(here.code, code, here.err);
      assert.match(alike(here).out + alike(here).err, told);
      if (code !== 0 && !line.startsWith("users rm")) assert.equal(here.out, "");
    });
  }

  it("records the same of both, but for who asked and from where", () => {
    // Without the first one's, who is there from the beginning.
    const here = auditOf(join(directory, "data", "audit"))
      .slice(1)
      .map(actOf);
    const there = door.events.map(actOf);
    assert.ok(here.length > 30);
    assert.deepEqual(there, here);
    const [{ user: asker, service, "addr.remote": address } = {}] = door.events.slice(-1) as unknown as Record<
      string,
      unknown
    >[];
    assert.deepEqual([asker, service, address], ["eve", "proxy_service", "127.0.0.1"]);
  });
});

/** What an event says of an act, without the chain that it stands in. */
function actOf(event: object): object {
  const left = [
    "user",
    "service",
    "addr.remote",
    "time",
    "uid",
    "ei",
    "stream",
    "seq",
    "prev",
    "hash",
    "chain",
    "expires",
  ];
  return Object.fromEntries(
    Object.entries(event)
      .filter(([key]) => !left.includes(key))
      .sort(([one], [other]) => (one < other ? -1 : 1)),
  );
}

/** Without what differs between two clusters, and between two programs. */
function alike({ code, out, err }: Ran): Ran {
  const same = (text: string): string =>
    text
      .replaceAll(/sha256:[0-9a-f]{64}/g, "sha256:…")
      .replaceAll(/"id": "[^"]+"/g, '"id": "…"')
      .replaceAll(/(Version {2}|"version": ")[0-9.]+/g, "$1X")
      .replaceAll(/postern-edit-\w+/g, "postern-edit");
  return { code, out: same(out), err: same(err) };
}
