import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DatabaseSpec } from "../../../src/aws/database.ts";
import { RegisteredDatabases } from "../../../src/compose/registered-databases.ts";
import type { Config } from "../../../src/config/config.ts";
import { parseConfig } from "../../../src/config/load.ts";

const aws = { region: "us-east-1", account_id: "123456789012" };
const db = (name: string, env: string, more: Partial<DatabaseSpec> = {}): DatabaseSpec => ({
  name,
  protocol: "dynamodb",
  static_labels: { env },
  aws,
  ...more,
});
const names = (specs: readonly DatabaseSpec[]): readonly string[] => specs.map(({ name }) => name);

function config(dbService: string, postern = "proxy_server: 'p:443', auth_token: x"): Config {
  return parseConfig(
    `version: v3\npostern: {${postern}}\ndb_service:\n  enabled: "yes"\n${dbService}`,
    "/etc/postern.yaml",
    { env: {} },
  );
}
function registered(dbService: string): { of: RegisteredDatabases["of"]; warned: string[] } {
  const warned: string[] = [];
  const chosen = new RegisteredDatabases(config(dbService), {
    warn(fields) {
      const { database, reason } = fields as { database: string; reason: string };
      warned.push(`${database}: ${reason}`);
    },
  });
  return { of: chosen.of.bind(chosen), warned };
}

describe("the registered databases of an agent", () => {
  it("are those whose labels fit, and without db_service.resources none", () => {
    const stored = [db("a", "dev"), db("b", "prod"), db("c", "staging")];
    const { of } = registered("  resources: [{labels: {env: [dev, staging]}}]\n");
    assert.deepEqual(names(of(stored, [])), ["a", "c"]);
    assert.deepEqual(names(registered("").of(stored, [])), []);
    assert.deepEqual(names(registered("  resources: [{labels: {'*': '*'}}]\n").of(stored, [])), ["a", "b", "c"]);
  });

  it("give way to the agent's own of the same name, said once, and the others are served", () => {
    const own =
      "  resources: [{labels: {env: dev}}]\n  databases: [{name: a, protocol: dynamodb, aws: {region: us-east-1, account_id: '123456789012'}}]\n";
    const { of, warned } = registered(own);
    const stored = [db("a", "dev"), db("b", "dev"), db("f", "dev")];
    assert.deepEqual(names(of(stored, [db("f", "x")])), ["b"]);
    of(stored, [db("f", "x")]);
    assert.deepEqual(warned, [
      "a: this service's own files define one of that name",
      "f: this service's own files define one of that name",
    ]);
  });

  it("are never at a host that only their document knows: AWS, or an emulator on this machine", () => {
    const { of, warned } = registered("  resources: [{labels: {env: dev}}]\n");
    const at = (name: string, uri: string, insecure = false): DatabaseSpec => db(name, "dev", { uri, insecure });
    const stored = [
      at("aws", "dynamodb.us-east-1.amazonaws.com:443"),
      at("vpce", "https://vpce-0a1b2c3d-abcdefgh.dynamodb.us-east-1.vpce.amazonaws.com"),
      at("local", "http://127.0.0.1:8000"),
      at("plain", "http://evil.example:80", true),
      at("foreign", "https://evil.example"),
      at("look-alike", "https://dynamodb.us-east-1.amazonaws.com.evil.example"),
      at("metadata", "http://169.254.169.254", true),
    ];
    assert.deepEqual(names(of(stored, [])), ["aws", "vpce", "local"]);
    assert.deepEqual(
      warned.map((text) => text.split(":")[0]),
      ["plain", "foreign", "look-alike", "metadata"],
    );
  });

  it("are left out one by one when they cannot be used", () => {
    const { of, warned } = registered("  resources: [{labels: {env: dev}}]\n");
    const broken = db("broken", "dev", { aws: { region: "us-east-1", account_id: "1" } });
    assert.deepEqual(names(of([broken, db("whole", "dev")], [])), ["whole"]);
    assert.match(warned.join(), /^broken: .*account/);
  });
});

describe("the registered databases of a gateway beside the store", () => {
  it("are all of them, whatever their labels", () => {
    const beside = parseConfig(
      `version: v3\nauth_service: {enabled: "yes"}\ndb_service: {enabled: "yes"}\n`,
      "/etc/postern.yaml",
      { env: {} },
    );
    const stored = [db("a", "dev"), db("b", "prod")];
    const warn = (): void => assert.fail("There was a warning");
    assert.deepEqual(new RegisteredDatabases(beside, { warn }).of(stored, []), stored);
  });
});

describe("db_service.resources", () => {
  const refused = (text: string, reason: RegExp): void => {
    assert.throws(() => config(`  resources: ${text}\n`), reason);
  };

  it("refuses what would mean something else than it says", () => {
    refused("[{labels: {}}]", /there is no label, and that means no database/);
    refused("[{labels: {'*': dev}}]", /the key "\*" cannot hold \*/);
    refused("[{labels: {'e*': dev}}]", /the key "e\*" cannot hold \*/);
    refused("[{labels: {env: '^dev$'}}]", /regular expressions such as "\^dev\$" are not read here/);
    refused("[{labels: {env: []}}]", /at least one text/);
    refused("[{}]", /labels/);
    refused("[{label: {env: dev}}]", /label/);
    refused("[{labels: {env: dev}, aws: {assume_role_arn: x}}]", /which role is assumed first is not chosen here/);
  });

  it("warns where it does nothing", () => {
    const { warnings } = config("  resources: [{labels: {env: dev}}]\n", "nodename: a");
    assert.match(warnings.map(({ message }) => message).join(), /db_service\.resources is not used: this is no agent/);
  });
});
