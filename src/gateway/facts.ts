/** DynamoDB's words into policy's: the only translator between a parsed request and the question that policy is asked. */

import type { Database } from "../aws/database.ts";
import type { Access, Place } from "../dynamodb/accesses.ts";
import type { Principal } from "../identity/principal.ts";
import type { PolicyDatabase, PolicyInput, PolicyUser } from "../policy/input.ts";
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
  return {
    version: 1,
    time: new Date(circumstances.now).toISOString(),
    user: caller.facts.user,
    client: { ip: circumstances.ip, user_agent: circumstances.userAgent },
    database: caller.facts.database,
    db_user: caller.awsRoleArn,
    request: { service: "dynamodb", operation: circumstances.operation, id: circumstances.decisionId, accesses },
  };
}

/** What of a caller policy is told, and where its tables live. */
export interface CallerFacts {
  readonly user: PolicyUser;
  readonly database: PolicyDatabase;
  readonly place: Place;
}

/** The facts of a principal at a database, frozen all the way down, as both of them are. */
export function callerFacts(principal: Principal, database: Database): CallerFacts {
  const { name, roles, traits, mfaVerified } = principal;
  const { labels, region, accountId, partition } = database;
  return {
    user: Object.freeze({ name, roles, traits, mfa_verified: mfaVerified }),
    database: Object.freeze({ name: database.name, labels, region, account_id: accountId, partition }),
    place: placeOf(database),
  };
}

/** Where a database's tables live: names become ARNs there, and ARNs of anywhere else are refused. */
function placeOf(database: Database): Place {
  const [own, ...aliases] = database.arnScopes;
  return { partition: own.partition, region: own.region, accountId: own.accountId, aliases };
}
