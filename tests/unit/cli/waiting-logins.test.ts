import assert from "node:assert/strict";
import { request } from "node:http";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { browserCommand } from "../../../src/cli/login/browser.ts";
import { openLoopback } from "../../../src/cli/login/loopback.ts";
import { type CommandLine, commandLine } from "../../support/command-line.ts";
import { agreeAs, CLIENT, startProvider, type TestProvider } from "../../support/identity-provider.ts";
import { LIAR_SECRET, type LyingProvider, startLyingProvider } from "../../support/lying-provider.ts";
import { type OidcDoor, openOidcDoor } from "../../support/oidc-door.ts";
import { documents, ROOT } from "../../support/cluster.ts";

const ROLE = `
kind: role
version: v7
metadata: {name: dev}
spec: {allow: {db_labels: {env: dev}, db_users: [Dev]}}
`;
const NOBODY_ELSE = (): boolean => false;

describe("postern login by a connector", () => {
  let door: OidcDoor;
  let provider: TestProvider;
  let liar: LyingProvider;
  let pin = "";
  before(async () => {
    door = await openOidcDoor(ROLE);
    provider = await startProvider(door.redirectUrl);
    liar = await startLyingProvider(() => Date.now());
    provider.people.set("alice", { email: "alice@example.com", email_verified: true, groups: ["dev"] });
    provider.people.set("idle", { email: "dave@example.com", email_verified: true, groups: [] });
    await door.connect(connector("corp", provider.issuer, provider.clientSecret));
    [pin = ""] = await door.cluster.pins();
  });
  after(async () => {
    await provider.close();
    await liar.close();
    await door.close();
  });

  const connector = (name: string, issuer: string, secret: string): string => `
kind: oidc
version: v3
metadata: {name: ${name}}
spec:
  issuer_url: ${issuer}
  client_id: ${CLIENT}
  client_secret: ${secret}
  redirect_url: ${door.redirectUrl}
  scope: [groups]
  claims_to_roles: [{claim: groups, value: dev, roles: [dev]}]
`;

  let user: CommandLine;
  beforeEach(() => {
    user = commandLine(door.clock);
    door.advance(60_000);
  });
  afterEach(() => user.close());

  /** A person who says who they are wherever they are sent. */
  function browseAs(account: string): Promise<string> {
    return new Promise((resolve, reject) => {
      user.browse = (url) => {
        const browser = door.browser();
        const all = async (): Promise<string> => {
          const page = await browser.submit(await browser.open(url, NOBODY_ELSE), {}, NOBODY_ELSE);
          return (await agreeAs(browser, page, account, NOBODY_ELSE)).text;
        };
        all().then(resolve, reject);
      };
    });
  }

  const login = (...more: readonly string[]): ReturnType<CommandLine["run"]> =>
    user.run(["login", `--proxy=127.0.0.1:${door.port}`, `--ca-pin=${pin}`, ...more]);

  it("opens a browser, waits for it and is logged in", async () => {
    const browsed = browseAs("alice");
    const { code, out, err } = await login("--auth=corp");
    assert.equal(code, 0, err);
    assert.match(out, /Logged in as: {7}alice@example\.com\n {2}Cluster: {12}example\n {2}Roles: {14}dev\n/);
    assert.match(
      err,
      /^postern: log in in the browser; if none opens, go to\n {2}https:\/\/localhost:\d+\/web\/oidc\/[0-9a-f]{32}\n/m,
    );
    assert.match(await browsed, /Back to the terminal/);
    assert.deepEqual(await user.run(["status"]), { code: 0, out, err: "" });
    assert.equal((await user.run(["db", "ls"])).code, 0);
    for (const word of ["code=", "verifier"]) assert.ok(!err.includes(word));
  });

  it("says in the terminal why somebody is not let in, and keeps nothing", async () => {
    const browsed = browseAs("idle");
    const { code, err } = await login("--auth=corp");
    assert.equal(code, 1);
    assert.match(err, /error: Cannot log in: none of the claims gives a role\n/);
    assert.match(await browsed, /You are not logged in/);
    assert.equal((await user.run(["status"])).code, 1);
  });

  it("is not somebody else than who was asked for", async () => {
    void browseAs("alice");
    const { code, err } = await login("--auth=corp", "--user=bob");
    assert.equal(code, 1);
    assert.match(err, /its certificate is for "alice@example\.com", and "bob" asked for one/);
  });

  it("tells the address where no browser is, or none is to be opened", async () => {
    const browsed = browseAs("alice");
    const { browse } = user;
    user.browse = undefined;
    let said = "";
    const running = login("--auth=corp", "--browser=none");
    // What is said while it waits is known only when it ends: the store knows it as well.
    for (; said === "";) {
      const [open] = await door.cluster.store.list("browser_login");
      if (open === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
      else said = open.name;
    }
    browse?.(`https://localhost:${door.port}/web/oidc/${said}`);
    const { code, err } = await running;
    assert.equal(code, 0, err);
    assert.match(err, /^postern: to log in, open on this machine\n {2}https:/m);
    assert.match(await browsed, /Back to the terminal/);
  });

  it("shows a code for another device, and waits until it was entered there", async () => {
    await door.connect(connector("liar", liar.issuer, LIAR_SECRET));
    liar.lies = {
      device: (answer) => ({ ...answer, interval: 1, verification_uri_complete: `${liar.issuer}/activate?code=1` }),
      claims: (claims) => ({ ...claims, email: "frank@example.com" }),
    };
    const { code, out, err } = await login("--auth=liar", "--headless");
    assert.equal(code, 0, err);
    assert.match(out, /Logged in as: {7}frank@example\.com\n/);
    assert.match(
      err,
      /open on any device\n {2}http:\/\/127\.0\.0\.1:\d+\/activate\npostern: and enter the code {2}WDJB-MJHT\n/,
    );
    assert.ok(!err.includes("a-device-code-that-stays-here"));
    await door.administration.remove(ROOT, "oidc", "liar");
  });

  for (const [what, words, message] of [
    ["a connector that is not there", ["--auth=other"], /no such connector\n.*--auth=corp/],
    ["a password for a connector", ["--auth=corp", "--password-stdin"], /its provider asks for it/],
    ["a code for a connector", ["--auth=corp", "--otp=123456"], /its provider asks for it/],
    ["another device without a connector", ["--headless"], /that is for connectors\n.*--auth=corp/],
    ["another browser than none", ["--auth=corp", "--browser=lynx"], /none/],
  ] as const)
    it(`refuses ${what}`, async () => {
      const { code, err } = await login(...words);
      assert.equal(code, 2, err);
      assert.match(err, message);
    });
});

describe("the port on which a browser brings the answer", () => {
  const state = "s".repeat(43);

  function ask(port: number, path: string, { method = "GET", host = `127.0.0.1:${port}` } = {}): Promise<number> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { host: "127.0.0.1", port, path, method, headers: { host }, agent: false },
        (response) => {
          response.resume().on("end", () => resolve(response.statusCode ?? 0));
        },
      );
      outgoing.on("error", reject).end();
    });
  }

  it("answers one address, with the right word, and nothing else", async () => {
    const loopback = await openLoopback(state);
    try {
      const { port } = loopback;
      const right = `/callback?code=abc&state=${state}`;
      for (const [path, options] of [
        ["/", {}],
        ["/callback", {}],
        [`/callback?code=abc`, {}],
        [`/callback?code=abc&state=${"t".repeat(43)}`, {}],
        [`/callback?code=abc&state=${state}&state=${state}`, {}],
        [`/callback?code=abc&code=def&state=${state}`, {}],
        [`/callback?code=abc&error=x&state=${state}`, {}],
        [`/callback?state=${state}`, {}],
        [`/callback/?code=abc&state=${state}`, {}],
        [right, { method: "POST" }],
        [right, { host: "evil.example" }],
        [right, { host: `localhost:${port}` }],
      ] as const)
        assert.equal(await ask(port, path, options), 404, path);
      assert.equal(await loopback.waitFor(0), undefined);
      assert.equal(await ask(port, right), 200);
      const brought = await loopback.waitFor(60_000);
      assert.equal(brought !== undefined && brought !== "refused" && brought.code.reveal(), "abc");
    } finally {
      await loopback.close();
    }
  });

  it("is closed when the login is over", async () => {
    const loopback = await openLoopback(state);
    await loopback.close();
    await assert.rejects(ask(loopback.port, "/"), { code: "ECONNREFUSED" });
  });
});

describe("the browser that is opened", () => {
  it("is the one that the environment names, the desktop's, or none", () => {
    assert.deepEqual(browserCommand("linux", { DISPLAY: ":0" }), ["xdg-open"]);
    assert.deepEqual(browserCommand("linux", { WAYLAND_DISPLAY: "wayland-0", BROWSER: "firefox" }), ["firefox"]);
    assert.deepEqual(browserCommand("darwin", {}), ["open"]);
    for (const env of [{}, { DISPLAY: "" }, { DISPLAY: ":0", BROWSER: "none" }])
      assert.equal(browserCommand("linux", env), undefined);
  });
});

describe("postern login where nobody logs in by a password", () => {
  it("goes by the only connector, and asks which where there are several", async () => {
    const door = await openOidcDoor(ROLE, { localAuth: false });
    const provider = await startProvider(door.redirectUrl);
    const user = commandLine();
    try {
      const [pin = ""] = await door.cluster.pins();
      const run = (...more: string[]): ReturnType<CommandLine["run"]> =>
        user.run(["login", `--proxy=127.0.0.1:${door.port}`, `--ca-pin=${pin}`, ...more], "correct horse battery");
      const none = await run();
      assert.deepEqual([none.code, /nobody in by a password/.test(none.err)], [2, true]);
      const connector = (name: string): string => `
kind: oidc
version: v3
metadata: {name: ${name}}
spec:
  issuer_url: http://127.0.0.1:9
  client_id: ${CLIENT}
  redirect_url: ${door.redirectUrl}
  claims_to_roles: [{claim: groups, value: dev, roles: [dev]}]
`;
      await door.administration.create(ROOT, documents(connector("one")), { force: false });
      user.browse = (url) =>
        void door
          .browser()
          .open(url)
          .then((page) => door.browser().submit(page, {}, NOBODY_ELSE));
      const only = await run();
      assert.match(only.err, /\/web\/oidc\/[\s\S]*connector "one" cannot be asked/);
      await door.administration.create(ROOT, documents(connector("two")), { force: false });
      assert.match((await run()).err, /hint: choose one: --auth=one or --auth=two/);
      assert.match((await run("--auth=local", "--password-stdin", "--user=alice")).err, /lets nobody in by a password/);
      // Whoever asks in another way than this command line.
      const answered = await door.logIn("alice", "correct horse battery");
      assert.match(answered.text, /local_auth_off/);
    } finally {
      user.close();
      await provider.close();
      await door.close();
    }
  });
});
