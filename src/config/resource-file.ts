/** One file of a resources directory: its documents, each read by the room that owns its kind. */

import { createHash } from "node:crypto";
import type { DatabaseSpec } from "../aws/database.ts";
import { parseLock, type Lock } from "../identity/lock.ts";
import { quoted } from "../identity/names.ts";
import { nearMiss } from "../identity/near-miss.ts";
import { DocumentError, type Problem, type ResourceKind } from "../identity/problem.ts";
import { parseRole, type Parsed, type Role } from "../identity/role.ts";
import { parseShape } from "../identity/shape.ts";
import { isMapping } from "../identity/teleport-keys.ts";
import { parseUser, type User } from "../identity/user.ts";
import { databaseResourceSchema } from "./database-schema.ts";
import { placeholdersIn } from "./placeholders.ts";
import { MAX_PLACED, type PositionedProblem } from "./problem.ts";
import { parseYaml, type YamlDocument, type YamlPlace } from "./yaml.ts";

/** A resource and where it was read. */
export type Resource = { readonly place: YamlPlace } & (
  | { readonly kind: "role"; readonly value: Role }
  | { readonly kind: "user"; readonly value: User }
  | { readonly kind: "lock"; readonly value: Lock }
  | { readonly kind: "db"; readonly value: DatabaseSpec }
);

/** A file once read. Immutable, so that a file that did not change need not be read again. */
export interface ResourceFile {
  /** SHA-256 of its bytes, in hexadecimal. */
  readonly digest: string;
  readonly resources: readonly Resource[];
  readonly problems: readonly PositionedProblem[];
  readonly warnings: readonly PositionedProblem[];
}

/** The digest of a file's bytes. */
export function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Reads the documents of a file. `pause` is awaited between documents, so that a large file does not hold up requests.
 * Never throws for what is in the file; reading stops after `limit` documents.
 */
export async function readResourceFile(
  bytes: Uint8Array,
  file: string,
  limit: number,
  pause: () => Promise<void> | undefined,
): Promise<ResourceFile> {
  const resources: Resource[] = [];
  const problems: PositionedProblem[] = [];
  const warnings: PositionedProblem[] = [];
  const digest = digestOf(bytes);
  const text = decode(bytes);
  if (text === undefined)
    return {
      digest,
      resources,
      problems: [{ file, line: 1, column: 1, message: "The file is not UTF-8 text" }],
      warnings,
    };
  if (text.trim() === "") {
    // An editor that truncates before it writes must not look like somebody who removed every role in the file.
    const hint = "remove the file if nothing should be in it, or leave a comment";
    return {
      digest,
      resources,
      problems: [{ file, line: 1, column: 1, message: "The file is empty", hint }],
      warnings,
    };
  }
  let documents = 0;
  for (const document of parseYaml(text, file)) {
    if (++documents > limit) {
      problems.push({
        ...document.positionOf([]),
        message: `The directory holds more than ${limit} documents by here`,
      });
      break;
    }
    problems.push(...document.problems);
    if (document.problems.length === 0 && document.value !== null)
      readResource(document, resources, problems, warnings);
    // What a parser that failed half-way makes of the rest would only confuse, and nobody reads hundreds of problems.
    if (document.problems.length > 0 || problems.length > MAX_PLACED) break;
    const paused = pause();
    if (paused !== undefined) await paused;
  }
  return { digest, resources, problems, warnings };
}

function readResource(
  document: YamlDocument,
  resources: Resource[],
  problems: PositionedProblem[],
  warnings: PositionedProblem[],
): void {
  const positioned = ({ path, at, message, hint }: Problem): PositionedProblem => ({
    ...document.positionOf(path, at),
    message,
    ...(hint === undefined ? {} : { hint }),
  });
  const { value, place } = document;
  const kind = isMapping(value) ? value["kind"] : undefined;
  if (typeof kind !== "string" || !Object.hasOwn(READERS, kind)) {
    problems.push(positioned(unknownKind(value, kind)));
    return;
  }
  const placeholders = placeholdersIn(value);
  problems.push(...placeholders.slice(0, MAX_PLACED).map(positioned));
  try {
    const { resource, warnings: told } = READERS[kind as ResourceKind](value);
    warnings.push(...told.slice(0, MAX_PLACED).map(positioned));
    resources.push({ ...resource, place });
  } catch (thrown) {
    if (!(thrown instanceof DocumentError)) throw thrown;
    const forgotten = new Set(placeholders.map(({ path }) => path.join("\n")));
    const rest = thrown.problems.filter(({ path }) => !forgotten.has(path.join("\n")));
    problems.push(...rest.slice(0, MAX_PLACED).map(positioned));
  }
}

type Read = { readonly kind: ResourceKind; readonly value: Role | User | Lock | DatabaseSpec };
type Unplaced<T> = T extends unknown ? Omit<T, "place"> : never;

const READERS: Readonly<
  Record<ResourceKind, (document: unknown) => { resource: Unplaced<Resource>; warnings: readonly Problem[] }>
> = {
  role: (document) => tagged(parseRole(document), (value) => ({ kind: "role", value })),
  user: (document) => tagged(parseUser(document), (value) => ({ kind: "user", value })),
  lock: (document) => tagged(parseLock(document), (value) => ({ kind: "lock", value })),
  db: (document) => tagged(parseDatabase(document), (value) => ({ kind: "db", value })),
};

function tagged<T extends Read["value"]>(
  parsed: Parsed<T>,
  tag: (value: T) => Unplaced<Resource>,
): { resource: Unplaced<Resource>; warnings: readonly Problem[] } {
  return { resource: tag(parsed.value), warnings: parsed.warnings };
}

const DATABASE = databaseResourceSchema();

/** Reads a database's document, as YAML gave it. @throws DocumentError `database_invalid` with every problem */
export function parseDatabase(document: unknown): Parsed<DatabaseSpec> {
  const shaped = parseShape(DATABASE, document);
  if ("problems" in shaped) throw new DocumentError("database_invalid", "Cannot load a database", shaped.problems);
  return { value: shaped.value, warnings: [] };
}

function unknownKind(document: unknown, kind: unknown): Problem {
  const known = Object.keys(READERS);
  const listed = `${known.slice(0, -1).join(", ")} or ${known.at(-1)}`;
  if (!isMapping(document))
    return { path: [], message: "The document is not a mapping", hint: `begin with kind: ${listed}` };
  if (typeof kind !== "string")
    return {
      path: kind === undefined ? [] : ["kind"],
      message: "The document does not say its kind",
      hint: `write kind: ${listed}`,
    };
  if (CLUSTER_KINDS.has(kind)) {
    return {
      path: ["kind"],
      message: `Kind ${quoted(kind)} is not used without a cluster, and this version has none`,
      hint: "remove the document",
    };
  }
  const meant = nearMiss(kind, known);
  return {
    path: ["kind"],
    message: `Kind ${quoted(kind)} is not known`,
    hint: meant === undefined ? `write ${listed}` : `did you mean "${meant}"?`,
  };
}

const CLUSTER_KINDS: ReadonlySet<string> = new Set([
  "token",
  "access_request",
  "access_list",
  "cap",
  "cluster_auth_preference",
  "cluster_networking_config",
  "connector",
  "github",
  "oidc",
  "saml",
  "session_recording_config",
  "trusted_cluster",
  "bot",
  "login_rule",
]);

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
