/** Action lists of rules (names, globs, access levels), resolved to closed sets of IAM action names. */

import type { PolicyLevel } from "./input.ts";
import { entryOf, patternError, type Site } from "./patterns.ts";

/** What policy knows of the actions there are; the caller makes it from the operation catalogue. */
export interface ActionTable {
  /** Action → its IAM access level. These are all the actions that exist. */
  readonly levels: ReadonlyMap<string, PolicyLevel>;
  /** Action → actions that do the same thing another way: denying the first denies these too. Followed one step only. */
  readonly equivalents: ReadonlyMap<string, readonly string[]>;
  /** Actions that an allow must name: globs and levels other than `tagging` and `permissions` do not reach them. */
  readonly namedOnly: ReadonlySet<string>;
  /** Operation that is no action, such as `dynamodb:TransactWriteItems` → the actions of its parts. For hints. */
  readonly carriers: ReadonlyMap<string, readonly string[]>;
}

/** Resolves lists; what an entry names is found once, since thousands of roles name the same. */
export class ActionResolver {
  readonly #table: ActionTable;
  readonly #found = new Map<string, readonly string[]>();

  constructor(table: ActionTable) {
    this.#table = table;
  }

  /** What an allow names: as `resolve`, without actions that only their own name allows and that is not there. */
  resolveAllowed(entries: readonly string[], site: Site): string[] {
    const named = new Set(entries);
    return this.resolve(entries, site).filter((action) => {
      if (!this.#table.namedOnly.has(action) || named.has(action)) return true;
      const level = this.#table.levels.get(action);
      return (level === "tagging" || level === "permissions") && named.has(level);
    });
  }

  /** The actions that a list names, each once. @throws PosternError `role_action_unknown` when an entry names nothing */
  resolve(entries: readonly string[], site: Site): string[] {
    return [...new Set(entries.flatMap((entry, at) => this.#actionsOf(entry, site, at)))];
  }

  /** What a deny names: every form reaches every action, and for each action what does the same thing another way. */
  resolveDenied(entries: readonly string[], site: Site): string[] {
    const named = this.resolve(entries, site);
    return [...new Set(named.flatMap((action) => [action, ...(this.#table.equivalents.get(action) ?? [])]))];
  }

  #actionsOf(entry: string, site: Site, at: number): readonly string[] {
    const known = this.#found.get(entry);
    if (known !== undefined) return known;
    const found = [...this.#table.levels].filter(([action, level]) => level === entry || matches(entry, action));
    if (found.length === 0) {
      const why = entry.includes("*") ? "the glob matches no action" : "there is no such action or access level";
      throw patternError(entryOf(site, at), entry, why, hintFor(entry, this.#table), "role_action_unknown");
    }
    const actions = found.map(([action]) => action);
    this.#found.set(entry, actions);
    return actions;
  }
}

/** Glob match without regular expressions: each part is sought after the one before. */
function matches(glob: string, action: string): boolean {
  const parts = glob.split("*");
  const first = parts.shift() ?? "";
  const last = parts.pop();
  if (last === undefined) return glob === action;
  if (!action.startsWith(first) || !action.endsWith(last) || action.length < first.length + last.length) return false;
  const end = action.length - last.length;
  let from = first.length;
  for (const part of parts) {
    const at = action.indexOf(part, from);
    if (at === -1 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}

function hintFor(entry: string, table: ActionTable): string {
  const levels = [...new Set(table.levels.values())];
  if (entry.includes("{{")) return "actions hold no templates; write the actions that are meant";
  const carried = [...table.carriers].filter(([name]) => matches(entry, name) || bare(name) === bare(entry));
  const [first] = carried;
  if (first !== undefined) {
    const parts = [...new Set(carried.flatMap(([, actions]) => actions))].join(", ");
    return `${carried.length === 1 ? first[0].slice(first[0].indexOf(":") + 1) : "such an operation"} is judged by its parts: write those of ${parts} that are meant`;
  }
  const near = nearest(entry, [...table.levels.keys(), ...levels]);
  if (near !== undefined) return `did you mean "${near}"?`;
  return `write an IAM action such as "dynamodb:GetItem", a glob, or one of ${levels.join(", ")}`;
}

/** The candidate that differs least in its last part, if by no more than a slip of the pen. */
function nearest(entry: string, candidates: readonly string[]): string | undefined {
  const wanted = bare(entry);
  const ranked = candidates
    .map((candidate) => ({ candidate, far: distance(wanted, bare(candidate)) }))
    .toSorted((a, b) => a.far - b.far);
  const best = ranked[0];
  return best !== undefined && best.far <= Math.max(wanted.length < 4 ? 1 : 2, Math.floor(wanted.length / 4))
    ? best.candidate
    : undefined;
}

function bare(action: string): string {
  return action
    .slice(action.indexOf(":") + 1)
    .replaceAll("*", "")
    .toLowerCase();
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
