import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { CHAIN_FIELDS, COMMON_FIELDS, EVENTS, FIELDS, type FieldName, OUTCOMES } from "../../../src/audit/events.ts";
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

  it("is what docs/audit.md says", () => {
    const text = readFileSync(DOCUMENT, "utf8");
    const [before = "", , after = ""] = text.split(/<!-- (?:begin|end) reference -->/);
    const expected = `${before}<!-- begin reference -->\n${renderReference()}<!-- end reference -->${after}`;
    // To write it anew: UPDATE_DOCS=1 npx tsx --test tests/unit/audit/events.test.ts
    if (process.env["UPDATE_DOCS"] === "1") writeFileSync(DOCUMENT, expected);
    else assert.equal(text, expected);
  });
});

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
