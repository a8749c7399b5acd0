import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chosen, labelsOf, matching } from "../../../../src/cli/database/choose.ts";
import { CommandError } from "../../../../src/cli/command-error.ts";
import type { DatabaseDocument } from "../../../../src/cli/login/door.ts";

const db = (name: string, labels: Record<string, string>, description?: string): DatabaseDocument => ({
  kind: "db",
  metadata: { name, labels, ...(description === undefined ? {} : { description }) },
  spec: { protocol: "dynamodb", uri: "dynamodb.us-east-1.amazonaws.com", aws: { region: "us-east-1" } },
});
const ALL = [
  db("orders", { env: "dev" }, "What people buy"),
  db("orders-archive", { env: "prod" }),
  db("users", { env: "dev", team: "id" }),
];
const names = (found: readonly DatabaseDocument[]): readonly string[] => found.map(({ metadata }) => metadata.name);
const nameOf = (choice: Parameters<typeof chosen>[1]): string => chosen(ALL, choice).metadata.name;

describe("which databases are meant", () => {
  it("is said by labels, all of which must be there, and by words, wherever they stand", () => {
    assert.deepEqual(names(matching(ALL, { labels: "env=dev" })), ["orders", "users"]);
    assert.deepEqual(names(matching(ALL, { labels: "env=dev, team=*" })), ["users"]);
    assert.deepEqual(names(matching(ALL, { search: "BUY,dev" })), ["orders"]);
    assert.deepEqual(names(matching(ALL, { search: "us-east-1", labels: "env=prod" })), ["orders-archive"]);
    assert.deepEqual(names(matching(ALL, { labels: "toString=*" })), []);
  });

  it("refuses labels that are none", () => {
    assert.throws(() => labelsOf("dev"), /"dev" is not key=value/);
    assert.throws(() => labelsOf("env=dev, =x"), /" =x" is not key=value/);
    assert.throws(() => labelsOf("env=dev,env=prod"), /the key "env" is there twice/);
    assert.deepEqual(Object.keys(labelsOf("__proto__=x")), ["__proto__"]);
    assert.throws(() => labelsOf("=dev"), CommandError);
  });

  it("is one of exactly this name, even where others begin with it", () => {
    assert.equal(nameOf({ name: "orders" }), "orders");
  });

  it("is the only one that begins so, or that has the labels", () => {
    assert.equal(nameOf({ name: "orders-a" }), "orders-archive");
    assert.equal(nameOf({ name: "ord", labels: "env=prod" }), "orders-archive");
    assert.equal(nameOf({ labels: "team=id" }), "users");
  });

  it("is asked back with a table where there are several", () => {
    assert.throws(
      () => nameOf({ name: "ord" }),
      (error: CommandError) => {
        assert.equal(error.exitCode, 1);
        assert.match(
          error.message,
          /^database "ord" matches multiple databases:\nName +Description +Labels\n-+ -+ -+\norders +What people buy env=dev\norders-archive +env=prod$/,
        );
        return true;
      },
    );
    assert.throws(() => nameOf({ labels: "env=dev" }), /with labels "env=dev" matches multiple/);
  });

  it("helps where there is none", () => {
    assert.throws(
      () => nameOf({ name: "oders" }),
      (error: CommandError) => {
        assert.match(error.message, /^database "oders" not found, use 'postern db ls'/);
        return error.hint === 'did you mean "orders"?';
      },
    );
    assert.throws(() => nameOf({}), /no database is named/);
    assert.throws(() => nameOf({ name: "" }), /matches multiple/);
  });
});
