import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import * as OTPAuth from "otpauth";
import { Secret } from "../../src/base/secret.ts";
import type { SecondFactor } from "../../src/identity/second-factor.ts";
import { addAuthenticator, type Browser, type BrowserContext, type Page, startChromium } from "../support/chromium.ts";
import { ROOT } from "../support/cluster.ts";
import { commandLine } from "../support/command-line.ts";
import { startDoor, type TestDoor } from "../support/door.ts";
import { missing } from "../support/peers.ts";

const skip = await missing("chromium");
const PASSWORD = "correct horse battery";
const user = (name: string): string =>
  `kind: user\nversion: v2\nmetadata: {name: ${JSON.stringify(name)}}\nspec: {roles: [editor], traits: {}}\n`;
const SCRIPT = `<img src=x onerror="document.title='owned'">'"&`;
const PEOPLE = ["alice", "bob", SCRIPT].map(user).join("---\n");

interface Pages {
  readonly door: TestDoor;
  readonly browser: Browser;
  readonly at: (path: string) => string;
  link(user: string, kind?: "invite" | "reset"): Promise<string>;
  /** A new page, and what its browser complained of. */
  open(
    options?: Parameters<Browser["newContext"]>[0],
  ): Promise<{ page: Page; context: BrowserContext; said: string[] }>;
  close(): Promise<void>;
}

async function startPages(secondFactor: SecondFactor): Promise<Pages> {
  const door = await startDoor(PEOPLE, secondFactor);
  const browser = await startChromium(await door.cluster.pins());
  const at = (path: string): string => `https://localhost:${door.port}${path}`;
  return {
    door,
    browser,
    at,
    async link(user, kind = "invite") {
      return at(`/web/${kind}/${(await door.people.makeLink(ROOT, user, kind)).token.reveal()}`);
    },
    async open(options) {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      const said: string[] = [];
      page.on("console", (message) => said.push(message.text()));
      page.on("pageerror", (error) => said.push(error.message));
      return { page, context, said };
    },
    async close() {
      await browser.close();
      await door.close();
    },
  };
}

function eventsOf({ door }: Pages): unknown[] {
  return door.events.map((event) => [event.event, "code" in event && event.code]);
}

/** What a browser complains of that is none of the page's: that a form was answered with an error. */
function complaints(said: readonly string[]): string[] {
  return said.filter((text) => !/status of (?:4\d\d)/.test(text));
}

async function isWide(page: Page): Promise<boolean> {
  return await page.evaluate("document.documentElement.scrollWidth > window.innerWidth");
}

describe("an invite where codes are asked for, in a browser without scripts", { skip }, () => {
  let pages: Pages;
  before(async () => {
    pages = await startPages("otp");
  });
  after(() => pages.close());

  it("sets password and app; a wrong code is said beside its field", async () => {
    const { door } = pages;
    const { page, said } = await pages.open({ javaScriptEnabled: false, viewport: { width: 320, height: 640 } });
    await page.goto(await pages.link("alice"));
    const secret = ((await page.textContent(".secret")) ?? "").replaceAll(" ", "");
    const code = (steps: number): string =>
      new OTPAuth.TOTP({ secret: OTPAuth.Secret.fromBase32(secret) }).generate({
        timestamp: door.clock.now() + steps * 30_000,
      });
    const fill = async (again: string, digits: string): Promise<void> => {
      await page.getByLabel("New password").fill(PASSWORD);
      await page.getByLabel("The same again").fill(again);
      await page.getByLabel("Code that the app shows").fill(digits);
      await page.getByRole("button").click();
    };
    await fill(`${PASSWORD}!`, code(0));
    const again = page.getByLabel("The same again");
    assert.equal(await again.getAttribute("aria-invalid"), "true");
    assert.equal(
      await page.locator(`#${await again.getAttribute("aria-describedby")}`).textContent(),
      "The two passwords differ.",
    );
    await fill(PASSWORD, code(9));
    assert.match(await page.title(), /^Error: Set up your account/);
    assert.match((await page.textContent("#code-fault")) ?? "", /not right/);
    door.events.length = 0;
    await fill(PASSWORD, code(0));
    // As it is copied: words with one space between them, in one line.
    assert.match(
      await page.locator("pre").innerText(),
      /^postern login --proxy=localhost:\d+ --user=alice --ca-pin=sha256:[0-9a-f]{64}\s*$/,
    );
    assert.equal(await isWide(page), false);
    assert.deepEqual(eventsOf(pages), [
      ["user.password_change", "T1005I"],
      ["mfa.add", "T1006I"],
    ]);
    assert.deepEqual(complaints(said), []);
    assert.equal((await door.logIn("alice", PASSWORD, { otp: code(0) })).status, 403);
    assert.equal((await door.logIn("alice", PASSWORD, { otp: code(1) })).status, 200);
    await page.reload();
    assert.match((await page.textContent("h1")) ?? "", /This link does not work/);
  });

  it("shows a name for what it is, and fits 320 pixels", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, said, context } = await pages.open({ colorScheme, viewport: { width: 320, height: 640 } });
      await page.goto(await pages.link(SCRIPT));
      assert.equal(await page.getByLabel("User name").inputValue(), SCRIPT);
      assert.match(await page.title(), /^Set up your account/);
      assert.equal(await isWide(page), false);
      assert.deepEqual(complaints(said), []);
      await context.close();
    }
  });
});

describe("passkeys, with a browser's authenticator", { skip }, () => {
  let pages: Pages;
  let waiting: Server;
  let called: URL | undefined;
  before(async () => {
    pages = await startPages("webauthn");
    waiting = createServer((request, response) => {
      const url = new URL(request.url ?? "", "http://127.0.0.1");
      if (url.pathname === "/callback") called = url;
      response.end("done");
    });
    await new Promise<void>((resolve) => waiting.listen(0, "127.0.0.1", resolve));
  });
  after(async () => {
    waiting.close();
    await pages.close();
  });

  it("need scripts, and say so; what the browser could not do is said beside the button, and can be tried again", async () => {
    const link = await pages.link("bob");
    const plain = await pages.open({ javaScriptEnabled: false });
    await plain.page.goto(link);
    assert.match(await plain.page.locator("noscript").innerText(), /Passkeys need JavaScript/);
    const { page, context, said } = await pages.open({ viewport: { width: 320, height: 640 } });
    await context.addInitScript(
      'navigator.credentials.create = () => Promise.reject(new DOMException("no", "NotAllowedError"))',
    );
    await page.goto(link);
    assert.equal(await isWide(page), false);
    await page.getByLabel("New password").fill(PASSWORD);
    await page.getByLabel("The same again").fill(`${PASSWORD}!`);
    const button = page.getByRole("button");
    await button.click();
    assert.equal(await page.evaluate('document.getElementById("password-again").validity.customError'), true);
    await page.getByLabel("The same again").fill(PASSWORD);
    await button.click();
    await page.getByText("Nothing was confirmed, or it took too long. Try again.").waitFor();
    assert.equal(await button.isEnabled(), true);
    assert.equal(await page.getByText("Follow what your browser").isVisible(), false);
    assert.deepEqual(complaints(said), []);
  });

  it("are made by a link and used for a login that a terminal waits for", async () => {
    const { door } = pages;
    const { page, context, said } = await pages.open();
    const { session, id: authenticatorId } = await addAuthenticator(context, page);
    await page.goto(await pages.link("alice"));
    await page.getByLabel("New password").fill(PASSWORD);
    await page.getByLabel("The same again").fill(PASSWORD);
    door.events.length = 0;
    await page.getByRole("button").click();
    await page.getByRole("heading", { name: "You are set up" }).waitFor();
    assert.deepEqual(eventsOf(pages), [
      ["user.password_change", "T1005I"],
      ["mfa.add", "T1006I"],
    ]);
    assert.deepEqual((door.events[1] as { mfa_device?: unknown }).mfa_device, { mfa_device_type: "webauthn" });
    // A password alone lets nobody in, nor does the page with the wrong one, in the same words as for a stranger.
    assert.equal((await door.logIn("alice", PASSWORD)).status, 403);
    const verifier = randomBytes(32).toString("base64url");
    const begin = (): Promise<{ id: string; url: string }> =>
      door.browserLogins.begin({
        publicKey: door.keys.publicKey,
        address: "127.0.0.1",
        callback: { port: (waiting.address() as AddressInfo).port, state: "state-of-the-terminal" },
        challenge: createHash("sha256").update(verifier).digest("base64url"),
        method: "local",
      });
    const begun = await begin();
    const logIn = async (name: string, password: string): Promise<void> => {
      await page.getByLabel("User name").fill(name);
      await page.getByLabel("Password").fill(password);
      await page.getByRole("button").click();
    };
    await page.setViewportSize({ width: 320, height: 640 });
    await page.goto(`${begun.url}?user=alice`);
    assert.equal(await isWide(page), false);
    assert.equal(await page.getByLabel("User name").inputValue(), "alice");
    const words = new Set<string>();
    for (const [name, password] of [
      ["alice", "wrong horse battery"],
      ["bob", PASSWORD],
      ["nobody", PASSWORD],
    ] as const) {
      await logIn(name, password);
      await page.getByRole("alert").filter({ hasText: "not right" }).waitFor();
      words.add((await page.textContent(".alert")) ?? "");
      await page.goto(begun.url);
    }
    assert.equal(words.size, 1);
    door.events.length = 0;
    await logIn("alice", PASSWORD);
    await page.waitForURL(/^http:\/\/127\.0\.0\.1:\d+\/callback/);
    assert.equal(called?.searchParams.get("state"), "state-of-the-terminal");
    const login = await door.browserLogins.redeem({
      id: begun.id,
      code: new Secret(called?.searchParams.get("code") ?? ""),
      verifier: new Secret(verifier),
      address: "127.0.0.1",
    });
    assert.deepEqual([login.principal.name, login.principal.mfaVerified], ["alice", true]);
    assert.deepEqual(eventsOf(pages), [
      ["cert.create", "TC000I"],
      ["user.login", "T1000I"],
    ]);
    assert.deepEqual((door.events[1] as { mfa_device?: unknown }).mfa_device, { mfa_device_type: "webauthn" });
    assert.deepEqual(complaints(said), []);
    await page.goto(begun.url);
    assert.match((await page.textContent("h1")) ?? "", /This login is over/);

    // A copy of the passkey that was made when it was new: its counter is behind.
    const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId });
    const [credential] = credentials;
    assert.ok(credential !== undefined && credential.signCount > 1);
    const { credentialId } = credential;
    await session.send("WebAuthn.removeCredential", { authenticatorId, credentialId });
    await session.send("WebAuthn.addCredential", { authenticatorId, credential: { ...credential, signCount: 0 } });
    await page.goto((await begin()).url);
    await logIn("alice", PASSWORD);
    await page.getByRole("alert").filter({ hasText: "not right" }).waitFor();
    const { error } = door.events.at(-1) as { readonly error?: string };
    assert.match(error ?? "", /^passkey: Response counter value 1 was lower than expected/);
  });

  it("let postern login in, which opens the page and waits", async () => {
    const { door } = pages;
    const { page, context } = await pages.open();
    await addAuthenticator(context, page);
    await page.goto(await pages.link("bob"));
    await page.getByLabel("New password").fill(PASSWORD);
    await page.getByLabel("The same again").fill(PASSWORD);
    await page.getByRole("button").click();
    await page.getByRole("heading", { name: "You are set up" }).waitFor();
    const command = (await page.locator("pre").innerText()).trim().split(" ").slice(1);
    const terminal = commandLine(door.clock);
    let browsed: Promise<void> | undefined;
    terminal.browse = (url) => {
      browsed = (async () => {
        await page.goto(url);
        assert.equal(await page.getByLabel("User name").inputValue(), "bob");
        await page.getByLabel("Password").fill(PASSWORD);
        await page.getByRole("button").click();
        await page.getByText("Back to the terminal").waitFor();
      })();
    };
    const { code, err } = await terminal.run(command);
    assert.equal(code, 0, err);
    await browsed;
    const status = await terminal.run(["status", "-f", "json"]);
    const { active } = JSON.parse(status.out) as { readonly active: { readonly username: string } };
    assert.equal(active.username, "bob");
    const alone = await terminal.run([...command, "--password-stdin"]);
    assert.deepEqual([alone.code, /asks for a passkey, in a browser/.test(alone.err)], [2, true]);
    terminal.close();
  });
});
