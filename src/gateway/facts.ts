/** DynamoDB's words into policy's: the only translator between a parsed request and the question that policy is asked. */

import type { Database } from "../aws/database.ts";
import type { Access, Place } from "../dynamodb/accesses.ts";
import type { PolicyInput } from "../policy/input.ts";
import type { Caller } from "./authenticate.ts";

/** What the question needs besides the caller and the accesses. */
export interface Circumstances {
  readonly decisionId: string;
  readonly operation: string;
  readonly ip: string;
  readonly userAgent: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** The question about one request. */
export function policyInput(caller: Caller, accesses: readonly Access[], circumstances: Circumstances): PolicyInput {
  const { principal, database } = caller;
  return {
    version: 1,
    time: new Date(circumstances.now).toISOString(),
    user: {
      name: principal.name,
      roles: principal.roles,
      traits: principal.traits,
      mfa_verified: principal.mfaVerified,
    },
    client: { ip: circumstances.ip, user_agent: circumstances.userAgent },
    database: {
      name: database.name,
      labels: database.labels,
      region: database.region,
      account_id: database.accountId,
      partition: database.partition,
    },
    db_user: caller.awsRoleArn,
    request: { service: "dynamodb", operation: circumstances.operation, id: circumstances.decisionId, accesses },
  };
}

/** Where a database's tables live: names become ARNs there, and ARNs of anywhere else are refused. */
export function placeOf(database: Database): Place {
  const [own, ...aliases] = database.arnScopes;
  return { partition: own.partition, region: own.region, accountId: own.accountId, aliases };
}
