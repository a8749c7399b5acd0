import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { CHAIN_FIELDS, COMMON_FIELDS, EVENTS, FIELDS, type FieldName, OUTCOMES } from "../../../src/audit/events.ts";
import { CLUSTER_EVENTS } from "../../../src/audit/cluster-events.ts";
import type { ClusterEvent } from "../../../src/audit/cluster-event.ts";
import { FINDINGS } from "../../../src/audit/verify.ts";
import { COMPLETED, linesIn, newFacts, newSession, openRecorder, temporaryDirectory } from "./support.ts";

const DOCUMENT = new URL("../../../docs/audit.md", import.meta.url);

describe("The table of events", () => {
  it("gives every code to one event", () => {
    const codes = Object.values(EVENTS).flatMap((event) => Object.keys(event.codes));
    assert.equal(new Set(codes).size, codes.length);
  });

  it("uses every field that it defines, and no other", () => {
    const used = new Set<string>([...COMMON_FIELDS, ...Object.values(EVENTS).flatMap((event) => [...event.fields])]);
    assert.deepEqual([...used].sort(), Object.keys(FIELDS).sort());
  });

  it("names exactly the fields, in their order, that the recorder writes", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    const session = newSession();
    await recorder.record({ event: "db.session.start", code: "TDB00W", session, error: "no" });
    await recorder.finish(await recorder.begin(newFacts(session)), COMPLETED);
    await recorder.record({ event: "db.session.end", code: "TDB01I", session, session_start: "a", session_stop: "b" });
    await recorder.record({ event: "postern.service.start", code: "PSV01I", service: "s", version: "1" });
    await recorder.record({
      event: "postern.resources.loaded",
      code: "PRS01I",
      revision: "r",
      source: "d",
      counts: { role: 1 },
    });
    await recorder.close();
    const lines = linesIn(directory);
    assert.equal(lines.length, 6);
    for (const line of lines) {
      const { fields } = EVENTS[line.event as keyof typeof EVENTS];
      assert.deepEqual(Object.keys(line), [...COMMON_FIELDS, ...fields, ...Object.keys(CHAIN_FIELDS)], line.event);
    }
  });

  it("names the fields of every event of a cluster, in the order in which they are written", async (t) => {
    const directory = temporaryDirectory(t);
    const recorder = await openRecorder(directory);
    for (const event of ONE_OF_EACH) await recorder.record(event);
    await recorder.close();
    const lines = linesIn(directory);
    for (const line of lines) {
      const { fields, codes } = EVENTS[line.event as keyof typeof EVENTS];
      assert.deepEqual(Object.keys(line), [...COMMON_FIELDS, ...fields, ...Object.keys(CHAIN_FIELDS)], line.event);
      assert.ok(Object.hasOwn(codes, line.code), line.code);
    }
    const seen = new Set(lines.map((line) => line.event));
    assert.deepEqual([...seen].sort(), Object.keys(CLUSTER_EVENTS).sort());
  });

  it("is what docs/audit.md says", () => {
    const text = readFileSync(DOCUMENT, "utf8");
    const [before = "", , after = ""] = text.split(/<!-- (?:begin|end) reference -->/);
    const expected = `${before}<!-- begin reference -->\n${renderReference()}<!-- end reference -->${after}`;
    // To write it anew: UPDATE_DOCS=1 npx tsx --test tests/unit/audit/events.test.ts
    if (process.env["UPDATE_DOCS"] === "1") writeFileSync(DOCUMENT, expected);
    else assert.equal(text, expected);
  });
});

const BY = { user: "root", service: "auth", "addr.remote": null, name: "alice" };
const USER = { ...BY, roles: ["dev"] };
const REFUSED = {
  user: "bob",
  service: "auth",
  "addr.remote": "192.0.2.1",
  verb: "delete",
  kind: "role",
  name: "dev",
  reason: "no",
};
const JOIN = {
  token_name: "****abcd",
  method: "token",
  role: "db",
  host_id: null,
  node_name: "gw-1",
  attributes: null,
  "addr.remote": "127.0.0.1:1",
  success: false,
  error: "no",
};
const IDENTITY = { name: "alice", roles: ["dev"], serial: "01", expires: "2027-01-01T00:00:00Z" };
const ONE_OF_EACH: readonly ClusterEvent[] = [
  {
    event: "user.login",
    code: "T1000W",
    user: "alice",
    method: "local",
    mfa_device: null,
    "addr.remote": null,
    success: false,
    error: "no",
    attributes: null,
  },
  { event: "user.create", code: "T1002I", ...USER },
  { event: "user.update", code: "T1003I", ...USER },
  { event: "user.delete", code: "T1004I", ...BY },
  { event: "user.password_change", code: "T1005I", user: "alice", "addr.remote": null },
  { event: "mfa.add", code: "T1006I", user: "alice", mfa_device: { mfa_device_type: "totp" } },
  { event: "mfa.delete", code: "T1007I", ...BY, mfa_device: { mfa_device_type: "totp" } },
  { event: "reset_password_token.create", code: "T6000I", ...BY, ttl: "1h0m0s", expires: "2027-01-01T00:00:00Z" },
  { event: "role.created", code: "T9000I", ...BY },
  { event: "role.updated", code: "T9002I", ...BY },
  { event: "role.deleted", code: "T9001I", ...BY },
  { event: "oidc.created", code: "T8100I", ...BY },
  { event: "oidc.deleted", code: "T8101I", ...BY },
  { event: "join_token.create", code: "TJT00I", ...BY, roles: ["db"], join_method: "token", expires: null },
  { event: "lock.created", code: "TLK00I", ...BY, target: { user: "bob" }, expires: null },
  { event: "lock.deleted", code: "TLK01I", ...BY },
  { event: "db.create", code: "TDB03I", ...BY },
  { event: "db.update", code: "TDB04I", ...BY },
  { event: "db.delete", code: "TDB05I", ...BY },
  { event: "bot.join", code: "TJ001E", user: "ci", ...JOIN },
  { event: "instance.join", code: "TJ002E", ...JOIN },
  { event: "cert.create", code: "TC000I", user: "alice", cert_type: "user", identity: IDENTITY },
  {
    event: "postern.cert.refused",
    code: "PCE01W",
    cert_type: "user",
    identity: IDENTITY,
    "addr.remote": null,
    reason: "it has expired",
  },
  {
    event: "postern.user.locked_out",
    code: "PUL01W",
    user: "alice",
    "addr.remote": null,
    locked_until: "2027-01-01T00:00:00Z",
  },
  { event: "postern.link.refused", code: "PLK01W", user: "alice", "addr.remote": "192.0.2.1", reason: "invite_used" },
  { event: "postern.user.unlocked", code: "PUL02I", ...BY },
  { event: "postern.join_token.deleted", code: "PJT01I", ...BY },
  { event: "postern.control.denied", code: "PCT01E", ...REFUSED },
  { event: "postern.control.refused", code: "PCT02E", ...REFUSED },
  {
    event: "postern.authority.rotated",
    code: "PCA01I",
    user: "root",
    authority: "host",
    phase: "init",
    pin: "sha256:0",
  },
  { event: "postern.sealing.rotated", code: "PSK01I", user: "root", key_id: "k2" },
  { event: "postern.store.backup", code: "PST01I", user: "root", store: "sqlite", counts: { role: 1 } },
  { event: "postern.store.restored", code: "PST02I", user: "root", store: "sqlite", counts: { role: 1 } },
  { event: "postern.store.migrated", code: "PST03I", store: "sqlite", from_version: 1, to_version: 2 },
  { event: "postern.store.tampered", code: "PST04E", store: "sqlite", resource: "role/dev" },
];

function renderReference(): string {
  const lines: string[] = [
    "",
    "### Events",
    "",
    "| event | code | meaning | fields beside the common ones |",
    "|---|---|---|---|",
  ];
  for (const [name, { meaning, codes, fields }] of Object.entries(EVENTS)) {
    const said = Object.entries(codes).map(([code, what]) => `\`${code}\` ${what}`);
    lines.push(
      `| \`${name}\` | ${said.join("<br>")} | ${meaning} | ${fields.map((field) => `\`${field}\``).join(", ")} |`,
    );
  }
  lines.push("", "### Fields", "", "| field | JSON | meaning |", "|---|---|---|");
  for (const name of Object.keys(FIELDS) as FieldName[])
    lines.push(`| \`${name}\` | ${FIELDS[name][0]} | ${FIELDS[name][1]} |`);
  for (const [name, meaning] of Object.entries(CHAIN_FIELDS)) {
    lines.push(`| \`${name}\` | ${name === "seq" ? "number" : "string"} | ${meaning} |`);
  }
  lines.push("", "### Outcomes", "", "| outcome | meaning |", "|---|---|");
  for (const [name, meaning] of Object.entries(OUTCOMES)) lines.push(`| \`${name}\` | ${meaning} |`);
  lines.push("", "### Findings of `postern audit verify`", "", "| finding | meaning |", "|---|---|");
  for (const [name, meaning] of Object.entries(FINDINGS)) lines.push(`| \`${name}\` | ${meaning} |`);
  return `${lines.join("\n")}\n\n`;
}
