/** What an answer shows of items, wherever it shows it. */

import type { Answer } from "./dynamo.ts";
import { canonical, type Item, type Value, type World } from "./world.ts";

/** Every item, or part of one, that stands in an answer, in errors as well. */
export function itemsIn(answer: Answer): Item[] {
  const items: Item[] = [];
  const add = (item: unknown): void => void (item !== undefined && items.push(item as Item));
  add(answer["Item"]);
  add(answer["Attributes"]);
  items.push(...((answer["Items"] ?? []) as Item[]));
  const responses = answer["Responses"] ?? [];
  if (Array.isArray(responses)) {
    for (const { Item: item, Error: error } of responses as { Item?: Item; Error?: { Item?: Item } }[]) {
      add(item);
      add(error?.Item);
    }
  } else {
    for (const list of Object.values(responses as Record<string, Item[]>)) items.push(...list);
  }
  for (const reason of (answer["CancellationReasons"] ?? []) as { Item?: Item }[]) add(reason.Item);
  return items.filter((item) => Object.keys(item).length > 0);
}

/** Top-level names in the items. */
export function namesIn(items: readonly Item[]): Set<string> {
  return new Set(items.flatMap((item) => Object.keys(item)));
}

/** Whether every value shown, or part of one, is one that an item now has there. */
export function areCurrent(items: readonly Item[], world: World): boolean {
  const all = [...world.values()].flatMap((table) => [...table.values()]);
  return items.every((item) => all.some((current) => isPart({ M: item }, { M: current })));
}

function isPart(part: Value, whole: Value): boolean {
  const [members, list] = [part["M"] as Item | undefined, part["L"] as Value[] | undefined];
  const [own, elements] = [whole["M"] as Item | undefined, whole["L"] as Value[] | undefined];
  if (members !== undefined && own !== undefined)
    return Object.entries(members).every(([name, value]) => own[name] !== undefined && isPart(value, own[name]));
  if (list !== undefined && elements !== undefined)
    return list.every((value) => elements.some((element) => isPart(value, element)));
  return canonical(part) === canonical(whole);
}
