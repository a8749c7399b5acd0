import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { pinOf } from "../../src/identity/authority.ts";
import { ClusterAuthorities, HOUR, newKeyPair } from "../support/cluster-authorities.ts";
import { type CommandLine, commandLine, type Ran } from "../support/command-line.ts";
import { honest, type Play, playDoor, type PlayedDoor } from "../support/doors.ts";

const clock = { now: Date.now, monotonic: Date.now };
const PASSWORD = "hunter2-hunter2";

describe("what a client believes", () => {
  let ours: ClusterAuthorities;
  let theirs: ClusterAuthorities;
  before(async () => {
    ours = await ClusterAuthorities.make("example", clock);
    // Another cluster that says it is the same.
    theirs = await ClusterAuthorities.make("example", clock);
  });

  let user: CommandLine;
  let door: PlayedDoor | undefined;
  beforeEach(() => {
    user = commandLine();
  });
  afterEach(async () => {
    await door?.close();
    user.close();
  });

  function login(words: readonly string[] = []): Promise<Ran> {
    const { proxy = "", pin = "" } = door ?? {};
    const first = words.some((word) => word.startsWith("--ca-pin") || word === "--insecure") ? [] : [`--ca-pin=${pin}`];
    return user.run(["login", `--proxy=${proxy}`, "--user=alice", "--password-stdin", ...first, ...words], PASSWORD);
  }

  /** Refused, in these words, and nothing is there afterwards; no password was sent unless the test says so. */
  function refused(
    { code, out, err }: Ran,
    words: RegExp,
    sent: "password" | "nothing secret" = "nothing secret",
  ): void {
    assert.deepEqual([code, out], [1, ""], err);
    assert.match(err, words);
    assert.match(err, /\npostern: hint: /);
    assert.ok(!err.includes(PASSWORD) && !err.includes("PRIVATE KEY"), err);
    assert.ok(!existsSync(user.home), "something was written");
    assert.equal(
      door?.asked.some(({ body }) => body.includes(PASSWORD)) ?? false,
      sent === "password",
      "what was sent of the password",
    );
  }

  describe("on first contact", () => {
    it("is nobody with another pin", async () => {
      door = await playDoor(ours, honest(ours));
      refused(
        await login([`--ca-pin=sha256:${"0".repeat(64)}`]),
        /none of the certificates .* has the pin sha256:0{64}/,
      );
    });

    it("is nobody who shows the authority of the pin beside a certificate of his own", async () => {
      door = await playDoor(theirs, honest(theirs), { beside: ours.host.active.certificate });
      refused(await login(), /its certificate was not signed by the cluster|none of the certificates/);
    });

    it("is no unknown authority without a pin", async () => {
      door = await playDoor(ours, honest(ours));
      const words = ["login", `--proxy=${door.proxy}`, "--user=alice", "--password-stdin"];
      refused(await user.run(words, PASSWORD), /no authority that this system trusts[^]*hint: log in with --ca-pin/);
    });

    it("is no agent of the cluster that stands in the door", async () => {
      door = await playDoor(ours, honest(ours), { host: { role: "db" } });
      refused(await login(), /its certificate is that of a database agent/);
    });

    it("is no host of the cluster under another's name", async () => {
      door = await playDoor(ours, honest(ours), { host: { names: ["elsewhere.example.com"] } });
      refused(await login(), /its certificate is for other names[^]*public_addr/);
    });

    it("is nobody whose certificate has ended, or not begun, and the clock may be why", async () => {
      for (const [off, how] of [
        [-3 * HOUR, "has ended"],
        [3 * HOUR, "is not valid yet"],
      ] as const) {
        const elsewhen = { now: () => Date.now() + off, monotonic: Date.now };
        const authorities = await ClusterAuthorities.make("example", elsewhen);
        door = await playDoor(authorities, honest(authorities));
        refused(
          await login(),
          new RegExp(`its certificate ${how}, and here it is .*\npostern: hint: set this machine's clock`),
        );
        await door.close();
      }
      door = undefined;
    });

    it("is nobody who is not there, or does not speak TLS", async () => {
      door = await playDoor(ours, honest(ours));
      const { proxy, pin } = door;
      await door.close();
      door = undefined;
      const words = (at: string): string[] => [
        `login`,
        `--proxy=${at}`,
        "--user=alice",
        "--password-stdin",
        `--ca-pin=${pin}`,
      ];
      refused(await user.run(words(proxy), PASSWORD), /^postern: error: Cannot reach 127\.0\.0\.1:.*ECONNREFUSED/);
      const plain = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
      await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
      const at = `127.0.0.1:${(plain.address() as AddressInfo).port}`;
      refused(await user.run(words(at), PASSWORD), /Cannot reach .*does not speak TLS|Cannot reach .*closed/);
      plain.close();
    });
  });

  describe("of an answer", () => {
    const LIES: readonly (readonly [
      string,
      (lie: () => ClusterAuthorities) => Parameters<typeof honest>[1],
      RegExp,
    ])[] = [
      ["rubbish", () => () => "<html>", /Cannot understand the answer .* no JSON/],
      ["nothing", () => () => ({}), /Cannot understand the answer .*certificate is not as expected/],
      [
        "no certificate",
        () => (answer) => ({ ...answer, certificate: "-----BEGIN" }),
        /its certificate cannot be read/,
      ],
      [
        "a certificate for another key",
        (by) => async (answer) => ({
          ...answer,
          certificate: (await by().issueUser({ publicKey: newKeyPair().publicKey })).certificate,
        }),
        /its certificate is for another key/,
      ],
      [
        "a certificate for another user",
        (by) => async (answer, publicKey) => ({
          ...answer,
          certificate: (
            await by().issueUser({ publicKey, user: { name: "mallory", roles: [], traits: {}, mfaVerified: false } })
          ).certificate,
        }),
        /its certificate is for "mallory", and "alice" asked/,
      ],
      [
        "a host's certificate",
        (by) => async (answer, publicKey) => ({
          ...answer,
          certificate: (await by().issueHost({ publicKey })).certificate,
        }),
        /its certificate cannot be read/,
      ],
      [
        "another cluster",
        () => (answer) => ({ ...answer, cluster: "other" }),
        /it speaks of cluster "other", and is "example"/,
      ],
      ["nobody to trust", () => (answer) => ({ ...answer, trusted: [] }), /trusted is not as expected/],
      [
        "others to trust",
        () => (answer) => ({ ...answer, trusted: [theirs.host.active.certificate] }),
        /it would have others trusted/,
      ],
      [
        "itself to trust, which is no authority",
        () => (answer) => ({ ...answer, trusted: [answer["certificate"]] }),
        /whom to trust cannot be used/,
      ],
      [
        "more than there is room for",
        () => () => "x".repeat(9 * 1024 * 1024),
        /its answer has more than 8388608 bytes/,
      ],
    ];
    for (const [what, lie, words] of LIES) {
      it(`does not believe ${what}`, async () => {
        door = await playDoor(
          ours,
          honest(
            ours,
            lie(() => ours),
          ),
        );
        refused(await login(), words, "password");
      });
    }

    it("shows a refusal's words as one line that does nothing to a terminal", async () => {
      const play: Play = ({ path }) =>
        path === "/webapi/ping" ? { error: { code: "x", message: "No\u001b[2J\nway\u202e", hint: "\u0007" } } : {};
      door = await playDoor(ours, play, { status: 403 });
      const ran = await login();
      refused(ran, /^postern: error: No\?\[2J\?way\?\npostern: hint: \?\n$/);
    });

    it("shows the names of its connectors as text that does nothing to a terminal", async () => {
      const connectors = [{ name: "\u001b[2J\u202e", display: "" }];
      const auth = { local: false, connectors: [...connectors, ...connectors] };
      door = await playDoor(ours, () => ({ cluster_name: "example", proxy: { second_factor: "off" }, auth }));
      const { code, err } = await login();
      assert.equal(code, 2);
      assert.match(err, /^postern: error: [^\n]*\npostern: hint: choose one: --auth=\?\[2J\? or [^\n]*\n$/);
    });

    it("does not wait for one that breaks off", async () => {
      const { certificate } = await ours.issueHost();
      const identity = { cert: certificate + ours.host.active.certificate, key: ours.keys.privateKey };
      for (const begins of [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        "HTTP/1.1 200 OK\r\n",
        "rubbish\r\n\r\n",
      ]) {
        const server = createTlsServer(identity, (socket) => {
          socket.on("error", () => undefined);
          if (begins === "") socket.destroy();
          else socket.end(begins);
        });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        const proxy = `127.0.0.1:${(server.address() as AddressInfo).port}`;
        const pin = pinOf(ours.host.active.certificate);
        const words = ["login", `--proxy=${proxy}`, "--user=alice", "--password-stdin", `--ca-pin=${pin}`];
        const ran = await user.run(words, PASSWORD);
        refused(ran, /^postern: error: Cannot (?:get an answer of|reach) 127\.0\.0\.1:/);
        server.close();
      }
    });

    it("does not take a certificate that has not begun, or has ended, where clocks differ", async () => {
      for (const [ahead, words] of [
        [-10 * 60_000, /it begins on .*, and here it is .*; this machine's clock is \S+ behind the cluster's\n/],
        [2 * HOUR, /it ended on .*, and here it is .*; this machine's clock is \S+ ahead of the cluster's\n/],
      ] as const) {
        user.close();
        user = commandLine({ now: () => Date.now() + ahead, monotonic: Date.now });
        door = await playDoor(ours, honest(ours), { host: { lifetime: 10 * HOUR } });
        const ran = await login(["--insecure"]);
        assert.equal(ran.code, 1, ran.err);
        assert.match(ran.err, words);
        assert.match(ran.err, /hint: set the clocks/);
        // Also where it keeps nobody out yet.
        assert.match(
          ran.err,
          /warning: this machine's clock is (?:10m[01]s|9m59s|2h0m[01]s|1h59m59s) (?:behind|ahead of) the cluster's/,
        );
        assert.ok(!existsSync(user.home));
        await door.close();
      }
      door = undefined;
    });
  });

  describe("after a login", () => {
    let port: number;
    beforeEach(async () => {
      door = await playDoor(ours, honest(ours));
      port = Number(door.proxy.split(":")[1]);
      const { code, err } = await login();
      assert.equal(code, 0, err);
    });

    it("is not another cluster of the same name at the same address", async () => {
      await door?.close();
      door = await playDoor(theirs, honest(theirs), { port });
      for (const words of [
        ["db", "ls"],
        ["login", "--password-stdin"],
      ]) {
        const kept = readFileSync(join(user.home, profileName()), "utf8");
        const { code, out, err } = await user.run(words, PASSWORD);
        assert.deepEqual([code, out], [1, ""]);
        assert.match(
          err,
          /was not signed by the cluster that is known under this address\npostern: hint: somebody may/,
        );
        assert.deepEqual(door.asked, []);
        assert.equal(readFileSync(join(user.home, profileName()), "utf8"), kept);
      }
    });

    it("is not an agent of the same cluster at the same address", async () => {
      await door?.close();
      door = await playDoor(ours, honest(ours), { port, host: { role: "db" } });
      assert.match((await user.run(["db", "ls"])).err, /its certificate is that of a database agent/);
      assert.deepEqual(door.asked, []);
    });

    it("is no file that others could read or have made", async () => {
      const path = (): string => join(user.home, profileName());
      const spoilings: readonly (readonly [RegExp, () => void, () => void])[] = [
        [/its mode is 0644, and 0600 is the widest/, () => chmodSync(path(), 0o644), () => chmodSync(path(), 0o600)],
        [/its mode is 0620/, () => chmodSync(path(), 0o620), () => chmodSync(path(), 0o600)],
        [
          /its mode is 0755, and 0700 is the widest/,
          () => chmodSync(user.home, 0o755),
          () => chmodSync(user.home, 0o700),
        ],
        [
          /current": its mode is 0666/,
          () => chmodSync(join(user.home, "current"), 0o666),
          () => chmodSync(join(user.home, "current"), 0o600),
        ],
        [
          /\.json": it is a link/,
          () => {
            renameSync(path(), `${user.home}-away`);
            symlinkSync(`${user.home}-away`, path());
          },
          () => {
            rmSync(path());
            renameSync(`${user.home}-away`, path());
          },
        ],
        [
          /home": it is a link/,
          () => {
            renameSync(user.home, `${user.home}-away`);
            symlinkSync(`${user.home}-away`, user.home);
          },
          () => {
            rmSync(user.home);
            renameSync(`${user.home}-away`, user.home);
          },
        ],
      ];
      const asked = door?.asked.length;
      for (const [words, spoil, mend] of spoilings) {
        spoil();
        const named = ["login", `--proxy=${door?.proxy ?? ""}`, "--password-stdin"];
        for (const command of [["status"], ["db", "ls"], ["login", "--password-stdin"], named]) {
          const { code, out, err } = await user.run(command, PASSWORD);
          assert.deepEqual([code, out], [1, ""], `${command.join(" ")} ${String(words)}`);
          assert.match(err, words);
          assert.match(err, /\npostern: hint: /);
        }
        mend();
      }
      assert.equal(door?.asked.length, asked);
      assert.equal((await user.run(["status"])).code, 0);
    });

    it("is no profile that was altered, and nothing of it is shown", async () => {
      const path = join(user.home, profileName());
      const content = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
      const alterations: readonly (string | object)[] = [
        "{",
        "",
        { ...content, private_key: newKeyPair().privateKey },
        { ...content, private_key: "-----BEGIN PRIVATE KEY-----\nseventeen\n-----END PRIVATE KEY-----" },
        { ...content, certificate: "x" },
        { ...content, proxy: "127.0.0.1:1" },
        { ...content, trusted: [] },
        { ...content, version: 2 },
        { ...content, more: 1 },
      ];
      for (const altered of alterations) {
        writeFileSync(path, typeof altered === "string" ? altered : JSON.stringify(altered));
        const { code, out, err } = await user.run(["status"]);
        assert.deepEqual([code, out], [1, ""]);
        assert.match(err, /it is not a profile as postern login writes it\npostern: hint: postern logout removes it/);
        assert.ok(!err.includes("BEGIN") && !err.includes("seventeen"));
      }
      assert.equal((await user.run(["logout", `--proxy=${door?.proxy ?? ""}`])).code, 0);
      assert.deepEqual(readdirSync(user.home), []);
    });

    it("does not follow a link when it logs out, and leaves other files alone", async () => {
      const outside = `${user.home}-outside`;
      writeFileSync(outside, "precious");
      rmSync(join(user.home, profileName()));
      symlinkSync(outside, join(user.home, profileName()));
      writeFileSync(join(user.home, "notes.txt"), "mine");
      assert.equal((await user.run(["logout"])).code, 0);
      assert.deepEqual(readdirSync(user.home), ["notes.txt"]);
      assert.equal(readFileSync(outside, "utf8"), "precious");
    });

    function profileName(): string {
      return `127.0.0.1_${port}.json`;
    }
  });

  it("writes nothing where somebody else could have laid a trap", async () => {
    mkdirSync(user.home, { mode: 0o777 });
    chmodSync(user.home, 0o777);
    door = await playDoor(ours, honest(ours));
    const { code, err } = await login();
    assert.equal(code, 1);
    assert.match(err, /its mode is 0777, and 0700 is the widest allowed\npostern: hint: chmod 700 /);
    assert.deepEqual([readdirSync(user.home), door.asked], [[], []]);
  });

  after(() => door?.close());
});
