/** Requests of AWS SDKs whose sender is not proven: answered in AWS's words, and on record without a name. */

import type { FixedListener } from "./listener.ts";
import type { Answer, Exchange } from "./ports.ts";
import { Refusal, type RefusalType } from "./refusal.ts";
import { refuse } from "./refuse.ts";
import type { GatewayServices } from "./services.ts";
import { endSession, Trace } from "./trace.ts";

/** Why nothing of a request is believed. */
export interface Unproven {
  readonly type: RefusalType;
  /** For the client. */
  readonly message: string;
}

/**
 * Refuses it. Its event names no user: what the request says of itself may be somebody else's. The exchange's connection is for
 * it alone.
 */
export async function refuseUnproven(
  services: GatewayServices,
  database: string,
  exchange: Exchange,
  { type, message }: Unproven,
): Promise<Answer> {
  const listener: FixedListener = { address: "sdk", kind: "sdk", hosts: NO_HOSTS, user: "", database, dbUser: "" };
  const trace = new Trace(services, listener, exchange);
  trace.revision = services.state().policy.revision;
  const reasons = [{ code: "sender_unproven", message, access: null, role: null }] as const;
  try {
    return await refuse(services, trace, new Refusal("sender_unproven", message, type, { reasons }));
  } finally {
    endSession(services, exchange.connection);
  }
}

const NO_HOSTS: ReadonlySet<string> = new Set();
