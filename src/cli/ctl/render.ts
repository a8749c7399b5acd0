/** Resources as people and programs read them: YAML, JSON and tables. */

import type { ShownResource } from "../../control/shown.ts";
import { jsonText } from "../plain-text.ts";
import { renderTable } from "../render-table.ts";
import { yamlText } from "../yaml-text.ts";

/** How resources are printed. */
export type ResourceFormat = "yaml" | "json" | "text";

/** Resources of one kind in a format. */
export function renderResources(resources: readonly ShownResource[], kind: string, format: ResourceFormat): string {
  const values = resources.map(({ value }) => value);
  if (format === "json") return jsonText(values, 4);
  if (format === "yaml") return values.map((value) => yamlText(value)).join("---\n");
  const form = TABLES[kind] ?? NAMES_ONLY;
  const isLimited = kind === "token" && values.some((value) => (value as Document).spec?.databases !== undefined);
  const { headings, row } = isLimited ? withDatabases(form) : form;
  return renderTable(
    headings,
    resources.map(({ name, value }) => row(name, value as Document)),
  );
}

/** What tables show of a document; what is stored has been read by its schema. */
interface Document {
  readonly metadata?: {
    readonly description?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly expires?: string;
  };
  readonly spec?: {
    readonly roles?: readonly string[] | null;
    readonly databases?: readonly string[];
    readonly allow?: {
      readonly db_users?: readonly string[] | null;
      readonly db_labels?: Readonly<Record<string, string | readonly string[]>> | null;
      readonly rules?: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[] | null;
    } | null;
    readonly target?: Readonly<Record<string, string>>;
    readonly message?: string;
    readonly expires?: string;
    readonly protocol?: string;
    readonly uri?: string;
    readonly aws?: { readonly region?: string; readonly account_id?: string };
  };
}

interface TableForm {
  readonly headings: readonly string[];
  readonly row: (name: string, document: Document) => readonly string[];
}

const NAMES_ONLY: TableForm = { headings: ["Name"], row: (name) => [name] };

const TABLES: Readonly<Record<string, TableForm>> = {
  role: {
    headings: ["Role", "Allowed database users", "Database Labels", "Access to resources"],
    row: (name, { spec }) => [
      name,
      (spec?.allow?.db_users ?? []).join(","),
      labelsOf(spec?.allow?.db_labels ?? {}),
      (spec?.allow?.rules ?? []).map(({ resources, verbs }) => `${resources.join(",")}:${verbs.join(",")}`).join(" "),
    ],
  },
  user: { headings: ["User", "Roles"], row: (name, { spec }) => [name, (spec?.roles ?? []).join(",")] },
  lock: {
    headings: ["Lock", "Target", "Message", "Expires"],
    row: (name, { spec }) => [
      name,
      Object.entries(spec?.target ?? {})
        .map(([kind, target]) => `${kind}:${target}`)
        .join(","),
      spec?.message ?? "",
      spec?.expires ?? "never",
    ],
  },
  token: {
    headings: ["Token", "Type", "Labels", "Expiry Time (UTC)"],
    row: (name, { metadata, spec }) => [
      name,
      (spec?.roles ?? []).join(",").toLowerCase(),
      labelsOf(metadata?.labels ?? {}),
      timeOf(metadata?.expires),
    ],
  },
  db: {
    headings: ["Name", "Protocol", "URI", "Labels"],
    row: (name, { metadata, spec }) => [
      name,
      spec?.protocol ?? "",
      spec?.uri ?? [spec?.aws?.region, spec?.aws?.account_id].filter((part) => part !== undefined).join("/"),
      labelsOf(metadata?.labels ?? {}),
    ],
  },
};

/** Behind Teleport's columns, and only where some token says it: scripts read the others by their places. */
function withDatabases({ headings, row }: TableForm): TableForm {
  const databasesOf = ({ spec }: Document): string =>
    spec?.roles?.includes("Db") === true ? (spec.databases?.join(",") ?? "any") : "";
  return {
    headings: [...headings, "Databases"],
    row: (name, document) => [...row(name, document), databasesOf(document)],
  };
}

function timeOf(text: string | undefined): string {
  if (text === undefined) return "never";
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : time.toUTCString();
}

function labelsOf(labels: Readonly<Record<string, string | readonly string[]>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${typeof value === "string" ? value : value.join("|")}`)
    .join(",");
}
