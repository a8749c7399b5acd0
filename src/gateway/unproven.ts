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
 * Refuses it, for that or for what stands against whomever it says to be. Its event names no user: what the request says of itself may be somebody else's. The exchange's connection is for
 * it alone.
 */
export async function refuseUnproven(
  services: GatewayServices,
  database: string,
  exchange: Exchange,
  why: Unproven | Refusal,
): Promise<Answer> {
  const listener: FixedListener = { address: "sdk", kind: "sdk", hosts: NO_HOSTS, user: "", database, dbUser: "" };
  const trace = new Trace(services, listener, exchange);
  trace.revision = services.state().policy.revision;
  try {
    return await refuse(services, trace, why instanceof Refusal ? why : unproven(why));
  } finally {
    endSession(services, exchange.connection);
  }
}

function unproven({ type, message }: Unproven): Refusal {
  const reasons = [{ code: "sender_unproven", message, access: null, role: null }] as const;
  return new Refusal("sender_unproven", message, type, { reasons });
}

const NO_HOSTS: ReadonlySet<string> = new Set();
