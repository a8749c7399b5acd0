/** What an act writes: its changes, what goes with them, and the serial that puts acts one behind another. */

import type { Store, StoredResource, Write } from "../store/store.ts";
import type { AdministrationOptions } from "./administration.ts";
import { belongingsOf } from "./belongings.ts";
import type { PlannedChange } from "./world.ts";

/** What else is to be written with the changes, or not at all; planned anew whenever they are. */
export type Beside = () => Promise<readonly Write[]>;

/** Another one with every act: who plans on what another act changes meanwhile is refused by the store. */
const SERIAL = { kind: "control_serial", name: "resources" } as const;

/** The serial as it is before anything else is read; undefined before the first act. */
export function readSerial(store: Store): Promise<StoredResource | undefined> {
  return store.get(SERIAL.kind, SERIAL.name);
}

/** All writes of an act. */
export async function writesOf(
  changes: readonly PlannedChange[],
  serial: StoredResource | undefined,
  options: Pick<AdministrationOptions, "store" | "kinds" | "clock">,
  beside: Beside = async () => [],
): Promise<Write[]> {
  const given = await beside();
  const known = new Set(given.map(keyOf));
  const others = (await belongingsOf(changes, options)).filter((write) => !known.has(keyOf(write)));
  return [...changes.map(writeOf), ...others, ...given, serialWrite(serial)];
}

function keyOf({ kind, name }: Write): string {
  return `${kind}/${name}`;
}

function serialWrite(serial: StoredResource | undefined): Write {
  return serial === undefined
    ? { op: "create", ...SERIAL, value: {} }
    : { op: "update", ...SERIAL, value: {}, revision: serial.revision };
}

function writeOf({ kind, name, before, after, expiresAt }: PlannedChange): Write {
  const expiry = expiresAt === undefined ? {} : { expiresAt };
  if (after === undefined)
    return { op: "delete", kind, name, ...(before === undefined ? {} : { revision: before.revision }) };
  return before === undefined
    ? { op: "create", kind, name, value: after, ...expiry }
    : { op: "update", kind, name, value: after, revision: before.revision, ...expiry };
}
