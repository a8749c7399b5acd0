/** One number for all acts on people, roles and connectors: who plans on what another act changes meanwhile is refused. */

import type { Store, StoredResource, Write } from "../store/store.ts";

const SERIAL = { kind: "control_serial", name: "resources" } as const;

/** As it is before an act reads anything. */
export function readSerial(store: Store): Promise<StoredResource | undefined> {
  return store.get(SERIAL.kind, SERIAL.name);
}

/** To be written with the act: the store makes another revision of it. */
export function serialWrite(serial: StoredResource | undefined): Write {
  return serial === undefined
    ? { op: "create", ...SERIAL, value: {} }
    : { op: "update", ...SERIAL, value: {}, revision: serial.revision };
}
