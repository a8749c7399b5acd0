/** Acts upon the cluster itself: when one cannot be done as it was asked for, that is on record. */

import type { EventSink } from "../../control/administration.ts";
import type { Actor } from "../../control/authorize.ts";
import { type AskedAct, recordingRefusals } from "../../control/refusals.ts";

/** Does `work`, and records why it was not done. */
export function recorded<T>(
  { events, actor }: { readonly events: EventSink; readonly actor: Actor },
  act: AskedAct,
  work: () => Promise<T>,
): Promise<T> {
  const { kind } = act;
  // No document is ever of such a kind.
  const kinds = new Map([[kind, { kind, noun: kind, read: () => ({ name: act.name, warnings: [] }) }]]);
  return recordingRefusals({ events, kinds, service: "ctl" }, actor, act, work);
}
