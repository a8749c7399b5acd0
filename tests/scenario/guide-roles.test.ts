/** The guide's second step and the token of its third as they are printed, on the auth service's own machine, in front of a gateway that runs. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { eventually } from "../support/eventually.ts";
import { auditOf, ORDERS } from "../support/gateway.ts";
import { GUIDE_ROLE } from "../support/guide.ts";
import { type PosternProcess, startPostern } from "../support/postern-process.ts";
import { everythingIn, STORE_PLACES, type StorePlace } from "../support/store-places.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));

for (const { name, skip, start } of STORE_PLACES) {
  describe(`the guide, steps 2 and 3, with a store ${name}`, { skip }, () => {
    let place: StorePlace;
    let sandbox: Sandbox;
    let postern: PosternProcess;

    before(async () => {
      place = await start();
      sandbox = await startSandbox();
      await sandbox.seed([ORDERS]);
      // Step 1 of the guide.
      sandbox.putRole({ name: "ExampleTeleportDynamoDBRole", trust: { principals: ["123456789012"] } });
      postern = await startPostern({
        resources: "# People and roles are in the store.\n",
        uri: sandbox.dynamodb.url,
        env: { ...place.env, ...sandbox.env },
        dbUser: "ExampleTeleportDynamoDBRole",
        // Each worker follows the store by itself.
        workers: 2,
        sections: `auth_service: {enabled: yes, cluster_name: example, storage: ${place.storage}}`,
      });
      writeFileSync(join(postern.directory, "aws-dynamodb-access.yaml"), GUIDE_ROLE);
    });
    after(async () => {
      await postern.close();
      await sandbox.close();
      await place.close();
    });

    /** A line as the guide prints it; what it calls the admin tool is ours, and who is logged in is read from the store. */
    const line = (text: string): Promise<{ code: number; stdout: string; stderr: string }> =>
      new Promise((resolve) => {
        const tctl = `tctl() { "${process.execPath}" "${LAUNCHER}" ctl -c "${postern.configFile}" "$@"; }`;
        const options = {
          cwd: postern.directory,
          env: { ...process.env, ...place.env, NO_COLOR: "1", XDG_DATA_HOME: postern.directory },
        };
        execFile("/bin/bash", ["-c", `${tctl}\n${text}`], options, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        );
      });
    const said = async (text: string): Promise<string> => {
      const { code, stdout, stderr } = await line(text);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    /** Past the command line: all that is in the store. */
    const stored = (): Promise<unknown[]> => everythingIn(place, postern.dataDir);
    const statusOf = async (): Promise<number> => (await get(postern.url)).status;

    it("begins with a user who reaches nothing", async () => {
      assert.equal(await said("tctl users ls"), "No users found\n");
      assert.match(
        await said("tctl users add root@example.com --roles=editor"),
        /^User "root@example\.com" has been created but requires a password\. .*, link is valid for 1h:\nhttps:\/\/<proxyhost>:3080\/web\/invite\/[0-9a-f]{32}\n\nNOTE: Make sure <proxyhost>:3080 points at a Postern proxy which users can access\.\n$/,
      );
      assert.equal(
        await said("printf 'correct horse battery' | tctl users add alice --roles=access,auditor --password-stdin"),
        'User "alice" has been created\n',
      );
      assert.equal(await statusOf(), 400);
    });

    it("creates the new role", async () => {
      assert.equal(
        await said("tctl create -f aws-dynamodb-access.yaml"),
        'role "aws-dynamodb-access" has been created\n',
      );
      assert.equal(
        await said("tctl create -f aws-dynamodb-access.yaml"),
        'role "aws-dynamodb-access" has been updated\n',
      );
      const again = await line("tctl create aws-dynamodb-access.yaml");
      assert.deepEqual([again.code, again.stdout], [1, ""]);
      assert.match(again.stderr, /role "aws-dynamodb-access" already exists/);
      assert.match(await said("tctl get role/aws-dynamodb-access"), /^kind: role\nversion: v7\n/);
    });

    it("adds the role to the user, whose next operation it reaches", async () => {
      const printed = await said(`
      ROLES=$(tctl get user/alice -f json | jq -r '.[0].spec.roles | join(",")')
      tctl users update $(tctl get user/alice -f json | jq -r '.[0].metadata.name') \\
      --set-roles "\${ROLES?},aws-dynamodb-access"`);
      assert.equal(printed, "User alice has been updated:\n\tNew roles: access,auditor,aws-dynamodb-access\n");
      await eventually(async () => (await statusOf()) === 200);
      // Whichever worker answers.
      await eventually(async () =>
        (await Promise.all(Array.from({ length: 8 }, statusOf))).every((status) => status === 200),
      );
    });

    it("gives the role to a user who had none", async () => {
      await said(`printf 'kind: user\\nversion: v2\\nmetadata: {name: bob}\\nspec: {}\\n' | tctl create`);
      assert.equal(
        await said(`ROLES=; tctl users update bob --set-roles "\${ROLES?},aws-dynamodb-access"`),
        "User bob has been updated:\n\tNew roles: aws-dynamodb-access\n",
      );
      assert.match(
        await said("tctl users ls"),
        /^User +Roles\n-+ -+\nalice +access,auditor,aws-dynamodb-access\nbob +aws-/,
      );
    });

    it("edits, locks and removes", async () => {
      assert.equal(
        await said("EDITOR='sed -i s/v7/v6/' tctl edit role/aws-dynamodb-access"),
        'role "aws-dynamodb-access" has been updated\n',
      );
      await said(
        `printf 'kind: lock\\nversion: v2\\nmetadata: {name: l}\\nspec: {target: {user: alice}}\\n' | tctl create -`,
      );
      await eventually(async () =>
        (await Promise.all(Array.from({ length: 8 }, statusOf))).every((status) => status === 400),
      );
      assert.equal(await said("tctl rm lock/l"), 'lock "l" has been deleted\n');
      await eventually(async () => (await statusOf()) === 200);
      assert.equal(await said("tctl users rm bob"), 'User "bob" has been deleted\n');
      assert.match(await said("tctl status"), /^Cluster {2}example\nVersion {2}\d/);
      assert.match(await said("tctl status -f json | jq -r .cluster"), /^example\n$/);
    });

    it("makes the token of step 3, lists it without its secret, and removes it", async () => {
      assert.equal(await said("tctl tokens ls"), "No active tokens found.\n");
      await said("tctl tokens add --type=db --format=text > token");
      const token = await said("cat token");
      assert.match(token, /^[0-9a-f]{32}\n$/);
      const listed = await said("tctl tokens ls");
      assert.match(listed, /^Token +Type +Labels +Expiry Time \(UTC\)\n-+ -+ -+ -+\n\*{24}[0-9a-f]{8} db /);
      assert.match(await said("tctl tokens ls --with-secrets --format=text"), new RegExp(token.trim()));
      const again = await line("tctl tokens add --type=db --value=$(cat token)");
      assert.equal(again.code, 1);
      assert.equal(again.stderr.includes(token.trim()), false);
      assert.equal(await said("tctl tokens rm $(cat token)"), `Token ${token.trim()} has been deleted\n`);
      assert.match(
        await said("tctl tokens add --type=db,proxy"),
        /^The invite token: \w+\nThis token will expire in 30 minutes\.\n$/,
      );
    });

    for (const [what, text, code, told] of [
      ["a token for nothing", "tctl tokens add --type=dbb", 1, /did you mean db/],
      ["a role that is not there", "tctl users update alice --set-roles nope", 1, /"nope", which is not defined/],
      ["a role in use", "tctl rm role/aws-dynamodb-access", 1, /user "alice" holds it/],
      ["the last editor", "tctl users rm root@example.com", 3, /nobody could administer/],
      ["nothing to update", "tctl users update alice", 2, /Nothing to update. Please provide at least one --set flag./],
      ["no name", "tctl rm role", 2, /provide a full resource name to delete/],
      ["an unknown kind", "tctl get rolle", 1, /did you mean "role"/],
      [
        "an unknown field",
        "sed s/db_users/db_usrs/ aws-dynamodb-access.yaml | tctl create -f",
        1,
        /stdin:9:5: .*db_usrs[^]*"db_users"/,
      ],
      ["no YAML", "printf 'a: [' | tctl create -f", 1, /stdin:1:/],
      ["an editor that fails", "EDITOR=false tctl edit role/aws-dynamodb-access", 1, /Cannot edit with "false"/],
      ["no configuration", `"${process.execPath}" "${LAUNCHER}" ctl status`, 2, /-c postern.yaml/],
    ] as const) {
      it(`refuses ${what} with exit code ${code}, and says why`, async () => {
        const before = await stored();
        const answer = await line(text);
        assert.deepEqual([answer.code, answer.stdout], [code, ""], answer.stderr);
        assert.match(answer.stderr, told);
        assert.deepEqual(await stored(), before);
      });
    }

    it("has each act on record, in a log that verifies", async () => {
      const acts = auditOf(join(postern.dataDir, "audit")).filter(({ service }) => service === "ctl");
      const refused = acts.filter(({ event, kind }) => event === "postern.control.refused" && kind !== "token");
      assert.deepEqual(
        refused.map(({ verb, kind, name }) => [verb, kind, name].join(" ")),
        [
          "create role aws-dynamodb-access",
          "update user alice",
          "delete role aws-dynamodb-access",
          "create role aws-dynamodb-access",
        ],
      );
      const isToken = ({ event, kind }: Record<string, unknown>): boolean =>
        kind === "token" || String(event).includes("join_token");
      assert.equal(acts.filter(isToken).length, 4);
      const others = acts.filter((act) => !refused.includes(act) && !isToken(act));
      assert.deepEqual(
        others.map(({ event, name }) => `${String(event)} ${String(name)}`),
        [
          "user.create root@example.com",
          "reset_password_token.create root@example.com",
          "user.create alice",
          "role.created aws-dynamodb-access",
          "role.updated aws-dynamodb-access",
          "user.update alice",
          "user.create bob",
          "user.update bob",
          "role.updated aws-dynamodb-access",
          "lock.created l",
          "lock.deleted l",
          "user.delete bob",
          "postern.control.denied root@example.com",
        ],
      );
      const verified = await line(`"${process.execPath}" "${LAUNCHER}" audit verify --data-dir "${postern.dataDir}"`);
      assert.deepEqual([verified.code, verified.stderr], [0, ""]);
    });

    it("takes many commands at once, one after another", async () => {
      const names = Array.from({ length: 4 }, (_, at) => `u${at}`);
      await said(`${names.map((name) => `tctl users add ${name} --roles=access &`).join("\n")}\nwait`);
      const users = JSON.parse(await said("tctl users ls -f json")) as { metadata: { name: string } }[];
      for (const name of names)
        assert.ok(
          users.some(({ metadata }) => metadata.name === name),
          name,
        );
      const verified = await line(`"${process.execPath}" "${LAUNCHER}" audit verify --data-dir "${postern.dataDir}"`);
      assert.equal(verified.code, 0, verified.stderr);
    });
  });
}

function get(url: string): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "x-amz-target": "DynamoDB_20120810.GetItem", "content-type": "application/x-amz-json-1.0" },
    body: JSON.stringify({ TableName: "orders", Key: { id: { S: "ada#1" } } }),
  });
}
