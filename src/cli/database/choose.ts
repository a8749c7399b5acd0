/** Which databases somebody means, by name, label or word. */

import { quoted } from "../../identity/names.ts";
import { nearMiss } from "../../identity/near-miss.ts";
import { CommandError } from "../command-error.ts";
import { renderTable } from "../render-table.ts";
import { parseLabels } from "../labels.ts";
import type { DatabaseDocument } from "../login/door.ts";

/** Labels as on a command line: `env=dev,team=payments`. @throws CommandError */
export function labelsOf(text: string): Readonly<Record<string, string>> {
  const read = parseLabels(text);
  if ("labels" in read) return read.labels;
  throw new CommandError(2, `Cannot read the labels ${quoted(text)}: ${read.fault}`, {
    hint: "write them as env=dev,team=payments",
  });
}

/** Those that have all of the labels, and all of the words somewhere in what they say of themselves. */
export function matching(
  databases: readonly DatabaseDocument[],
  { labels, search }: { readonly labels?: string | undefined; readonly search?: string | undefined },
): readonly DatabaseDocument[] {
  const wanted = Object.entries(labels === undefined ? {} : labelsOf(labels));
  const words = (search ?? "").toLowerCase().split(",").filter(Boolean);
  return databases.filter((database) => {
    const own = database.metadata.labels ?? {};
    if (!wanted.every(([key, value]) => Object.hasOwn(own, key) && (value === "*" || own[key] === value))) return false;
    const text = textsOf(database).join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/**
 * The one that is meant: by its name, by the beginning of its name where there is one of it, by its labels, or by both.
 *
 * @throws CommandError when there is none, or with a table of them when there are several
 */
export function chosen(
  databases: readonly DatabaseDocument[],
  { name, labels }: { readonly name?: string | undefined; readonly labels?: string | undefined },
): DatabaseDocument {
  if (name === undefined && labels === undefined)
    throw new CommandError(2, "Cannot connect: no database is named", {
      hint: "name one that postern db ls shows, or choose it by --labels key=value",
    });
  const found = matching(databases, { labels });
  const named = name === undefined ? found : found.filter(({ metadata }) => metadata.name.startsWith(name));
  const exact = named.find(({ metadata }) => metadata.name === name);
  const [only, ...others] = exact === undefined ? named : [exact];
  const what = [name === undefined ? [] : quoted(name), labels === undefined ? [] : `with labels ${quoted(labels)}`]
    .flat()
    .join(" ");
  if (only === undefined) {
    const names = found.map(({ metadata }) => metadata.name);
    const meant = name === undefined ? undefined : nearMiss(name, names);
    throw new CommandError(
      1,
      `database ${what} not found, use 'postern db ls' to see the databases that you may use`,
      meant === undefined ? {} : { hint: `did you mean ${quoted(meant)}?` },
    );
  }
  if (others.length === 0) return only;
  const table = renderTable(["Name", "Description", "Labels"], named.slice(0, MAX_SHOWN).map(rowOf)).trimEnd();
  const more = named.length > MAX_SHOWN ? `\n… and ${named.length - MAX_SHOWN} more` : "";
  throw new CommandError(1, `database ${what} matches multiple databases:\n${table}${more}`, {
    hint: "write the whole name, or narrow it by --labels key=value",
  });
}

const MAX_SHOWN = 20;

/** `env=dev,team=payments` */
export function labelText({ metadata }: DatabaseDocument): string {
  return Object.entries(metadata.labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

function rowOf(database: DatabaseDocument): readonly string[] {
  const { name, description = "" } = database.metadata;
  return [name, description, labelText(database)];
}

function textsOf(database: DatabaseDocument): readonly string[] {
  const { protocol, uri, aws } = database.spec ?? {};
  return [...rowOf(database), protocol, uri, aws?.region, aws?.account_id].filter((text) => text !== undefined);
}
