import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import * as OTPAuth from "otpauth";
import decodeQr from "qr/decode.js";
import { ROOT } from "../support/cluster.ts";
import { type Answered, type Call, startDoor, type TestDoor } from "../support/door.ts";

const PASSWORD = "correct horse battery";
const SCRIPT = `"><script>alert('x')</script>&`;
const user = (name: string): string =>
  `kind: user\nversion: v2\nmetadata: {name: ${JSON.stringify(name)}}\nspec: {roles: [editor], traits: {}}\n`;
const LONG = "語".repeat(85);
const PEOPLE = ["alice", "bob", SCRIPT, LONG].map(user).join("---\n");
const FORM = { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin" };
const UNKNOWN = "0".repeat(32);

function formOf(fields: Readonly<Record<string, string>>): string {
  return new URLSearchParams(fields).toString();
}

const RIGHT = formOf({ password: PASSWORD, password_again: PASSWORD });

/** As a browser sends a form of the page itself, but for what a test changes. */
function post(door: TestDoor, path: string, body: string, { headers = {}, ...more }: Call = {}): Promise<Answered> {
  return door.call(path, { method: "POST", body, headers: { ...FORM, ...headers }, ...more });
}

async function linkTo({ people }: TestDoor, name: string, kind: "invite" | "reset" = "invite"): Promise<string> {
  return `/web/${kind}/${(await people.makeLink(ROOT, name, kind)).token.reveal()}`;
}

/** The page's own words: what is between its tags. */
function wordsOf({ text }: Answered): string {
  return text
    .replace(/^[^]*<main>/, "")
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ");
}

describe("the pages of links", () => {
  let door: TestDoor;
  before(async () => {
    door = await startDoor(PEOPLE, "off");
  });
  after(() => door.close());
  // Each test is somebody else's hour.
  const later = (): void => door.advance(600_000);

  it("tell browsers to keep, frame, load and tell nothing", async () => {
    later();
    const pages = [
      await door.call(await linkTo(door, "alice")),
      await door.call(`/web/invite/${UNKNOWN}`),
      await door.call("/web/nothing"),
      await door.call("/web/invite/x/y"),
      await post(door, `/web/invite/${UNKNOWN}`, RIGHT, { headers: { "sec-fetch-site": "cross-site" } }),
      await post(door, await linkTo(door, "alice"), RIGHT),
    ];
    assert.deepEqual(
      pages.map(({ status }) => status),
      [200, 404, 404, 404, 403, 200],
    );
    for (const { headers, text } of pages) {
      const policy = String(headers["content-security-policy"]).split("; ");
      assert.deepEqual(policy, [
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
      ]);
      assert.deepEqual(
        ["content-type", "cache-control", "referrer-policy", "x-content-type-options", "x-frame-options"].map(
          (name) => headers[name],
        ),
        ["text/html; charset=utf-8", "no-store", "no-referrer", "nosniff", "DENY"],
      );
      assert.equal(headers["set-cookie"], undefined);
      assert.doesNotMatch(text, /<script|style=|\son[a-z]+=/);
    }
  });

  it("serve their files under addresses that say what is in them", async () => {
    const { text } = await door.call("/web/nothing");
    const paths = [...text.matchAll(/(?:href|src)="(\/web\/assets\/[^"]+)"/g)].map(([, path = ""]) => path);
    assert.ok(paths.length >= 2);
    for (const path of paths) {
      const file = await door.call(path);
      assert.deepEqual([file.status, file.headers["x-content-type-options"]], [200, "nosniff"]);
      assert.match(String(file.headers["cache-control"]), /immutable/);
      assert.equal((await door.call(path.replace(/assets\/./, "assets/x"))).status, 404);
      assert.equal((await door.call(path, { method: "POST" })).status, 405);
    }
  });

  it("say the same of a link that is unknown, used, over, of another kind, and no link at all", async () => {
    later();
    const used = await linkTo(door, "alice");
    assert.equal((await post(door, used, RIGHT)).status, 200);
    const over = await linkTo(door, "bob");
    door.advance(3_600_000);
    const reset = await linkTo(door, "alice", "reset");
    const paths = [
      `/web/invite/${UNKNOWN}`,
      `/web/reset/${UNKNOWN}`,
      used,
      over,
      reset.replace("reset", "invite"),
      "/web/invite/%2e%2e%2fx",
      `/web/invite/${"f".repeat(4000)}`,
    ];
    const answers: Answered[] = [];
    for (const path of paths) answers.push(await door.call(path), await post(door, path, RIGHT));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([404]));
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    assert.equal((await door.call(reset)).status, 200);
  });

  it("put refusals on record, without the link, and not without end", async () => {
    later();
    door.events.length = 0;
    const used = await linkTo(door, "bob");
    await post(door, used, RIGHT);
    door.events.length = 0;
    await post(door, used, RIGHT);
    for (let at = 0; at < 12; at++) await door.call(`/web/invite/${UNKNOWN}`);
    const events = door.events.filter(({ event }) => event === "postern.link.refused");
    assert.equal(events.length, 5);
    assert.deepEqual(
      [events[0], events[1]].map((event) => {
        const { user, code, reason, "addr.remote": from } = event as unknown as Record<string, unknown>;
        return { user, code, reason, from };
      }),
      [
        { user: "bob", code: "PLK01W", reason: "invite_used", from: "127.0.0.1" },
        { user: "", code: "PLK01W", reason: "invite_unknown", from: "127.0.0.1" },
      ],
    );
    assert.doesNotMatch(JSON.stringify(door.events) + door.log(), new RegExp(used.slice(-32)));
  });

  it("use nothing up when they are looked at, as mail scanners do", async () => {
    later();
    const path = await linkTo(door, "alice");
    for (const method of ["HEAD", "GET", "HEAD"]) assert.equal((await door.call(path, { method })).status, 200);
    const { text, headers } = await door.call(path, { method: "HEAD" });
    assert.deepEqual([text, headers["referrer-policy"]], ["", "no-referrer"]);
    assert.equal((await post(door, path, RIGHT)).status, 200);
    assert.equal((await door.logIn("alice", PASSWORD)).status, 200);
  });

  it("show a name as text, and the command so that a shell takes it as one word", async () => {
    later();
    const path = await linkTo(door, SCRIPT);
    const shown = await door.call(path);
    assert.match(shown.text, /value="&quot;&gt;&lt;script&gt;alert\(&#39;x&#39;\)&lt;\/script&gt;&amp;"/);
    assert.doesNotMatch(shown.text, /<script/);
    const done = await post(door, path, RIGHT);
    assert.doesNotMatch(done.text, /<script/);
    const word = String.raw`--user='"><script>alert('\''x'\'')</script>&'`;
    const escaped = word.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    assert.ok(done.text.includes(escaped.replaceAll('"', "&quot;").replaceAll("'", "&#39;")), done.text);
  });

  const foreign: Readonly<Record<string, { headers: Record<string, string>; body?: string; status: number }>> = {
    "another site": { headers: { "sec-fetch-site": "cross-site" }, status: 403 },
    "a neighbour of the same site": { headers: { "sec-fetch-site": "same-site" }, status: 403 },
    "a bookmark or no page": { headers: { "sec-fetch-site": "none" }, status: 403 },
    "a browser that does not say": { headers: { "sec-fetch-site": "" }, status: 403 },
    "another type": { headers: { "content-type": "text/plain" }, status: 415 },
    "a form of another kind": { headers: { "content-type": "multipart/form-data; boundary=x" }, status: 415 },
    JSON: { headers: { "content-type": "application/json" }, body: "{}", status: 415 },
    "a field that the page has not": { headers: {}, body: `${RIGHT}&admin=1`, status: 400 },
    "a field twice": { headers: {}, body: `${RIGHT}&password=${PASSWORD}`, status: 400 },
    "bytes that are no text": { headers: {}, body: "password=%FF%FE", status: 400 },
    "more than it takes": { headers: {}, body: `password=${"x".repeat(70_000)}`, status: 413 },
    "more than it takes, without saying so": {
      headers: { "transfer-encoding": "chunked" },
      body: `password=${"x".repeat(70_000)}`,
      status: 413,
    },
  };
  for (const [what, { headers, body = RIGHT, status }] of Object.entries(foreign)) {
    it(`take no form from ${what}`, async () => {
      later();
      const path = await linkTo(door, "alice");
      assert.equal((await post(door, path, body, { headers })).status, status);
      assert.equal((await post(door, path, RIGHT)).status, 200, "the link is not used up");
    });
  }

  it("take a form of an older browser only when it names the door's own origin, whatever the host", async () => {
    later();
    const path = await linkTo(door, "alice");
    const { "sec-fetch-site": _, ...type } = FORM;
    const send = (headers: Record<string, string>): Promise<Answered> =>
      door.call(path, { method: "POST", body: RIGHT, headers: { ...type, ...headers }, servername: "localhost" });
    for (const headers of [
      {},
      { origin: "null" },
      { origin: "https://evil.example", host: "evil.example" },
      { origin: `http://localhost:${door.port}` },
    ])
      assert.equal((await send(headers)).status, 403);
    assert.equal((await send({ origin: door.party.origin, host: "anything.example" })).status, 200);
  });

  it("know their methods", async () => {
    later();
    const path = await linkTo(door, "alice");
    for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const { status, headers } = await door.call(path, { method });
      assert.deepEqual([status, headers["allow"]], [405, "GET, HEAD, POST"]);
    }
    assert.equal((await door.call("/web")).status, 404);
    assert.equal((await door.call(`${path}/`)).status, 404);
  });

  it("say beside the field what is wrong, keep nothing typed, and change nothing", async () => {
    later();
    const path = await linkTo(door, "bob");
    for (const [fields, words] of [
      [{ password: PASSWORD, password_again: `${PASSWORD}!` }, /The two passwords differ/],
      [{ password: "short", password_again: "short" }, /It has fewer than 12 characters/],
      [{}, /It has fewer than 12 characters/],
    ] as const) {
      const answer = await post(door, path, formOf(fields));
      assert.equal(answer.status, 422);
      assert.match(wordsOf(answer), words);
      assert.match(answer.text, /aria-describedby="[a-z -]*-fault"\s+aria-invalid="true"/);
      assert.doesNotMatch(answer.text, /correct horse|value="short/);
    }
    assert.equal((await post(door, path, RIGHT)).status, 200);
  });

  it("are not there for who comes too often", async () => {
    later();
    const statuses: number[] = [];
    let last: Answered | undefined;
    for (let at = 0; at < 22; at++) {
      last = await door.call(`/web/invite/${UNKNOWN}`);
      statuses.push(last.status);
    }
    assert.deepEqual([statuses[0], statuses.at(-1), last?.headers["retry-after"]], [404, 429, "3"]);
    later();
    assert.equal((await door.call(`/web/invite/${UNKNOWN}`)).status, 404);
  });

  it("have no login with a passkey where the cluster asks for none", async () => {
    assert.equal((await door.call(`/web/login/${UNKNOWN}`)).status, 404);
  });
});

describe("the page of an invite where codes are asked for", () => {
  let door: TestDoor;
  before(async () => {
    door = await startDoor(PEOPLE, "otp");
  });
  after(() => door.close());

  it("shows one secret, as text and as a picture, and takes it with a code that fits", async () => {
    const path = await linkTo(door, "alice");
    const { text } = await door.call(path);
    const secret = (/class="secret">\s*<code>([A-Z2-7 ]+)</.exec(text)?.[1] ?? "").replaceAll(" ", "");
    const uri = decodeQr(pictureOf(text));
    const { issuer, label, secret: inPicture } = OTPAuth.URI.parse(uri);
    assert.deepEqual([issuer, label, inPicture.base32], ["example", "alice", secret]);
    assert.ok((await door.call(path)).text.includes(text.slice(text.indexOf("<svg"), text.indexOf("</svg>"))));
    const code = (steps: number): string =>
      new OTPAuth.TOTP({ secret: inPicture }).generate({ timestamp: door.clock.now() + steps * 30_000 });
    const send = (digits: string): Promise<Answered> => post(door, path, `${RIGHT}&${formOf({ code: digits })}`);
    for (const digits of ["", "000", code(20), "<b>"]) assert.equal((await send(digits)).status, 422, digits);
    assert.equal((await door.logIn("alice", PASSWORD, { otp: code(0) })).status, 403);
    assert.equal((await send(code(0))).status, 200);
    assert.equal((await door.logIn("alice", PASSWORD)).status, 403);
    assert.equal((await door.logIn("alice", PASSWORD, { otp: code(1) })).status, 200);
  });

  it("has the text only for a name that no picture holds", async () => {
    const { status, text } = await door.call(await linkTo(door, LONG));
    assert.equal(status, 200);
    assert.match(text, /class="secret"/);
    assert.doesNotMatch(text, /<svg/);
  });
});

describe("the page of a login that a terminal waits for", () => {
  let door: TestDoor;
  before(async () => {
    door = await startDoor(PEOPLE, "webauthn");
  });
  after(() => door.close());

  const begin = async (method: "local" | { connector: string } = "local"): Promise<string> => {
    const { id } = await door.browserLogins.begin({
      publicKey: door.keys.publicKey,
      address: "192.0.2.7",
      callback: { port: 45_454, state: "state-of-the-terminal" },
      challenge: "A".repeat(43),
      method,
    });
    return `/web/login/${id}`;
  };

  it("leads to the port of the terminal only, and shows what it is given as text", async () => {
    const path = await begin();
    const { status, headers, text } = await door.call(`${path}?user=${encodeURIComponent(SCRIPT)}`);
    assert.equal(status, 200);
    const policy = String(headers["content-security-policy"]);
    assert.match(policy, /script-src 'self'; form-action 'self' http:\/\/127\.0\.0\.1:45454; /);
    assert.doesNotMatch(text, /<script>/);
    assert.match(text, /value="&quot;&gt;&lt;script&gt;/);
    assert.match(text, /started <code>postern login<\/code> at\s+<strong>192\.0\.2\.7</);
  });

  it("says the same of a login that is unknown, over, or for an identity provider, and tries nothing for it", async () => {
    const over = await begin();
    door.advance(5 * 60_000);
    const other = await begin({ connector: "corp" });
    // As another version may have written it.
    const unreadable = "2".repeat(32);
    const expiresAt = door.clock.now() + 60_000;
    await door.cluster.store.write([{ op: "create", kind: "browser_login", name: unreadable, value: {}, expiresAt }]);
    const redeemed = await door.call("/v1/login/redeem", { method: "POST", body: { id: unreadable, verifier: "x" } });
    assert.equal((redeemed.json as { error: { code: string } }).error.code, "browser_login_unknown");
    const body = formOf({ user: "alice", password: PASSWORD, passkey: "{}" });
    door.events.length = 0;
    const answers: Answered[] = [];
    for (const path of [`/web/login/${UNKNOWN}`, "/web/login/x", `/web/login/${unreadable}`, over, other])
      answers.push(await door.call(path), await post(door, path, body));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([404]));
    assert.equal(new Set(answers.map(({ text }) => text)).size, 1);
    assert.deepEqual(door.events, []);
  });

  it("refuses in one status and the same words, on record", async () => {
    const path = await begin();
    door.events.length = 0;
    const send = (fields: Record<string, string>): Promise<Answered> => post(door, path, formOf(fields));
    const answers = [
      await send({ user: "alice", password: PASSWORD, passkey: "{}" }),
      await send({ user: "nobody", password: PASSWORD, passkey: "" }),
      await send({ user: "alice", password: "x".repeat(3000) }),
    ];
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([403]));
    assert.equal(new Set(answers.map((one) => wordsOf(one))).size, 1);
    assert.deepEqual(
      door.events.map((event) => "code" in event && event.code),
      ["T1000W", "T1000W", "T1000W"],
    );
    assert.equal((await post(door, path, "", { headers: { "sec-fetch-site": "cross-site" } })).status, 403);
    assert.doesNotMatch(door.log(), /correct horse/);
  });
});

/** The picture of a page's QR code, four dots to a square. */
function pictureOf(text: string): { readonly width: number; readonly height: number; readonly data: Uint8Array } {
  const size = Number(/<svg\s+viewBox="0 0 (\d+) /.exec(text)?.[1]);
  const width = size * 4;
  const data = new Uint8Array(width * width * 4).fill(255);
  for (const [, x, y, length] of text.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g))
    for (let row = 0; row < 4; row++)
      for (let column = 0; column < Number(length) * 4; column++) {
        const at = ((Number(y) * 4 + row) * width + Number(x) * 4 + column) * 4;
        data.fill(0, at, at + 3);
      }
  return { width, height: width, data };
}
