/** What a write returned, held against what its caller's roles say of return values. */

import { type Run } from "./oracle.ts";
import { allowing, isAbout, touchesOf } from "./promises.ts";
import type { Request } from "./requests.ts";
import type { Person } from "./roles.ts";
import { areCurrent, itemsIn, namesIn } from "./shown.ts";

/** From the one that shows least of what the caller did not write to the one that shows most. */
const STRENGTH = ["NONE", "UPDATED_NEW", "UPDATED_OLD", "ALL_NEW", "ALL_OLD"];

/** What the answer shows though no role allows it, or one denies it. Of requests with several parts nothing is said. */
export function shownTooMuch(person: Person, request: Request, { answer, after }: Run): string[] {
  const items = itemsIn(answer);
  const [touch, ...more] = touchesOf(request);
  if (items.length === 0 || touch === undefined || more.length > 0 || !touch.asks) return [];
  const text = JSON.stringify(request.body);
  const isNamed = (name: string): boolean =>
    new RegExp(`(?<!\\w)${name.replaceAll(".", String.raw`\.`)}(?!\\w)`).test(text);
  const isMore = [...namesIn(items)].some((name) => !isNamed(name));
  const isOld = !areCurrent(items, after);
  const inError = answer["Items"] === undefined && answer["Attributes"] === undefined;
  // At least this is what was returned.
  const level = inError || (isMore && isOld) ? 4 : isMore ? 3 : isOld ? 2 : 1;
  const faults: string[] = [];
  const rules = allowing(person, touch);
  const allowed = rules.flatMap(({ return_values }) => return_values ?? STRENGTH);
  if (!allowed.some((value) => STRENGTH.indexOf(value) >= level))
    faults.push(`${STRENGTH[level]} at least is shown, and no rule allows it`);
  for (const { deny } of person.roles) {
    for (const rule of deny) {
      const listed = rule.return_values?.map((value) => STRENGTH.indexOf(value)) ?? [];
      if (listed.length === 0 || rule.leading_keys !== undefined || rule.attributes !== undefined) continue;
      if (
        rule.full_scan === undefined &&
        Math.min(...listed) <= level &&
        isAbout(rule, touch.same, touch, person, true)
      )
        faults.push(`${STRENGTH[level]} at least is shown, and ${JSON.stringify(rule)} denies it`);
    }
  }
  return faults;
}
