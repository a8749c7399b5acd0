import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { resolveDatabase } from "../../../src/aws/database.ts";
import { PosternError } from "../../../src/base/errors.ts";
import { loadConfig, parseConfig, type LoadOptions } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { configJsonSchema, configurationReference } from "../../../src/config/reference.ts";

const GUIDE = `version: v3
teleport:
  nodename: CHANGEME
  data_dir: /var/lib/teleport
  proxy_server: teleport.example.com:443
  auth_token: /tmp/token
db_service:
  enabled: "yes"
  # Lists statically registered databases proxied by this agent.
  databases:
    - name: "example-dynamodb"
      protocol: "dynamodb"
      # uri: "dynamodb.us-east-1.amazonaws.com:443"
      static_labels:
        env: "dev"
      aws:
        region: "us-east-1"
        account_id: "abcd1234-this-is-an-example"
`;
const FILLED = GUIDE.replace("CHANGEME", "gw-1").replace("abcd1234-this-is-an-example", "123456789012");

describe("parseConfig()", () => {
  it("reads the guide's agent file once its placeholders are filled", () => {
    const config = parse(FILLED);
    assert.equal(config.postern.nodename, "gw-1");
    assert.deepEqual(config.postern.auth_token, { kind: "file", path: "/tmp/token" });
    assert.deepEqual(config.db_service, {
      enabled: true,
      listeners: [],
      databases: [
        {
          name: "example-dynamodb",
          protocol: "dynamodb",
          static_labels: { env: "dev" },
          aws: { region: "us-east-1", account_id: "123456789012" },
        },
      ],
      resources: [],
    });
    assert.deepEqual(
      config.warnings.map(({ line, message }) => [line, message.split(" ")[0]]),
      [[5, "teleport.proxy_server:"]],
    );
  });

  it("reads how an agent joins, and refuses what says it twice or nowhere to dial", () => {
    const agent = (words: string): string => `version: v3\npostern: {${words}}\ndb_service: {enabled: "yes"}\n`;
    const { postern } = parse(agent("proxy_server: 'p:443', join_params: {method: iam, token_name: agents}"));
    assert.deepEqual(
      [postern.join_method, postern.auth_token?.kind === "token" && postern.auth_token.token.reveal()],
      ["iam", "agents"],
    );
    const file = parse(agent("proxy_server: 'p:443', join_params: {method: token, token_name: /tmp/t}")).postern;
    assert.deepEqual([file.join_method, file.auth_token], ["token", { kind: "file", path: "/tmp/t" }]);
    assert.match(
      problemsIn(agent("auth_token: /tmp/t, join_params: {method: iam, token_name: a}")).join(),
      /postern\.join_params: there is auth_token as well/,
    );
    assert.match(
      problemsIn(agent("join_params: {method: iam}")).join(),
      /postern\.join_params\.token_name: is missing/,
    );
    for (const proxy of ["p", "unix:/run/p", "p:0", "https://p:443"])
      assert.match(problemsIn(agent(`proxy_server: '${proxy}'`)).join(), /postern\.proxy_server: cannot dial/);
    const { warnings } = parse(`${agent("proxy_server: 'p:443'")}auth_service: {enabled: "yes"}\n`);
    assert.match(
      warnings[0]?.message ?? "",
      /proxy_server is not used: the cluster's own auth_service is in this process/,
    );
  });

  it("names the placeholders that were left in the guide's file, and nothing else", () => {
    assert.deepEqual(problemsIn(GUIDE), [
      '3:13 teleport.nodename: "CHANGEME" is still a placeholder',
      '18:21 db_service.databases[0].aws.account_id: "abcd1234-this-is-an-example" is still a placeholder',
    ]);
  });

  for (const value of [
    "changeme",
    "<ACCOUNT_ID>",
    "${ACCOUNT_ID}",
    "arn:aws:iam::abcd1234-this-is-an-example:role/X",
    "sha256:…",
    "abcd123-insecure-do-not-use-this",
  ]) {
    it(`knows ${value} for a placeholder`, () => {
      assert.match(
        problemsIn(`version: v3\npostern:\n  nodename: ${JSON.stringify(value)}\n`).join(),
        /still a placeholder/,
      );
    });
  }

  it("fills in defaults and makes paths absolute", () => {
    const config = parse(
      "version: v3\npostern: {resources: ./r, data_dir: d}\npolicy: {bundle: p}\n",
      "/etc/postern/postern.yaml",
    );
    assert.equal(config.postern.resources, "/etc/postern/r");
    assert.equal(config.postern.data_dir, "/etc/postern/d");
    assert.equal(config.policy.bundle, "/etc/postern/p");
    assert.equal(config.postern.workers, 1);
    assert.deepEqual(config.postern.audit, { mode: "strict", fsync: "batch", redact: "hash" });
    assert.deepEqual(config.postern.log, { severity: "info", format: "text" });
    assert.equal(config.db_service.enabled, false);
    assert.equal(parse("version: v3\n").postern.data_dir, "/var/lib/postern");
    assert.equal(parse("version: v3\n", "/x/y.yaml", { env: { POSTERN_DATA_DIR: "/data" } }).postern.data_dir, "/data");
  });

  for (const [word, expected] of Object.entries({
    yes: true,
    '"yes"': true,
    true: true,
    on: true,
    no: false,
    '"no"': false,
    false: false,
    off: false,
  })) {
    it(`takes enabled: ${word} for ${expected}`, () =>
      assert.equal(parse(`version: v3\ndb_service: {enabled: ${word}}\n`).db_service.enabled, expected));
  }

  it("collects every fault, each at its place and with its remedy", () => {
    const text = `version: v3
postern:
  data_dirr: x
  workers: 0
  audit: {mode: stict}
db_service:
  enabled: maybe
  databases:
    - name: a
      protocol: mysql
      static_lables: {env: dev}
      aws: {account_id: 012345678901}
auth_service: {enabled: yes, cluster_nam: x, storage: {type: sqlight}, listen_addr: "/x"}
app_service: {enabled: yes}
policy: {opa_config: x}
`;
    assert.deepEqual(problemsIn(text), [
      '3:3 postern: unknown key "data_dirr" (did you mean "data_dir"?)',
      "4:12 postern.workers: expected at least 1, not 0",
      '5:17 postern.audit.mode: expected strict or best_effort, not "stict" (did you mean strict?)',
      '7:12 db_service.enabled: expected yes or no, not "maybe"',
      '10:17 db_service.databases[0].protocol: expected dynamodb, not "mysql"',
      '11:7 db_service.databases[0]: unknown key "static_lables" (did you mean "static_labels"?)',
      "12:25 db_service.databases[0].aws.account_id: expected a string, not 12345678901 (put the value in quotes, exactly as you mean it)",
      '13:30 auth_service: unknown key "cluster_nam" (did you mean "cluster_name"?)',
      '13:62 auth_service.storage.type: expected sqlite or dynamodb, not "sqlight"',
      '13:85 auth_service.listen_addr: cannot listen on "/x": others could not reach it (write host:port)',
      '14:24 app_service.enabled: app_service is not available in this version (write enabled: "no", or remove the section)',
      "15:22 policy.opa_config: OPA's own configuration is not available in this version (write policy.bundle)",
    ]);
  });

  it("accepts services that are off, whatever else their sections say", () => {
    parse(
      'version: v3\nauth_service: {enabled: "no"}\nproxy_service: {enabled: no}\nssh_service: {enabled: false, x: 1}\n',
    );
  });

  it("reads the sections of a cluster, with what they leave out", () => {
    const { auth_service, proxy_service } = parse(
      "version: v3\npostern: {nodename: n, data_dir: d}\nauth_service: {enabled: yes}\nproxy_service: {enabled: no}\n",
      "/x/y.yaml",
    );
    assert.deepEqual(auth_service, {
      enabled: true,
      cluster_name: "n",
      listen_addr: { kind: "tcp", host: "127.0.0.1", port: 3025 },
      storage: { type: "sqlite", path: "/x/d/store.sqlite" },
      sealing: { type: "file", path: "/x/d/sealing.key" },
      authentication: { second_factor: "otp", local_auth: true },
    });
    assert.deepEqual(proxy_service, {
      enabled: false,
      listen_addr: { kind: "tcp", host: "127.0.0.1", port: 3080 },
      max_connections: 10_000,
      max_connections_per_address: 100,
    });
    // Beside another service it has a port only where one is written.
    const beside = parse("version: v3\nauth_service: {enabled: yes}\nproxy_service: {enabled: yes}\n");
    assert.equal(beside.auth_service?.listen_addr, undefined);
    const { auth_service: shared } = parse(`version: v3
auth_service:
  enabled: yes
  cluster_name: c
  storage: {type: dynamodb, table: t, region: us-east-1}
  authentication: {type: local, second_factor: off}
`);
    assert.deepEqual(shared?.storage, { type: "dynamodb", table: "t", region: "us-east-1" });
    assert.equal(shared?.authentication.second_factor, "off");
    const sealing = (text: string): string => `version: v3\nauth_service: {enabled: yes, sealing: ${text}}\n`;
    const kms = { type: "kms", key_id: "arn:aws:kms:us-east-1:123456789012:key/1", region: "us-east-1" };
    assert.deepEqual(parse(sealing(JSON.stringify(kms))).auth_service?.sealing, kms);
    assert.deepEqual(parse(sealing("{type: file, path: k}"), "/x/y.yaml").auth_service?.sealing, {
      type: "file",
      path: "/x/k",
    });
    assert.match(problemsIn(sealing("{type: vault}")).join(), /sealing.type: .*expected file or kms/);
    assert.match(problemsIn(sealing("{type: kms, region: us-east-1}")).join(), /sealing.key_id/);
    assert.equal("auth_service" in parse("version: v3\n"), false);
  });

  it("refuses a postern and a teleport section together", () => {
    assert.match(problemsIn("version: v3\npostern: {}\nteleport: {}\n").join(), /^3:1 There are both/);
  });

  it("refuses a file that is empty, not a mapping, or more than one document", () => {
    assert.match(problemsIn("# nothing\n").join(), /The file is empty/);
    assert.match(problemsIn("- a\n").join(), /Expected a mapping/);
    assert.match(problemsIn("version: v3\n---\nkind: role\n").join(), /^3:1 A second document/);
  });

  it("refuses a fixed user on an address that others can reach", () => {
    for (const address of [
      "0.0.0.0:8000",
      "[::]:8000",
      "10.0.0.1:8000",
      "gateway.internal:8000",
      "[::ffff:10.0.0.1]:8000",
    ]) {
      assert.match(problemsIn(listening(address)).join(), /whoever reaches the address would be that user/, address);
    }
  });

  for (const [address, expected] of [
    ["127.0.0.1:0", { kind: "tcp", host: "127.0.0.1", port: 0 }],
    ["localhost:8000", { kind: "tcp", host: "localhost", port: 8000 }],
    ["[::1]:8000", { kind: "tcp", host: "::1", port: 8000 }],
    ["unix:/run/p.sock", { kind: "unix", path: "/run/p.sock" }],
    ["unix:p.sock", { kind: "unix", path: "/etc/p.sock" }],
    ["/run/p.sock", { kind: "unix", path: "/run/p.sock" }],
  ] as const) {
    it(`listens on ${address}`, () =>
      assert.deepEqual(parse(listening(address), "/etc/c.yaml").db_service.listeners[0]?.address, expected));
  }

  for (const [address, remedy] of [
    ["8000", "127.0.0.1:8000"],
    [":8000", "127.0.0.1:8000"],
    ["::1", "[::1]:8000"],
    ["127.0.0.1", "127.0.0.1:8000"],
    ["127.1:80", ""],
    ["127.0.0.1:65536", ""],
    ["http://localhost:1", ""],
    ["unix:", ""],
    [`/${"x".repeat(120)}`, ""],
  ] as const) {
    it(`refuses to listen on ${address.slice(0, 20)}`, () => {
      const problems = problemsIn(listening(address)).join();
      assert.match(problems, /cannot listen on/);
      assert.ok(problems.includes(remedy), problems);
    });
  }

  it("takes further host names of a listener in lower case, and none that leaves a choice", () => {
    const named = (names: string, address = "127.0.0.1:0"): string =>
      listening(address).replace("db_user: R", `db_user: R, host_names: ${names}`);
    assert.deepEqual(parse(listening("127.0.0.1:0")).db_service.listeners[0]?.host_names, []);
    assert.deepEqual(parse(named("[Gateway.Internal, host_1, 10.0.0.7]")).db_service.listeners[0]?.host_names, [
      "gateway.internal",
      "host_1",
      "10.0.0.7",
    ]);
    for (const name of ["*", "*.internal", "a b", "http://a", "a/", ".a", "a.", "-a", "", "x".repeat(254), "[::1]"]) {
      assert.match(problemsIn(named(`["${name}"]`)).join(), /host_names\[0\]: expected a host name, not/, name);
    }
    assert.match(problemsIn(named('["a.internal:8000"]')).join(), /leave the port out/);
    assert.match(problemsIn(named("[a]", "unix:/run/p.sock")).join(), /a Unix socket has no host name/);
  });

  it("refuses a path that begins with ~, which would become a directory of that name", () => {
    for (const section of ["postern: {data_dir: ~/data}", "postern: {resources: ~/r}", "policy: {bundle: ~/p}"]) {
      assert.match(problemsIn(`version: v3\n${section}\n`).join(), /begins with ~.*write the whole path/);
    }
    assert.equal(parse("version: v3\npostern: {data_dir: ./~/data}\n", "/etc/c.yaml").postern.data_dir, "/etc/~/data");
  });

  it("refuses databases and addresses that are taken, and a listener without its database", () => {
    const database = (name: string): string =>
      `{name: ${name}, protocol: dynamodb, aws: {region: us-east-1, account_id: "123456789012"}}`;
    const listener = (address: string, name: string): string =>
      `{address: "${address}", user: u, database: ${name}, db_user: R}`;
    const text = `version: v3
db_service:
  enabled: yes
  databases: [${database("a")}, ${database("a")}]
  listeners:
    - ${listener("127.0.0.1:80", "a")}
    - ${listener("127.0.0.1:80", "a")}
    - ${listener("127.0.0.1:0", "a")}
    - ${listener("127.0.0.1:0", "b")}
`;
    assert.deepEqual(
      problemsIn(text).map((line) => line.replace(/^\S+ /, "")),
      [
        'db_service.databases[1].name: database "a" is already taken by db_service.databases[0]',
        'db_service.listeners[1].address: address "127.0.0.1:80" is already taken by db_service.listeners[0]',
        'db_service.listeners[3].database: there is no database "b" (name one of db_service.databases)',
      ],
    );
  });

  it("places what the AWS room says of a database", () => {
    const text = FILLED.replace('# uri: "dynamodb.us-east-1', 'uri: "dynamodb.eu-west-1');
    assert.match(
      problemsIn(text, { env: {}, validateDatabase: resolveDatabase }).join(),
      /^11:13 Cannot load database "example-dynamodb": .*region/,
    );
    const validateDatabase = (): never => {
      throw Object.assign(new PosternError("x", "no such region"), { path: ["aws", "region"] });
    };
    assert.deepEqual(problemsIn(FILLED, { env: {}, validateDatabase }), ["17:17 no such region"]);
  });

  it("keeps the join token out of errors and printouts", () => {
    assert.doesNotMatch(problemsIn("version: v3\npostern: {auth_token: 8675309}\n").join(), /8675309/);
    const config = parse("version: v3\npostern: {auth_token: hunter2}\n");
    assert.doesNotMatch(`${inspect(config, { depth: 9 })}${JSON.stringify(config)}`, /hunter2/);
  });

  it("shows at most fifty problems and counts the rest", () => {
    const text = `version: v3\npostern:\n${Array.from({ length: 60 }, (_, at) => `  unknown_key_${at}: 1`).join("\n")}\n`;
    assert.throws(
      () => parse(text),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.problems.length, 50);
        assert.match(error.message, /: 60 problems\n/);
        assert.match(error.message, /\nand 10 more$/);
        return true;
      },
    );
  });

  it("knows later where a path stands", () => {
    const { line, column } = parse(FILLED).positionOf(["postern", "nodename"]);
    assert.deepEqual([line, column], [3, 13]);
  });
});

describe("loadConfig()", () => {
  it("loads the standalone example without a warning", () => {
    const config = loadConfig(new URL("../../../examples/standalone/postern.yaml", import.meta.url).pathname, {
      env: {},
      validateDatabase: resolveDatabase,
    });
    assert.deepEqual(config.warnings, []);
    assert.equal(config.db_service.listeners.length, 2);
  });

  it("says which file cannot be read, is too large, or is no text", () => {
    const folder = mkdtempSync(join(tmpdir(), "postern-config-"));
    try {
      const file = join(folder, "c.yaml");
      assert.throws(() => loadConfig(file, { env: {} }), { code: "config_unreadable" });
      writeFileSync(file, Buffer.from([0x61, 0x3a, 0xff]));
      assert.throws(() => loadConfig(file, { env: {} }), /not UTF-8/);
      writeFileSync(file, "#".repeat(1024 * 1024 + 1));
      assert.throws(() => loadConfig(file, { env: {} }), /1048577 bytes, 1048576 allowed/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("docs/reference", () => {
  // Compared without white space, for the formatter has its own opinion on it.
  const squeeze = (text: string): string => text.replace(/[\s-]+/g, "");

  it("configuration.md is what the schema says (npx tsx scripts/reference.ts)", () => {
    const file = readFileSync(new URL("../../../docs/reference/configuration.md", import.meta.url), "utf8");
    assert.equal(squeeze(file), squeeze(configurationReference()));
  });

  it("config.schema.json is what the schema says (npx tsx scripts/reference.ts)", () => {
    const file = readFileSync(new URL("../../../docs/reference/config.schema.json", import.meta.url), "utf8");
    assert.deepEqual(JSON.parse(file), JSON.parse(configJsonSchema()));
  });
});

function parse(
  text: string,
  file = "/etc/postern.yaml",
  options: LoadOptions = { env: {} },
): ReturnType<typeof parseConfig> {
  return parseConfig(text, file, options);
}

/** Problems as `line:column message (hint)`; hints of placeholders left out. */
function problemsIn(text: string, options: LoadOptions = { env: {} }): string[] {
  try {
    parse(text, "/etc/postern.yaml", options);
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return thrown.problems.map(
      ({ line, column, message, hint }) =>
        `${line}:${column} ${message}${hint === undefined || message.endsWith("placeholder") ? "" : ` (${hint})`}`,
    );
  }
  return [];
}

function listening(address: string): string {
  const listener = `{address: ${JSON.stringify(address)}, user: alice, database: d, db_user: R}`;
  return `version: v3\npostern: {resources: r}\ndb_service:\n  enabled: yes\n  listeners: [${listener}]\n`;
}
