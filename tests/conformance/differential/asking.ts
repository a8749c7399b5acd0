/** A gateway in front of DynamoDB Local as many people ask it, what of it reached DynamoDB, and gateways that are told lies. */

import type { Access } from "../../../src/dynamodb/accesses.ts";
import type { Upstream } from "../../../src/gateway/ports.ts";
import type { GatewayServices } from "../../../src/gateway/services.ts";
import type { PolicyInput } from "../../../src/policy/input.ts";
import { type Call, startTestGateway, type TestGateway } from "../../support/gateway.ts";
import type { Answer } from "./dynamo.ts";
import type { SentRequest } from "./requests.ts";

export interface Asked {
  readonly answer: Answer;
  readonly status: number;
  /** How often DynamoDB was called, without the gateway's own questions for keys. */
  readonly sends: number;
  readonly isDenied: boolean;
}

export class Asking {
  readonly #gateway: TestGateway;
  readonly #sent: { count: number };
  readonly #listeners = new Map<string, Promise<Call>>();

  private constructor(gateway: TestGateway, sent: { count: number }) {
    this.#gateway = gateway;
    this.#sent = sent;
  }

  /** Starts a gateway in front of `uri` for the people of these documents. */
  static async start(uri: string, resources: string): Promise<Asking> {
    const sent = { count: 0 };
    const counting = (real: Upstream): Upstream => ({
      send: (request) => {
        if (request.headers["x-amz-target"]?.endsWith(".DescribeTable") === false) sent.count += 1;
        return real.send(request);
      },
      close: () => real.close(),
    });
    return new Asking(await startTestGateway({ uri, resources, upstream: counting }), sent);
  }

  /** Asks as this user. With a lie, a gateway whose policy is told it of every access that it fits. */
  async ask(
    user: string,
    { operation, body }: SentRequest,
    lie?: readonly [name: string, (access: Access) => Access | undefined],
  ): Promise<Asked> {
    const key = `${user} ${lie?.[0] ?? ""}`;
    const { services } = this.#gateway.gateway;
    const listener = this.#listeners.get(key) ?? this.#gateway.listenAs(user, lie && liedTo(services, lie[1]));
    this.#listeners.set(key, listener);
    const call = await listener;
    const already = this.#sent.count;
    const { status, body: answer } = await call(operation, body);
    const isDenied = String(answer["__type"] as string | undefined).endsWith("#AccessDeniedException");
    return { answer, status, sends: this.#sent.count - already, isDenied };
  }

  async close(): Promise<void> {
    await this.#gateway.close();
  }
}

function liedTo(services: GatewayServices, lie: (access: Access) => Access | undefined): GatewayServices {
  return {
    ...services,
    state: () => {
      const state = services.state();
      const { policy } = state;
      const lied = (input: PolicyInput): PolicyInput => ({
        ...input,
        request: {
          ...input.request,
          accesses: input.request.accesses.map((access) => lie(access as Access) ?? access),
        },
      });
      return {
        ...state,
        policy: {
          revision: policy.revision,
          custom: policy.custom,
          decide: (input) => policy.decide(lied(input)),
          visible: (input) => policy.visible(input),
        },
      };
    },
  };
}
