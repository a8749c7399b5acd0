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
  readonly #sent: string[];
  readonly #listeners = new Map<string, Promise<Call>>();

  private constructor(gateway: TestGateway, sent: string[]) {
    this.#gateway = gateway;
    this.#sent = sent;
  }

  /** Starts a gateway in front of `uri` for the people of these documents. */
  static async start(uri: string, resources: string): Promise<Asking> {
    const sent: string[] = [];
    const recording = (real: Upstream): Upstream => ({
      send: (request) => {
        sent.push(request.headers["x-amz-target"]?.replace(/^.*\./, "") ?? "");
        return real.send(request);
      },
      close: () => real.close(),
    });
    return new Asking(await startTestGateway({ uri, resources, upstream: recording }), sent);
  }

  /** Asks as this user, of a gateway whose policy is meddled with in this way, if any. @throws Error when the gateway fails */
  async ask(user: string, { operation, body }: SentRequest, meddling?: Meddling): Promise<Asked> {
    const key = `${user} ${meddling?.name ?? ""}`;
    const { services } = this.#gateway.gateway;
    const listener = this.#listeners.get(key) ?? this.#gateway.listenAs(user, meddling && meddled(services, meddling));
    this.#listeners.set(key, listener);
    const call = await listener;
    const already = this.#sent.length;
    const { status, body: answer } = await call(operation, body);
    const type = String(answer["__type"] as string | undefined);
    // DynamoDB Local fails at some requests; the gateway itself must not.
    if (status >= 500 && !type.endsWith("#InternalFailure"))
      throw new Error(`${user} asked ${JSON.stringify({ operation, body })}: ${JSON.stringify(answer)}`);
    const isDenied = type.endsWith("#AccessDeniedException");
    const asked = operation.replace(/^.*\./, "");
    const sent = this.#sent.slice(already).filter((name) => name !== "DescribeTable" || name === asked);
    return { answer, status, sends: sent.length, isDenied };
  }

  async close(): Promise<void> {
    await this.#gateway.close();
  }
}

/** What comes between a gateway and its policy. */
export interface Meddling {
  /** Each has one. */
  readonly name: string;
  /** What policy is told instead of an access; undefined for the access itself. */
  readonly lie?: (access: Access) => Access | undefined;
  /** Lists hide nothing. */
  readonly showsAll?: boolean;
}

function meddled(services: GatewayServices, { lie = () => undefined, showsAll = false }: Meddling): GatewayServices {
  const lied = (input: PolicyInput): PolicyInput => {
    const accesses = input.request.accesses.map((access) => lie(access as Access) ?? access);
    return { ...input, request: { ...input.request, accesses } };
  };
  return {
    ...services,
    state: () => {
      const state = services.state();
      const { policy } = state;
      return {
        ...state,
        policy: {
          revision: policy.revision,
          custom: policy.custom,
          decide: (input) => policy.decide(lied(input)),
          visible: (input) => showsAll || policy.visible(input),
        },
      };
    },
  };
}
