import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Browser, type Page, startChromium } from "../support/chromium.ts";
import { CLIENT, startProvider, type TestProvider } from "../support/identity-provider.ts";
import { missing } from "../support/peers.ts";

const LAUNCHER = fileURLToPath(new URL("../../bin/postern", import.meta.url));
const skip = await missing("chromium");

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe("a login by an identity provider, as people do it", { skip }, () => {
  let directory: string;
  let service: ChildProcess;
  let provider: TestProvider;
  let browser: Browser;
  let proxy: string;
  let pin: string;
  const opened = (): string => join(directory, "opened");

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "postern-oidc-"));
    const port = await freePort();
    proxy = `localhost:${port}`;
    provider = await startProvider(`https://${proxy}/web/oidc/callback`);
    provider.people.set("alice", { email: "alice@example.com", email_verified: true, groups: ["dev"] });
    file(
      "postern.yaml",
      `
version: v3
postern: {nodename: test, data_dir: ./data}
auth_service: {enabled: "yes", cluster_name: example, authentication: {local_auth: no}}
proxy_service: {enabled: "yes", listen_addr: "127.0.0.1:${port}", public_addr: "${proxy}"}
db_service: {enabled: "no"}
`,
    );
    const resources = file(
      "resources.yaml",
      `
kind: role
version: v7
metadata: {name: dev}
spec: {allow: {db_labels: {env: dev}, db_users: [Dev]}}
---
kind: db
version: v3
metadata: {name: orders, labels: {env: dev}}
spec: {protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}
---
kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: ${provider.issuer}
  client_id: ${CLIENT}
  client_secret: ${provider.clientSecret}
  redirect_url: https://${proxy}/web/oidc/callback
  display: Example Corp
  scope: [groups]
  claims_to_roles: [{claim: groups, value: dev, roles: [dev]}]
`,
    );
    const created = await run(["ctl", "-c", join(directory, "postern.yaml"), "create", "-f", resources]);
    assert.equal(created.code, 0, created.err);
    assert.match(created.out, /connector "corp" has been created/);
    const status = await run(["ctl", "-c", join(directory, "postern.yaml"), "status"]);
    pin = /sha256:[0-9a-f]{64}/.exec(status.out)?.[0] ?? "";
    chmodSync(
      file("browser", `#!/bin/sh\nprintf %s "$1" > ${opened()}.new && mv ${opened()}.new ${opened()}\n`),
      0o755,
    );
    service = spawn(process.execPath, [LAUNCHER, "start", "-c", join(directory, "postern.yaml")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    await new Promise<void>((resolve, reject) => {
      let text = "";
      service.once("exit", (code) => reject(new Error(`it ended with ${code}: ${text}`)));
      service.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (/proxy_service.*Listening|Listening.*proxy_service/.test(text)) resolve();
      });
    });
    browser = await startChromium([pin]);
  });
  after(async () => {
    await browser.close();
    const ended = new Promise((resolve) => service.once("exit", resolve));
    service.kill();
    await ended;
    await provider.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function file(name: string, text: string): string {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  }

  function run(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [LAUNCHER, ...words], {
        env: { ...process.env, POSTERN_HOME: join(directory, "home"), ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [out, err] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, out, err }));
    });
  }

  /** The provider's own pages: who, and yes. */
  async function agree(page: Page): Promise<void> {
    await page.fill('input[name="login"]', "alice");
    await page.fill('input[name="password"]', "x");
    await page.click('button[type="submit"]');
    await page.click('button[type="submit"]');
  }

  it("opens the browser, goes to the provider and back to the terminal, and shows what the role allows", async () => {
    const login = run(["login", `--proxy=${proxy}`, `--ca-pin=${pin}`], { BROWSER: join(directory, "browser") });
    while (!existsSync(opened())) await sleep(20);
    const url = readFileSync(opened(), "utf8");
    const page = await browser.newPage();
    const said: string[] = [];
    page.on("console", (message) => said.push(message.text()));
    await page.goto(url);
    assert.match((await page.textContent("main")) ?? "", /begun at 127\.0\.0\.1/);
    await page.click("text=Go on with Example Corp");
    await agree(page);
    await page.waitForURL(/127\.0\.0\.1:\d+\/callback/);
    assert.match((await page.textContent("body")) ?? "", /Back to the terminal/);
    // The provider's own pages want fonts from elsewhere.
    assert.deepEqual(
      said.filter((text) => text.includes("Content Security Policy")),
      [],
    );
    const { code, out, err } = await login;
    assert.equal(code, 0, err);
    assert.match(out, /Logged in as: {7}alice@example\.com[\s\S]*Roles: {14}dev\n/);
    const databases = await run(["db", "ls", "-f", "json"]);
    assert.deepEqual(
      (JSON.parse(databases.out) as { metadata: { name: string } }[]).map(({ metadata }) => metadata.name),
      ["orders"],
    );
  });

  it("is confirmed on another device, and ends with the connector", async () => {
    let err = "";
    const child = spawn(process.execPath, [LAUNCHER, "login", `--proxy=${proxy}`, "--auth=corp", "--headless"], {
      env: { ...process.env, POSTERN_HOME: join(directory, "home") },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
    while (!err.includes("or open")) await sleep(20);
    const code = /enter the code {2}(\S+)/.exec(err)?.[1] ?? "";
    const page = await browser.newPage();
    await page.goto(/open on any device\n\s+(\S+)/.exec(err)?.[1] ?? "");
    await page.fill('input[name="user_code"]', code);
    await page.click('button[type="submit"]');
    await page.click("button[autofocus]");
    await agree(page);
    assert.equal(await ended, 0, err);
    const removed = await run(["ctl", "-c", join(directory, "postern.yaml"), "rm", "oidc/corp"]);
    assert.equal(removed.code, 0, removed.err);
    const refused = await run(["db", "ls"]);
    assert.equal(refused.code, 3);
    assert.match(refused.err, /the user is locked: connector "corp", by which the user came, is gone/);
    const { out } = await run([
      "audit",
      "ls",
      "--type",
      "user.login",
      "-f",
      "json",
      "--data-dir",
      join(directory, "data"),
    ]);
    assert.match(out, /"T1001I"/);
    assert.ok(!out.includes(provider.clientSecret));
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
