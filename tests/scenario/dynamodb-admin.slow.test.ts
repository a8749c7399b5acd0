/** dynamodb-admin, as people use it in a browser, through a port of `postern proxy db`. */

import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { type Browser, type Page, startChromium } from "../support/chromium.ts";
import { eventually } from "../support/eventually.ts";
import { missing, peerPaths } from "../support/peers.ts";
import { startTunnelCluster, type TunnelCluster } from "../support/tunnel-cluster.ts";

const ROLES = `kind: role
version: v7
metadata: {name: dev}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [ExampleRole]}
  deny: {db_rules: [{actions: ["dynamodb:PutItem"], tables: [orders], leading_keys: ["secret*"]}]}
`;
const skip = await missing("chromium", "dynamodbAdmin");

describe("dynamodb-admin in a browser", { skip }, () => {
  let cluster: TunnelCluster;
  let browser: Browser;
  let page: Page;
  let at: string;
  before(async () => {
    cluster = await startTunnelCluster(ROLES, ["dev"]);
    await cluster.agent(
      `  databases:\n  - {name: example-dynamodb, protocol: dynamodb, uri: "${cluster.sandbox.dynamodb.url}", aws: {region: us-east-1, account_id: "123456789012"}}\n`,
    );
    await cluster.logIn("alice");
    const tunnel = cluster.start(["proxy", "db", "--tunnel", "--db-user=ExampleRole", "example"]);
    await eventually(() => /on 127\.0\.0\.1:\d+\./.test(tunnel.out()));
    const port = /on 127\.0\.0\.1:(\d+)\./.exec(tunnel.out())?.[1];
    const own = await freePort();
    const { dynamodbAdmin } = await peerPaths();
    const admin = cluster.start([dynamodbAdmin ?? "", "--host", "127.0.0.1", "--port", String(own)], {
      program: process.execPath,
      env: {
        DYNAMO_ENDPOINT: `http://localhost:${port}`,
        AWS_REGION: "us-east-1",
        AWS_ACCESS_KEY_ID: "x",
        AWS_SECRET_ACCESS_KEY: "x",
      },
    });
    at = `http://127.0.0.1:${own}`;
    await eventually(async () => {
      assert.equal(admin.child.exitCode, null, admin.log());
      return (await fetch(at)).ok;
    });
    browser = await startChromium([]);
    page = await browser.newPage();
  });
  after(async () => {
    await browser?.close();
    await cluster?.close();
  });

  async function add(item: object): Promise<void> {
    await page.goto(`${at}/tables/orders/add-item`);
    await page.waitForFunction("typeof editor !== 'undefined'");
    await page.evaluate(`editor.setValue(${JSON.stringify(JSON.stringify(item))})`);
    await page.click("#saveButton");
  }

  it("lists the tables", async () => {
    await page.goto(at);
    assert.match(await page.innerText("body"), /\borders\b/);
  });

  it("browses the items of one", async () => {
    await page.click("a[href='/tables/orders']");
    await page.waitForSelector("text=ada#1");
  });

  it("adds one, and shows it", async () => {
    await add({ id: "zoe#1", total: 3 });
    await page.waitForURL(`${at}/tables/orders/items/**`);
    await page.waitForFunction("typeof editor !== 'undefined' && editor.getValue().includes('zoe#1')");
  });

  it("shows a denial as an error, with its reason", async () => {
    await add({ id: "secret#1", total: 3 });
    await page.waitForFunction("/leading key|denied|not authorized/i.test(document.querySelector('header').innerText)");
    assert.match(await page.innerText("header"), /alice.*dynamodb:PutItem/s);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
