/** How the store asks DynamoDB: through a function that it is given, again when an answer is late, lost or throttled. */

import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../base/errors.ts";
import { unavailable } from "./store-errors.ts";

/** An answer as it came; `body` is parsed JSON. */
export interface DynamoDbAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Performs an operation of DynamoDB's JSON protocol: signs and sends `body` under `DynamoDB_20120810.<operation>`. Resolves with
 * whatever was answered, errors too; rejects when there was no answer. It need not try again.
 */
export type DynamoDbCall = (operation: string, body: object) => Promise<DynamoDbAnswer>;

/** Why a part of a transaction did not happen; `Item` is what was there. */
export interface CancellationReason {
  readonly Code?: string;
  readonly Item?: Readonly<Record<string, { readonly S: string } | { readonly N: string }>>;
}

/** An error that DynamoDB answered, and that another attempt would not change. */
export class DynamoDbError extends Error {
  /** Without its namespace: `TransactionCanceledException`. */
  readonly type: string;
  // Private, as these hold values and errors are logged.
  readonly #reasons: readonly CancellationReason[];

  constructor(type: string, message: string, reasons: readonly CancellationReason[] = []) {
    super(message);
    this.name = "DynamoDbError";
    this.type = type;
    this.#reasons = reasons;
  }

  /** Of each part of a cancelled transaction, in their order. */
  reasons(): readonly CancellationReason[] {
    return this.#reasons;
  }
}

const ATTEMPTS = 8;
const LONGEST_MS = 2000;
const TRANSIENT =
  /^(?:ProvisionedThroughputExceeded|Throttling|RequestLimitExceeded|LimitExceeded|TransactionInProgress|TransactionConflict|InternalServerError|ServiceUnavailable|InternalFailure)/;

/**
 * Asks until there is an answer that counts. The body stays the same, so that a token in it makes writes happen once.
 *
 * @throws DynamoDbError, and PosternError `store_unavailable` when every attempt failed
 */
export async function ask(
  call: DynamoDbCall,
  table: string,
  operation: string,
  body: object,
): Promise<Readonly<Record<string, unknown>>> {
  for (let attempt = 1; ; attempt += 1) {
    let reason: string;
    let cause: unknown;
    try {
      const answer = await call(operation, body);
      const answered = (answer.body ?? {}) as Readonly<Record<string, unknown>>;
      if (answer.status === 200) return answered;
      const error = errorOf(answer.status, answered);
      if (answer.status < 500 && !TRANSIENT.test(error.type)) throw error;
      reason = `${error.type}: ${error.message}`;
    } catch (error) {
      if (error instanceof DynamoDbError) throw error;
      cause = error;
      reason = messageOf(error);
    }
    if (attempt === ATTEMPTS) {
      throw unavailable(`ask DynamoDB for ${operation} on table "${table}"`, reason, "try again in a moment", cause);
    }
    await pause(attempt, LONGEST_MS);
  }
}

/** Waits a random while that grows with the attempts, so that those who collided part. */
export async function pause(attempt: number, longestMs: number): Promise<void> {
  await sleep(Math.random() * Math.min(longestMs, 10 * 2 ** Math.min(attempt, 20)));
}

/** What DynamoDB refused for good, in our words. Its message may hold a key, never a value. */
export function refusedByDynamoDb(table: string, operation: string, error: unknown): unknown {
  if (!(error instanceof DynamoDbError)) return error;
  const hint =
    error.type === "ResourceNotFoundException"
      ? "make the table first, or check its name, account and region"
      : "check the credentials and what they may do with the table";
  return unavailable(
    `ask DynamoDB for ${operation} on table "${table}"`,
    `${error.type}: ${error.message}`,
    hint,
    error,
  );
}

function errorOf(status: number, body: Readonly<Record<string, unknown>>): DynamoDbError {
  const { __type: given, message = body["Message"], CancellationReasons: reasons } = body;
  const type = typeof given === "string" ? given.slice(given.lastIndexOf("#") + 1) : `HTTP ${status}`;
  const text = typeof message === "string" ? message : "no reason given";
  return new DynamoDbError(type, text, Array.isArray(reasons) ? (reasons as CancellationReason[]) : []);
}
