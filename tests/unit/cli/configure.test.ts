import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { resolveDatabase } from "../../../src/aws/database.ts";
import { REGIONS } from "../../../src/aws/regions.ts";
import { Secret } from "../../../src/base/secret.ts";
import { bashCompletion } from "../../../src/cli/completion/bash.ts";
import { agentFile } from "../../../src/cli/configure/agent-file.ts";
import { AGENT_FLAGS, type AgentOptions } from "../../../src/cli/configure/flags.ts";
import { configureCommand } from "../../../src/cli/configure/index.ts";
import { CommandError } from "../../../src/cli/command-error.ts";
import { outputOf, writeWhole } from "../../../src/cli/write-file.ts";
import type { Config } from "../../../src/config/config.ts";
import { parseConfig } from "../../../src/config/load.ts";

const PLAIN: AgentOptions = {
  name: "orders",
  accountId: "123456789012",
  region: "us-east-1",
  protocol: "dynamodb",
};
const PIN = `sha256:${"0a".repeat(32)}`;

/** What `start` would make of the file. */
function loaded(options: AgentOptions): Config {
  const { text } = agentFile(options, "/etc/postern.yaml");
  return parseConfig(text, "/etc/postern.yaml", { env: {}, validateDatabase: resolveDatabase });
}

describe("postern configure db", () => {
  it("writes every flag where start reads it", () => {
    const options: Required<AgentOptions> = {
      ...PLAIN,
      name: "orders",
      region: "cn-north-1",
      uri: "dynamodb.cn-north-1.amazonaws.com.cn:443",
      labels: "env=dev, team=payments",
      assumeRoleArn: "arn:aws-cn:iam::210987654321:role/Hop",
      externalId: "tenant:7",
      proxy: "postern.acme.io:443",
      token: "/tmp/token",
      caPin: [PIN, PIN.replace("0a", "ff")],
      user: "alice",
      dbUser: "Reader",
      listen: "127.0.0.1:8001",
      resources: "./people",
      nodename: "gw-1",
      dataDir: "/srv/postern",
    };
    assert.deepEqual(Object.keys(options).sort(), Object.keys(AGENT_FLAGS).sort());
    const { postern, db_service } = loaded(options);
    assert.deepEqual(
      [postern.proxy_server, postern.auth_token, postern.ca_pin, postern.nodename, postern.data_dir, postern.resources],
      [options.proxy, { kind: "file", path: "/tmp/token" }, options.caPin, "gw-1", "/srv/postern", "/etc/people"],
    );
    assert.deepEqual(db_service, {
      enabled: true,
      listeners: [
        {
          address: { kind: "tcp", host: "127.0.0.1", port: 8001 },
          user: "alice",
          database: "orders",
          db_user: "Reader",
          host_names: [],
        },
      ],
      databases: [
        {
          name: "orders",
          protocol: "dynamodb",
          uri: options.uri,
          static_labels: { env: "dev", team: "payments" },
          aws: {
            region: "cn-north-1",
            account_id: "123456789012",
            assume_role_arn: options.assumeRoleArn,
            external_id: "tenant:7",
          },
        },
      ],
      resources: [],
    });
  });

  it("writes a file that says what was given, or none, whatever is given", () => {
    const random = generator(7);
    const pick = <T>(from: readonly T[]): T => from[random() % from.length] as T;
    const perhaps = (from: readonly string[]): string | undefined => (random() % 4 > 0 ? undefined : pick(from));
    let written = 0;
    for (let round = 0; round < 500; round += 1) {
      const [key, value] = [pick(WORDS.filter((word) => !word.includes("="))), pick(WORDS)];
      const options = Object.fromEntries(
        Object.entries({
          ...PLAIN,
          name: random() % 4 === 0 ? pick(WORDS) : "orders-eu",
          region: random() % 4 === 0 ? pick(WORDS) : pick(REGIONS),
          labels: random() % 4 === 0 ? undefined : `${key}=${value}`,
          externalId: perhaps(WORDS),
          nodename: perhaps(WORDS),
          dataDir: perhaps(WORDS),
          ...(random() % 2 === 0 ? {} : { proxy: "p.acme.io:443", token: perhaps(WORDS) }),
        }).filter(([, given]) => given !== undefined),
      ) as unknown as AgentOptions;
      let config: Config;
      try {
        config = loaded(options);
      } catch (error) {
        assert.ok(
          error instanceof CommandError && error.exitCode === 2,
          `${JSON.stringify(options)}: ${String(error)}`,
        );
        continue;
      }
      written += 1;
      const [database] = config.db_service.databases;
      const { auth_token: token } = config.postern;
      assert.deepEqual(
        {
          name: database?.name,
          region: database?.aws?.region,
          labels: database?.static_labels,
          externalId: database?.aws?.external_id,
          token: token?.kind === "file" ? token.path : token?.token.reveal(),
        },
        {
          name: options.name,
          region: options.region,
          labels: options.labels === undefined ? undefined : { [key.trim()]: value.trim() },
          externalId: options.externalId,
          token: options.token,
        },
      );
      if (options.nodename !== undefined) assert.equal(config.postern.nodename, options.nodename);
    }
    assert.ok(written > 100, `${written} files were written`);
  });

  const refused: Readonly<
    Record<string, { given: { [K in keyof AgentOptions]?: AgentOptions[K] | undefined }; says: RegExp; hint?: RegExp }>
  > = {
    "a region with a slip": { given: { region: "us-est-1" }, says: /--region: .*"us-est-1"/, hint: /us-east-1\?/ },
    "a region of GovCloud with a slip": {
      given: { region: "us-gv-west-1" },
      says: /--region/,
      hint: /us-gov-west-1\?/,
    },
    "a region of China with a slip": { given: { region: "cn-norht-1" }, says: /--region/, hint: /cn-north-1\?/ },
    "an availability zone": { given: { region: "us-east-1a" }, says: /--region/, hint: /us-east-1\?/ },
    "no region at all": { given: { region: undefined }, says: /there is no --region/ },
    "the guide's account": {
      given: { accountId: "abcd1234-this-is-an-example" },
      says: /--account-id: .*is still a placeholder/,
      hint: /get-caller-identity/,
    },
    "the guide's token": {
      given: { proxy: "p.acme.io:443", token: "abcd123-insecure-do-not-use-this" },
      says: /--token: .*is still a placeholder/,
    },
    "the guide's node name": { given: { nodename: "CHANGEME" }, says: /--nodename: .*is still a placeholder/ },
    "a pin that is none": { given: { proxy: "p:1", caPin: ["abc"] }, says: /--ca-pin: expected sha256:/ },
    "a token at a relative path": { given: { proxy: "p:1", token: "./token" }, says: /--token looks like a relative/ },
    "standard input for a token": { given: { proxy: "p:1", token: "-" }, says: /--token looks like a relative/ },
    "a token for no cluster": { given: { token: "/tmp/token" }, says: /--token and --ca-pin say how to join/ },
    "a proxy that is an address of the web": { given: { proxy: "https://p.acme.io" }, says: /is not host:port/ },
    "a role of another partition": {
      given: { region: "us-gov-west-1", assumeRoleArn: "arn:aws:iam::123456789012:role/Hop" },
      says: /it is in partition "aws", the database in "aws-us-gov"/,
    },
    "a user's role of another account": {
      given: { user: "alice", dbUser: "arn:aws:iam::999999999999:role/R" },
      says: /it is in account "999999999999"/,
    },
    "a uri of another region": {
      given: { region: "cn-north-1", uri: "dynamodb.us-east-1.amazonaws.com" },
      says: /its region "cn-north-1" is not the one of its uri/,
    },
    "a listener for everybody": {
      given: { user: "alice", dbUser: "R", listen: "0.0.0.0:8000" },
      says: /--listen: cannot listen on/,
    },
    "a role without a user": { given: { dbUser: "R" }, says: /--user and --db-user go together/ },
    "labels without values": { given: { labels: "env" }, says: /in --labels "env", "env" is not key=value/ },
    "a label twice": { given: { labels: "env=dev,env=prod" }, says: /the key "env" is there twice/ },
  };
  for (const [what, { given, says, hint = /(?:)/ }] of Object.entries(refused)) {
    it(`writes no file with ${what}, and says which flag to mend`, () => {
      const options = Object.fromEntries(
        Object.entries({ ...PLAIN, ...given }).filter(([, value]) => value !== undefined),
      );
      assert.throws(
        () => agentFile(options as unknown as AgentOptions, "/etc/postern.yaml"),
        (error) => {
          assert.ok(error instanceof CommandError);
          assert.equal(error.exitCode, 2);
          assert.match(error.message, says);
          assert.match(error.hint ?? "", hint);
          return true;
        },
      );
    });
  }

  it("takes a region that is newer than this version, and says so; names STS's region outside of the common partition", () => {
    const notes = (region: string): string => agentFile({ ...PLAIN, region }, "x").notes.join("\n");
    assert.match(notes("us-east-9"), /"us-east-9" is not a region that this version knows/);
    assert.match(notes("us-gov-west-1"), /start it with AWS_REGION=us-gov-west-1/);
    assert.match(notes("cn-north-1"), /partition aws-cn/);
    assert.doesNotMatch(notes("us-east-1"), /region/);
  });

  it("never says a token", () => {
    const token = "5f2e9f0c0ffee0c0ffee";
    const { notes, holdsToken } = agentFile({ ...PLAIN, proxy: "p.acme.io:1", token }, "x");
    assert.ok(holdsToken && notes.some((note) => note.includes("stands in the file")));
    assert.ok(!notes.join().includes(new Secret(token).reveal()));
  });

  it("is completed by shells", () => {
    const script = bashCompletion(configureCommand());
    for (const { flag } of Object.values(AGENT_FLAGS)) assert.ok(script.includes(flag.split(" ")[0] ?? ""), flag);
  });
});

describe("the regions that are known by name", () => {
  it("are those that the AWS SDK knows", () => {
    const path = "node_modules/@aws-sdk/core/dist-es/submodules/client/util-endpoints/lib/aws/partitions.js";
    const text = readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
    const theirs = [...text.matchAll(/"([a-z]{2,4}(?:-[a-z]+)+-\d+)"/g)].map(([, region]) => region);
    assert.ok(theirs.length > 30);
    assert.deepEqual(
      [...new Set(theirs)].filter((region) => !REGIONS.includes(region ?? "")),
      [],
    );
  });
});

describe("a file that a command writes", () => {
  let directory: string;
  before(() => void (directory = mkdtempSync(join(tmpdir(), "postern-write-"))));
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("is where a path, file:///path or - says", () => {
    const path = join(directory, "a b.yaml");
    assert.equal(outputOf(pathToFileURL(path).href), path);
    assert.equal(outputOf(path), path);
    for (const out of [undefined, "-", "stdout"]) assert.equal(outputOf(out), undefined);
    assert.throws(() => outputOf("file://elsewhere/etc/postern.yaml"), /Cannot write to/);
    assert.equal(fileURLToPath("file:///etc/postern.yaml"), outputOf("file:///etc/postern.yaml"));
  });

  it("has the mode that it must have, and takes no place that is taken, by a link neither", () => {
    const path = join(directory, "agent.yaml");
    writeWhole(path, "one", { mode: 0o600, force: false });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.throws(() => writeWhole(path, "two", { mode: 0o644, force: false }), /it is there already/);
    assert.equal(readFileSync(path, "utf8"), "one");
    writeWhole(path, "two", { mode: 0o644, force: true });
    assert.deepEqual([readFileSync(path, "utf8"), statSync(path).mode & 0o777], ["two", 0o644]);

    const target = join(directory, "target");
    writeFileSync(target, "untouched");
    symlinkSync(target, join(directory, "link"));
    assert.throws(() => writeWhole(join(directory, "link"), "x", { mode: 0o600, force: false }), /there already/);
    writeWhole(join(directory, "link"), "x", { mode: 0o600, force: true });
    assert.equal(readFileSync(target, "utf8"), "untouched");
  });
});

/** What files, shells and YAML stumble over. */
const WORDS = [
  ...["yes", "no", "null", "~", "0x1f", "1e3", "0123", "2026-11-27", ".inf", "true", "a: b", "a #b", "#b", "- a", "-"],
  ...["&a", "*a", "!!str a", "{a}", "[a]", "'", '"', "\\", "a\nb", "a\tb", " a", "a ", "%", "@a", "`a`", "|", ">", "é"],
  ...[
    "$(id)",
    "${HOME}",
    "<name>",
    "CHANGEME",
    "env",
    "orders",
    "ünïcode",
    "a\u0000b",
    "\u202ea",
    "",
    "a=b",
    "a/b",
    "/a",
  ],
];

/** Numbers that are the same in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}
