/** The reference pages that are made from tables of the sources: by file name, their text. */

import { EVENTS } from "../../src/audit/events.ts";
import { AGENT_FLAGS } from "../../src/cli/configure/flags.ts";
import { OPERATIONS } from "../../src/dynamodb/catalogue.ts";
import { REASONS } from "../../src/policy/decision.ts";
import { DIAGNOSTICS } from "../../src/telemetry/diagnostics.ts";
import { METRICS } from "../../src/telemetry/metrics.ts";
import { denials } from "./denials.ts";

const MADE = (source: string): string => `\n<!-- Made from ${source} by \`npx tsx scripts/reference.ts\`. -->\n`;

/** Every page, by its name below docs/reference/. */
export function referencePages(): Readonly<Record<string, string>> {
  return {
    "metrics.md": metrics(),
    "reasons.md": reasons(),
    "operations.md": operations(),
    "configure.md": configure(),
  };
}

function metrics(): string {
  const paths = Object.entries(DIAGNOSTICS).map(([path, meaning]) => `| \`${path}\` | ${meaning} |`);
  const rows = Object.entries(METRICS).map(
    ([name, { kind, labels, help }]) => `| \`${name}\` | ${kind} | ${labels.join(", ")} | ${help} |`,
  );
  return `# Diagnostics and metrics
${MADE("src/telemetry")}
\`postern start --diag-addr 127.0.0.1:3000\`, or \`postern: {diag_addr: …}\`, serves:

| path | what it answers |
|---|---|
${paths.join("\n")}

With \`workers\` above 1 the parent answers for all of them.

| metric | kind | labels | meaning |
|---|---|---|---|
${rows.join("\n")}
`;
}

function reasons(): string {
  const rows = Object.entries(REASONS).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return `# Reasons of denials
${MADE("src/policy/decision.ts")}
A denial carries one or more reasons: \`{"code", "message", "access", "role"}\`. The codes are a closed list; programs may
rely on them, and people read the message.

| code | meaning |
|---|---|
${rows.join("\n")}

They stand in the message of the client's \`AccessDeniedException\` and in \`decision.reasons\` of the
[audit event](../audit.md) (\`${Object.keys(EVENTS).find((name) => name.endsWith("dynamodb.request")) ?? ""}\`).
`;
}

function configure(): string {
  const place = (path: readonly (string | number)[]): string =>
    path.map((step, at) => (typeof step === "number" ? "[]" : `${at === 0 ? "" : "."}${step}`)).join("");
  const rows = Object.values(AGENT_FLAGS).map(
    ({ flag, meaning, path, required }) =>
      `| \`${flag}\` | ${meaning}${required === true ? "; required" : ""} | \`${place(path)}\` |`,
  );
  return `# postern configure db
${MADE("src/cli/configure/flags.ts")}
Writes the file of a gateway: an agent of a cluster (\`--proxy\`, \`--token\`), or one beside an application (\`--user\`, \`--db-user\`).
What is written loads: it is read by the parser of \`postern start\` first. [Step by step](../how-to/install.md).

| flag | meaning | key of the file |
|---|---|---|
${rows.join("\n")}
| \`-o, --output <file>\` | where to write it: a path or \`file:///path\`; \`-\` or nothing: standard output | |
| \`--force\` | replace a file that is there | |

The file has mode 0600 where the token itself stands in it, else 0644. The keys: [configuration](configuration.md).
`;
}

function operations(): string {
  const rows = [...OPERATIONS]
    .sort((one, other) => (one.target < other.target ? -1 : 1))
    .map(({ target, level, actions, service }) => {
      const [prefix = "", name = ""] = target.split(".");
      return `| ${name} | ${prefix.startsWith("DynamoDBStreams") ? "streams" : service} | ${level} | ${actions.map((action) => `\`${action}\``).join(", ")} |`;
    });
  const reached = denials().map(({ action, forms }) => `| \`${action}\` | ${forms.join(", ")} |`);
  return `# Operations
${MADE("src/dynamodb/catalogue.ts")}
Every operation that Postern knows; any other is refused with \`UnknownOperationException\`. *Level* is AWS's access level, a word
that \`actions\` of a role may use. *Actions* are what policy sees in \`accesses[].action\`: batches, transactions and PartiQL
statements have one access for every table and kind of doing in them.

| operation | service | level | actions |
|---|---|---|---|
${rows.join("\n")}

## What a denial reaches

An allow rule allows the actions that it names and no others. A deny rule also matches what does the same another way: the
action inside a batch, a transaction or a PartiQL statement, and a write that returns what a denied read would have shown.
What else the rule says (\`tables\`, \`leading_keys\` …) must match as well. Where it names \`attributes\`, a denial of
\`dynamodb:GetItem\` also matches writes that read one of them.

| a denial of | matches |
|---|---|
${reached.join("\n")}

Words in capitals are PartiQL. What is said of \`ReturnValues\` holds for \`ReturnValuesOnConditionCheckFailure\` and \`RETURNING\`.
Kept apart, as in IAM: GetItem, Query and Scan among themselves; PutItem and UpdateItem, which makes an item that is not there.
`;
}
