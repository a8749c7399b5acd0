/** Bytes that are no HTTP request: answered in DynamoDB's words and put on record like every other malformed request. */

import type { FixedListener } from "./listener.ts";
import { type Answer, type Connection, type Exchange, STAYING } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import { refuse } from "./refuse.ts";
import type { GatewayServices } from "./services.ts";
import { Trace } from "./trace.ts";

/** Refuses what the platform's HTTP parser gave up on. */
export async function refuseUnparsable(
  services: GatewayServices,
  listener: FixedListener,
  connection: Connection,
  reason: string,
): Promise<Answer> {
  const exchange: Exchange = {
    method: "",
    target: "",
    headers: [],
    connection,
    departure: STAYING,
    body: () => Promise.resolve(new Uint8Array()),
  };
  const trace = new Trace(services, listener, exchange);
  const refusal = new Refusal(
    "request_rejected",
    `This is not a valid HTTP request (${reason})`,
    "SerializationException",
    {
      unread: true,
    },
  );
  trace.revision = services.state().policy.revision;
  return await refuse(services, trace, refusal);
}
