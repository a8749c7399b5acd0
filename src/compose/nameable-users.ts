/** The AWS roles that a user may name at a database, as far as roles say it before anything is asked. */

import { globFits } from "../identity/glob.ts";
import type { Principal } from "../identity/principal.ts";
import type { Role } from "../identity/role.ts";
import { parseTemplate } from "../policy/templates.ts";

/** As in Teleport's documents: names, paths, ARNs, and patterns of them. */
export interface NameableUsers {
  readonly allowed: readonly string[];
  /** What is denied of it; only where a pattern allows more than can be listed. */
  readonly denied: readonly string[];
}

/**
 * What roles say of `db_users`, templates filled in with the user's traits. Each operation is decided by policy: this tells
 * people which names are worth trying, and never names one that every operation would be denied for its name.
 *
 * @param granting the user's roles whose labels fit the database
 * @param held all of the user's roles: a denial needs no label
 * @param accountId of the database
 */
export function nameableUsers(
  user: Pick<Principal, "name" | "traits">,
  {
    granting,
    held,
    accountId,
  }: Readonly<Record<"granting" | "held", readonly Role[]>> & { readonly accountId: string },
): NameableUsers {
  const shorten = (text: string): string => shortened(text, accountId);
  const granted = granting.flatMap(({ allow }) => allow.db_users.flatMap((entry) => filled(entry, user) ?? []));
  const allowed = distinct(granted.map(shorten).filter((text) => !text.startsWith("^") && isHere(text, accountId)));
  const denials = held.flatMap(({ deny }) => deny.db_users.map((entry) => filled(entry, user)));
  const denied = distinct(denials.flatMap((texts) => texts ?? []).map(shorten));
  // What is lacking, or cannot be read, denies everything.
  if (denials.includes(undefined) || denied.some((text) => text === "*" || text.startsWith("^")))
    return { allowed: [], denied: [] };
  const left = allowed.filter((text) => !denied.some((denial) => denies(denial, text)));
  return { allowed: left, denied: left.some((text) => text.includes("*")) ? denied : [] };
}

/** An entry with the user's traits in it; undefined when one is missing. */
function filled(entry: string, { name, traits }: Pick<Principal, "name" | "traits">): readonly string[] | undefined {
  const template = parseTemplate(entry);
  if (template === null) return [entry];
  if ("fault" in template) return undefined;
  const { trait, before, after } = template;
  const values = trait === null ? [name] : Object.hasOwn(traits, trait) ? (traits[trait] ?? []) : [];
  if (values.length === 0 || values.includes("")) return undefined;
  return values.map((value) => `${before}${value}${after}`);
}

/** As short as the same role can be written. */
function shortened(text: string, accountId: string): string {
  const own = /^arn:aws[a-z-]*:iam::([0-9]{12}):role\/(.+)$/.exec(text);
  if (own?.[1] === accountId) return own[2] ?? text;
  return text.startsWith("role/") ? text.slice("role/".length) : text;
}

/** Roles of another account cannot be assumed at this database. */
function isHere(text: string, accountId: string): boolean {
  const account = /^arn:[^:]*:iam::([0-9]{12}):/.exec(text)?.[1];
  return account === undefined || account === accountId;
}

/** As policy does it: case does not count, nor does a path where the denial has none. A pattern goes when all it allows is denied. */
function denies(denial: string, text: string): boolean {
  const [pattern, role] = [denial.toLowerCase(), text.toLowerCase()];
  if (pattern === role || globFits(pattern, role.replaceAll("*", ANYTHING))) return true;
  return !pattern.includes("/") && !role.includes("*") && globFits(pattern, role.slice(role.lastIndexOf("/") + 1));
}

/** Stands for a `*` where it is text to be matched: in no name of a role. */
const ANYTHING = "\0";

function distinct(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}
