/** The life of a request, on one screen: a room's verb per line. */

import { operationOf, type Operation } from "../dynamodb/catalogue.ts";
import { RequestError } from "../dynamodb/request-error.ts";
import { parseRequest } from "../dynamodb/request.ts";
import { authenticate, requireCluster } from "./authenticate.ts";
import type { BodyHolder } from "./body-budget.ts";
import { readBody } from "./body.ts";
import { opened } from "./continuations.ts";
import { enforce } from "./enforce.ts";
import { assume, send, signed } from "./forward.ts";
import { fulfil } from "./fulfil.ts";
import { printable, readHead } from "./head.ts";
import { heed, judge } from "./judge.ts";
import type { FixedListener } from "./listener.ts";
import type { Answer, Exchange } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import { notRecorded, refuse } from "./refuse.ts";
import type { GatewayServices } from "./services.ts";
import { isReshaped, reshaped } from "./reshape.ts";
import { Trace } from "./trace.ts";

/** Serves one exchange. It always answers: what is not forwarded is refused with a reason, and recorded. */
export async function serve(services: GatewayServices, listener: FixedListener, exchange: Exchange): Promise<Answer> {
  const trace = new Trace(services, listener, exchange);
  const lease = services.bodies.lease(holderOf(listener));
  try {
    const state = services.state();
    trace.revision = state.policy.revision;
    requireCluster(services);
    const caller = (trace.caller = authenticate(listener, state, services.clock.now()));
    const head = readHead(exchange, listener);
    const operation = knownOperation(head.target, trace);
    const body = await readBody(exchange, head, lease);
    trace.request = understood(() => parseRequest(operation, body));
    const request = (trace.request = opened(services.seals, caller, trace.request));
    const circumstances = {
      decisionId: trace.decisionId,
      operation: operation.name,
      ip: exchange.connection.ip,
      userAgent: head.userAgent,
      now: services.clock.now(),
    };
    const judgement = await understanding(judge(services, state, caller, circumstances, request, exchange.departure));
    const decision = (trace.decision = judgement.decision);
    services.metrics.decided(decision.evalUs / 1e6);
    enforce(decision, caller, judgement);

    const credentials = await assume(services, caller);
    const shown = isReshaped(operation.name) ? { ...head, acceptEncoding: "identity" } : head;
    const outgoing = await signed(services, caller, operation, shown, request.body, credentials, exchange.departure);
    await recorded(() => trace.intend());
    const sentAt = services.clock.monotonic();
    const response = await heed(services, caller, request, judgement, send(services, outgoing, caller, credentials));
    services.metrics.upstreamAnswered(operation.name, (services.clock.monotonic() - sentAt) / 1000);
    const answer = await reshaped(services, state, caller, circumstances, request, response, lease, async (next) => {
      const again = await signed(services, caller, operation, shown, next, credentials, exchange.departure);
      return send(services, again, caller, credentials);
    });
    return await fulfil(services, trace, answer);
  } catch (problem) {
    return await refuse(services, trace, problem);
  } finally {
    lease.end();
  }
}

/** Users of a cluster share an agent. Who speaks on a listener is of its machine, and often the only one there is. */
function holderOf({ session, user }: FixedListener): BodyHolder | undefined {
  return session === undefined ? undefined : { user };
}

function knownOperation(target: string, trace: Trace): Operation {
  const operation = operationOf(target);
  if (operation === undefined) {
    throw new Refusal(
      "operation_unknown",
      `The operation ${printable(target)} is not known`,
      "UnknownOperationException",
    );
  }
  trace.operation = operation.name;
  return operation;
}

/** What the request model does not understand without doubt is the client's mistake, in DynamoDB's words. */
function understood<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw misunderstood(cause);
  }
}

async function understanding<T>(read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (cause) {
    throw misunderstood(cause);
  }
}

function misunderstood(cause: unknown): unknown {
  if (!(cause instanceof RequestError)) return cause;
  return new Refusal("request_rejected", cause.message, cause.type, { cause });
}

async function recorded(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (cause) {
    throw notRecorded(cause);
  }
}
