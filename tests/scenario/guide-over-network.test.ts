/** The guide's second and third step as they are printed: over the network, as somebody who is logged in. */

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "../support/eventually.ts";
import { STORE_PLACES, type StorePlace } from "../support/store-places.ts";
import { auditOf } from "../support/gateway.ts";
import { GUIDE_ROLE } from "../support/guide.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const PASSWORD = "correct horse battery";

for (const { name: where, skip, start } of STORE_PLACES) {
  describe(`the guide, steps 2 and 3, over the network, with a store ${where}`, { skip }, () => {
    const directory = mkdtempSync(join(tmpdir(), "postern-guide-"));
    let place: StorePlace;
    let service: ChildProcess;
    let log = "";
    let proxy: string;
    let pin: string;

    /** Lines as somebody types them who has `postern` on the PATH and jq. */
    const line = (text: string): Promise<{ code: number; stdout: string; stderr: string }> =>
      new Promise((resolve) => {
        const env = {
          PATH: `${join(directory, "bin")}:${process.env["PATH"] ?? ""}`,
          POSTERN_HOME: join(directory, "home"),
          NO_COLOR: "1",
          ...place.env,
        };
        execFile("/bin/bash", ["-c", text], { cwd: directory, env }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        );
      });
    const said = async (text: string): Promise<string> => {
      const { code, stdout, stderr } = await line(text);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const logIn = (user: string): Promise<string> =>
      said(`printf '${PASSWORD}' | postern login --proxy=${proxy} --user=${user} --password-stdin --ca-pin=${pin}`);

    before(async () => {
      place = await start();
      mkdirSync(join(directory, "bin"));
      writeFileSync(join(directory, "bin", "postern"), `#!/bin/sh\nexec "${process.execPath}" "${LAUNCHER}" "$@"\n`);
      chmodSync(join(directory, "bin", "postern"), 0o755);
      writeFileSync(
        join(directory, "postern.yaml"),
        `
version: v3
postern: {nodename: test, data_dir: ./data}
auth_service: {enabled: "yes", cluster_name: example, storage: ${place.storage}, authentication: {second_factor: "off"}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:0"}
db_service: {enabled: "no"}
`,
      );
      writeFileSync(join(directory, "aws-dynamodb-access.yaml"), GUIDE_ROLE);
      service = spawn(process.execPath, [LAUNCHER, "start", "-c", join(directory, "postern.yaml")], {
        stdio: ["ignore", "ignore", "pipe"],
        env: { ...process.env, ...place.env },
      });
      service.stderr?.setEncoding("utf8").on("data", (chunk: string) => (log += chunk));
      await eventually(() => /Listening.*address=(\S+)/.test(log));
      proxy = /Listening.*address=(\S+)/.exec(log)?.[1] ?? "";
      // As the machine's administrator begins.
      const local = "postern ctl -c postern.yaml";
      await said(`printf '${PASSWORD}' | ${local} users add email@example.com --roles=access,editor --password-stdin`);
      pin = (await said(`${local} status -f json | jq -r '.ca_pins[0]'`)).trim();
    });
    after(async () => {
      const ended = new Promise((resolve) => service.once("exit", resolve));
      service.kill();
      await ended;
      await place.close();
      rmSync(directory, { recursive: true, force: true });
    });

    it("needs a login, and says both ways", async () => {
      const { code, stdout, stderr } = await line("postern ctl status");
      assert.deepEqual([code, stdout], [2, ""]);
      assert.match(stderr, /hint: log in: postern login --proxy=.*postern ctl -c postern\.yaml/);
    });

    it("shows the cluster to who is logged in", async () => {
      await logIn("email@example.com");
      const status = await said("postern ctl status");
      assert.match(
        status,
        /^Cluster {2}example\nVersion {2}\d\S+\nhost CA {2}never updated\nuser CA {2}never updated\nCA pin {3}sha256:[0-9a-f]{64}\n$/,
      );
      assert.ok(status.includes(pin));
    });

    it("creates the role, and assigns it to the user", async () => {
      const created = await said("postern ctl create -f aws-dynamodb-access.yaml");
      assert.equal(created, 'role "aws-dynamodb-access" has been created\n');
      const updated = await said(`ROLES=$(postern status -f json | jq -r '.active.roles | join(",")')
postern ctl users update $(postern status -f json | jq -r '.active.username') \\
    --set-roles "\${ROLES?},aws-dynamodb-access"`);
      assert.equal(
        updated,
        "User email@example.com has been updated:\n\tNew roles: access,editor,aws-dynamodb-access\n",
      );
      // Sign out of the cluster and sign in again to assume the new role.
      await said("postern logout");
      assert.match(await logIn("email@example.com"), /Roles: +access, editor, aws-dynamodb-access\n/);
    });

    it("keeps what somebody wrote in an editor while another one was faster", async () => {
      writeFileSync(
        join(directory, "editor"),
        `sed -i s/v7/v6/ "$1"\npostern ctl create -f aws-dynamodb-access.yaml >/dev/null\n`,
      );
      const { code, stdout, stderr } = await line("EDITOR='bash editor' postern ctl edit role/aws-dynamodb-access");
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, /somebody else changed it meanwhile/);
      const kept = /still in "([^"]+)"/.exec(stderr)?.[1] ?? "";
      assert.match(readFileSync(kept, "utf8"), /^version: v6$/m);
      rmSync(dirname(kept), { recursive: true });
      assert.match(await said("postern ctl get role/aws-dynamodb-access"), /^version: v7$/m);
      const again = await said("EDITOR='sed -i s/v7/v6/' postern ctl edit role/aws-dynamodb-access");
      assert.equal(again, 'role "aws-dynamodb-access" has been updated\n');
    });

    it("generates a token, alone on its line, and shows it nowhere again", async () => {
      await said("postern ctl tokens add --type=db --format=text > token");
      const token = readFileSync(join(directory, "token"), "utf8");
      assert.match(token, /^[0-9a-f]{32}\n$/);
      const shown = `${await said("postern ctl tokens ls; postern ctl get token; postern ctl get token -f json")}${log}`;
      assert.equal(shown.includes(token.trim()), false);
      assert.ok(shown.includes(token.trim().slice(-8)));
      const files = readdirSync(join(directory, "data", "audit")).map((name) =>
        readFileSync(join(directory, "data", "audit", name), "utf8"),
      );
      assert.equal(files.join("").includes(token.trim()), false);
    });

    it("makes the links of a new user and of a reset, which nobody else gets to see", async () => {
      const link = (kind: string): RegExp =>
        new RegExp(`^https://${proxy.replace("127.0.0.1", "localhost")}/web/${kind}/([0-9a-f]{32})$`, "m");
      const added = await said("postern ctl users add bob --roles=access");
      assert.match(
        added,
        /^User "bob" has been created but requires a password\. Share this URL with the user to complete user setup, link is valid for 1h:\n/,
      );
      const reset = await said("postern ctl users reset bob --ttl 90m");
      assert.match(
        reset,
        /^User "bob" has been reset\. Share this URL with the user to complete password reset, link is valid for 1h30m:\n/,
      );
      const tokens = [link("invite").exec(added)?.[1] ?? "-", link("reset").exec(reset)?.[1] ?? "-"];
      const kept = readdirSync(join(directory, "data"), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => readFileSync(join(parentPath, name)).toString("latin1"));
      for (const token of tokens) {
        assert.notEqual(token, "-");
        assert.equal(`${log}${kept.join("")}`.includes(token), false);
      }
    });

    it("has each act on record, with who asked and from where", async () => {
      const acts = auditOf(join(directory, "data", "audit")).filter(({ service: where }) => where === "proxy_service");
      const told = acts.filter(({ event }) => !String(event).startsWith("postern.service."));
      assert.deepEqual(
        told.map(({ event, name }) => `${String(event)} ${String(name).replace(/^\*+\w+$/, "****")}`),
        [
          "role.created aws-dynamodb-access",
          "user.update email@example.com",
          "role.updated aws-dynamodb-access",
          "postern.control.refused aws-dynamodb-access",
          "role.updated aws-dynamodb-access",
          "join_token.create ****",
          "user.create bob",
          "reset_password_token.create bob",
          "user.update bob",
          "reset_password_token.create bob",
        ],
      );
      for (const act of told) assert.deepEqual([act["user"], act["addr.remote"]], ["email@example.com", "127.0.0.1"]);
      await said("postern audit verify --data-dir data");
    });

    it("denies who may not, with exit code 3 and the reason", async () => {
      await said(`printf '${PASSWORD}' | postern ctl users reset bob --password-stdin`);
      await logIn("bob");
      const { code, stdout, stderr } = await line("postern ctl create -f aws-dynamodb-access.yaml");
      assert.deepEqual([code, stdout], [3, ""]);
      assert.match(stderr, /user "bob" holds no role that grants create on role/);
    });
  });
}
