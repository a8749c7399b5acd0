/**
 * A small AWS on loopback for the demo and the tests: DynamoDB and STS, both of which check every signature, one account
 * with an agent's identity and the roles it may assume.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Clock, systemClock } from "../base/clock.ts";
import { answerDynamodb, dynamodbError, type SeenRequest } from "./dynamodb.ts";
import { type FaultKind, type FaultOptions, Faults, type MetFault } from "./faults.ts";
import { Identities, type SandboxRole } from "./identities.ts";
import { type Answer, listenOnLoopback, type Respond } from "./loopback-server.ts";
import type { ReceivedRequest } from "./sigv4.ts";
import { answerSts, type StsCall, stsError } from "./sts.ts";
import { Tables } from "./tables.ts";

/** What of the sandbox can be chosen. */
export interface SandboxOptions {
  /** Absent: `us-east-1`. */
  readonly region?: string;
  /** Absent: `123456789012`. */
  readonly accountId?: string;
  /** The roles of the account; absent: `ExampleRole` and `ReadOnlyRole`, which trust the agent with any session tag. */
  readonly roles?: readonly SandboxRole[];
  readonly clock?: Clock;
  /** How long tables take to become active or to go, in milliseconds; absent: 10. */
  readonly tableMs?: number;
  /** How many requests and calls are remembered; absent: 1000. */
  readonly remember?: number;
  /** Ports to listen on; absent: free ones. */
  readonly ports?: { readonly dynamodb?: number; readonly sts?: number };
}

/** A table to begin with. */
export interface SeedTable {
  /** The input of CreateTable; BillingMode may be absent. */
  readonly definition: { readonly TableName: string } & Readonly<Record<string, unknown>>;
  /** Items in DynamoDB's own JSON. */
  readonly items?: readonly Readonly<Record<string, unknown>>[];
}

/** The name of the IAM user that the agent is. */
export const agentUserName = "postern-agent";

/** A running sandbox. */
export interface Sandbox {
  readonly region: string;
  readonly accountId: string;
  /** ARN of the agent's own IAM user. */
  readonly agentArn: string;
  readonly dynamodb: { readonly url: string; readonly requests: readonly SeenRequest[] };
  readonly sts: { readonly url: string; readonly calls: readonly StsCall[] };
  /** The environment of a process that is the agent: its access key, the region and the STS endpoint. */
  readonly env: Readonly<Record<string, string>>;
  /** The ARN of a role of this account. */
  roleArn(name: string): string;
  /** Adds a role, or replaces the one of the same name. */
  putRole(role: SandboxRole): void;
  /** Creates tables, waits until they are active and fills them. */
  seed(tables: readonly SeedTable[]): Promise<void>;
  /** Performs a DynamoDB operation past the door, unsigned and unrecorded: for looking at the state itself. */
  inspect(operation: string, input: unknown): Promise<unknown>;
  /** Switches a fault on. */
  fail(kind: FaultKind, options?: FaultOptions): void;
  /** Switches one fault off, or all. */
  heal(kind?: FaultKind): void;
  /** Makes every credential that STS issued so far unknown. */
  revokeSessions(): void;
  /** Forgets what was recorded. */
  forget(): void;
  close(): Promise<void>;
}

/** Starts DynamoDB and STS on loopback. */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const region = options.region ?? "us-east-1";
  const accountId = options.accountId ?? "123456789012";
  const clock = options.clock ?? systemClock;
  const limit = options.remember ?? 1000;
  const agentArn = `arn:aws:iam::${accountId}:user/${agentUserName}`;
  const identities = new Identities(accountId, options.roles ?? defaultRoles(agentArn), clock);
  const agent = identities.addUser(agentUserName);
  const tables = new Tables({ region, accountId, tableMs: options.tableMs ?? 10 });
  const faults = new Faults();
  const requests: SeenRequest[] = [];
  const calls: StsCall[] = [];

  const dynamodbOptions = { identities, tables, region, clock, record: keep(requests, limit) };
  const dynamodb = await listenOnLoopback(
    troubled(faults, "dynamodb", async (request) => answerDynamodb(request, dynamodbOptions)),
    options.ports?.dynamodb,
  );
  // The global endpoint of STS signs for us-east-1, a regional one for its own region.
  const stsOptions = { identities, regions: [...new Set([region, "us-east-1"])], clock, record: keep(calls, limit) };
  const sts = await listenOnLoopback(
    troubled(faults, "sts", async (request) => Promise.resolve(answerSts(request, stsOptions))),
    options.ports?.sts,
  );

  return {
    region,
    accountId,
    agentArn,
    dynamodb: { url: dynamodb.url, requests },
    sts: { url: sts.url, calls },
    env: {
      AWS_ACCESS_KEY_ID: agent.accessKeyId,
      AWS_SECRET_ACCESS_KEY: agent.secretAccessKey,
      AWS_REGION: region,
      AWS_ENDPOINT_URL_STS: sts.url,
    },
    roleArn: (name) => identities.roleArn(name),
    putRole: (role) => {
      identities.putRole(role);
    },
    seed: async (seeds) => {
      for (const seed of seeds) await plant(tables, seed);
    },
    inspect: async (operation, input) => tables.call(operation, input),
    fail: (kind, faultOptions) => {
      faults.add(kind, faultOptions);
    },
    heal: (kind) => {
      faults.heal(kind);
    },
    revokeSessions: () => {
      identities.revokeSessions();
    },
    forget: () => {
      requests.length = 0;
      calls.length = 0;
    },
    close: async () => {
      await Promise.all([dynamodb.close(), sts.close()]);
    },
  };
}

function defaultRoles(agentArn: string): SandboxRole[] {
  return ["ExampleRole", "ReadOnlyRole"].map((name) => ({
    name,
    trust: { principals: [agentArn], sessionTags: "any" },
  }));
}

function keep<Entry>(list: Entry[], limit: number): (entry: Entry) => void {
  return (entry) => {
    list.push(entry);
    if (list.length > limit) list.splice(0, list.length - limit);
  };
}

function troubled(
  faults: Faults,
  service: "sts" | "dynamodb",
  respond: (request: ReceivedRequest) => Promise<Answer>,
): Respond {
  return async (request, signal) => {
    for (const fault of faults.meet(service)) {
      const answer = await suffer(fault, service, signal);
      if (answer !== undefined) return answer;
    }
    return respond(request);
  };
}

/** The answer that a fault gives, `null` to cut the connection, `undefined` to go on. */
async function suffer(
  fault: MetFault,
  service: "sts" | "dynamodb",
  signal: AbortSignal,
): Promise<Answer | null | undefined> {
  switch (fault.kind) {
    case "sts_down":
    case "dynamodb_down":
      return null;
    case "sts_slow":
    case "dynamodb_slow":
      await sleep(fault.delayMs, undefined, { signal });
      return undefined;
    case "sts_unavailable":
    case "dynamodb_unavailable":
      return service === "sts"
        ? stsError({ status: 503, code: "ServiceUnavailable", message: "The service is unavailable" })
        : dynamodbError(503, "ServiceUnavailableException", "The service is unavailable");
    case "sts_throttled":
    case "dynamodb_throttled":
      return service === "sts"
        ? stsError({ status: 400, code: "Throttling", message: "Rate exceeded" })
        : dynamodbError(400, "ThrottlingException", "Rate of requests exceeds the allowed throughput.");
  }
}

async function plant(tables: Tables, seed: SeedTable): Promise<void> {
  const name = seed.definition.TableName;
  await tables.call("CreateTable", { BillingMode: "PAY_PER_REQUEST", ...seed.definition });
  while (!(await isActive(tables, name))) await sleep(2);
  for (const item of seed.items ?? []) await tables.call("PutItem", { TableName: name, Item: item });
}

async function isActive(tables: Tables, name: string): Promise<boolean> {
  const answer = (await tables.call("DescribeTable", { TableName: name })) as { Table: { TableStatus: string } };
  return answer.Table.TableStatus === "ACTIVE";
}
