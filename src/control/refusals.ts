/** Acts that could not be done as they were asked for: on record, like those that policy denied. */

import { PosternError } from "../base/errors.ts";
import { isMapping } from "../identity/teleport-keys.ts";
import type { Actor, Verb } from "./authorize.ts";
import type { AdministrationOptions } from "./administration.ts";
import { byWhom } from "./events.ts";
import type { GivenDocument } from "./documents.ts";

/** What somebody asked for. A name is empty where it is not known, or for several resources. */
export interface AskedAct {
  readonly verb: Verb;
  readonly kind: string;
  readonly name: string;
}

/** Does `work`, and records why it was not done; what policy denied is on record already. */
export async function recordingRefusals<T>(
  { events, kinds, service }: Pick<AdministrationOptions, "events" | "kinds" | "service">,
  actor: Actor,
  { verb, kind, name }: AskedAct,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof PosternError) || error.code === "control_denied") throw error;
    const known = kinds.get(kind);
    const recorded = known?.recorded;
    // Of a kind that is misspelt nobody knows whether its names are secrets.
    const shown = known === undefined ? "" : (recorded?.(name) ?? name);
    // Where names are secrets, so may be what an error says of them.
    const isOpen = kind !== "" && recorded === undefined;
    const reason = isOpen ? `${error.code}: ${error.message}`.slice(0, MAX_REASON) : error.code;
    const act = { ...byWhom(actor, service), verb, kind, name: shown, reason };
    await events.record({ event: "postern.control.refused", code: "PCT02E", ...act }).catch(() => undefined);
    throw error;
  }
}

/** What documents are about: the kind and name of a single one, the kind of several alike. */
export function whatIsIn(given: readonly GivenDocument[]): Pick<AskedAct, "kind" | "name"> {
  const found = given.map(({ value }) => {
    const metadata = isMapping(value) ? value["metadata"] : undefined;
    return { kind: textOf(value, "kind"), name: textOf(metadata, "name") };
  });
  const [first] = found;
  if (first === undefined || found.some(({ kind }) => kind !== first.kind)) return { kind: "", name: "" };
  return found.length === 1 ? first : { kind: first.kind, name: "" };
}

const MAX_REASON = 1_000;

function textOf(value: unknown, key: string): string {
  const text = isMapping(value) ? value[key] : undefined;
  return typeof text === "string" ? text.slice(0, 255) : "";
}
