/** What resources say of each other: users name roles, which must be there, and which do not go while somebody holds them. */

import { PosternError } from "../base/errors.ts";
import type { Directory } from "../identity/directory.ts";
import { quoted } from "../identity/names.ts";
import { ResourceProblemsError } from "../identity/problem.ts";
import { DocumentsError, type GivenDocument, placed } from "./documents.ts";
import type { PlannedChange, World } from "./world.ts";

/** People and roles as changes would leave them, or what is wrong with that, at its place where somebody wrote it. */
export function afterwards(
  world: World,
  changes: readonly PlannedChange[],
  givenOf: ReadonlyMap<string, GivenDocument>,
): { readonly directory: Directory } | { readonly fault: unknown } {
  try {
    return { directory: world.after(changes) };
  } catch (thrown) {
    if (!(thrown instanceof ResourceProblemsError)) return { fault: thrown };
    const found = thrown.problems.flatMap((problem) => {
      const given = givenOf.get(`${problem.kind}/${problem.name}`);
      return given === undefined ? [] : [placed(problem, given)];
    });
    if (found.length > 0) return { fault: new DocumentsError("Cannot use the documents", found) };
    // Nobody wrote a document: where in it the fault would stand helps nobody.
    const told = thrown.problems.map(({ message }) => message.replace(/^[\w.[\]]+: /, ""));
    const [first] = thrown.problems;
    const hint = first?.hint === undefined ? {} : { hint: first.hint };
    return { fault: new PosternError("reference_missing", told.join("; "), hint) };
  }
}

/** @throws PosternError `role_in_use`, with the names of its holders when they may be named */
export function requireUnused(role: string, directory: Directory, mayName: boolean): void {
  const holders = directory.users().filter(({ roles }) => roles.includes(role));
  if (holders.length === 0) return;
  const shown = holders.slice(0, 5).map(({ name }) => quoted(name));
  const more = holders.length > shown.length ? ` and ${holders.length - shown.length} more` : "";
  const [noun, verb] = holders.length === 1 ? ["user", "holds"] : ["users", "hold"];
  const who = mayName ? `${noun} ${shown.join(", ")}${more}` : `${holders.length} ${noun}`;
  throw new PosternError("role_in_use", `Cannot delete role ${quoted(role)}: ${who} ${verb} it`, {
    hint: "take it from them first: postern ctl users update NAME --set-roles …",
  });
}
