/** Asks policy about a request, and learns the keys of its tables first when policy turns on them alone. */

import { Buffer } from "node:buffer";
import { type Understanding, understand } from "../dynamodb/accesses.ts";
import type { DynamoRequest } from "../dynamodb/request.ts";
import type { Decision, Reason } from "../policy/decision.ts";
import type { Caller } from "./authenticate.ts";
import { describerFor } from "./describe-table.ts";
import { type Circumstances, policyInput } from "./facts.ts";
import type { Departure, UpstreamResponse } from "./ports.ts";
import type { GatewayServices } from "./services.ts";
import type { DecisionPoint, GatewayState } from "./state.ts";
import type { DatabaseSchemas, Unlearned } from "./table-schemas.ts";

export interface Judgement {
  readonly decision: Decision;
  readonly accesses: Understanding["accesses"];
  /** Tables whose keys would have told more, and are not known. */
  readonly unlearned: readonly UnlearnedTable[];
}

export interface UnlearnedTable {
  readonly table: string;
  readonly why: Unlearned;
}

/**
 * Decides about a request. DynamoDB is asked for a table's keys only when labels, database user, action and table are
 * allowed already and nothing but a missing proof stands against the request, or when packages of the installation's own
 * take part, which may look at keys; and then once.
 *
 * @throws RequestError when the request is not understood
 */
export async function judge(
  services: GatewayServices,
  { policy }: GatewayState,
  caller: Caller,
  circumstances: Circumstances,
  request: DynamoRequest,
  client: Departure,
): Promise<Judgement> {
  const schemas = services.schemas.of(caller.database);
  const role = caller.awsRoleArn;
  const first = judged(policy, schemas, caller, circumstances, request);
  const wanted = tablesToLearn(first, policy);
  if (wanted.length === 0) return first;
  for (const table of first.understanding.mismatched) schemas.doubt(table);
  await schemas.learn(role, wanted, describerFor(services, caller, circumstances.decisionId), client);
  const learned = first.understanding.mismatched.length > 0 || wanted.some((table) => schemas.schemaOf(table));
  const last = learned ? judged(policy, schemas, caller, circumstances, request) : first;
  const unlearned = tablesToLearn(last, policy).flatMap((table) => {
    const why = schemas.whyUnknown(role, table);
    return why === undefined ? [] : [{ table, why }];
  });
  return { ...last, unlearned };
}

/**
 * Keeps what is known of tables true to what DynamoDB does, and gives its answer on. A table that a request changes is
 * forgotten, also when no answer tells whether it did; one about which DynamoDB refuses a request as invalid may have other
 * keys than is known.
 */
export async function heed(
  services: GatewayServices,
  caller: Caller,
  request: DynamoRequest,
  judgement: Judgement,
  answer: Promise<UpstreamResponse>,
): Promise<UpstreamResponse> {
  let response: UpstreamResponse | undefined;
  try {
    response = await answer;
    return response;
  } finally {
    const changed = TABLE_CHANGES.has(request.operation.name);
    if (changed || (response !== undefined && isValidationError(response))) {
      const schemas = services.schemas.of(caller.database);
      for (const { table } of judgement.accesses) {
        if (table === null) continue;
        if (changed) schemas.forget(table);
        else schemas.doubt(table);
      }
    }
  }
}

const TABLE_CHANGES: ReadonlySet<string> = new Set([
  "CreateTable",
  "DeleteTable",
  "ImportTable",
  "RestoreTableFromBackup",
  "RestoreTableToPointInTime",
  "UpdateTable",
]);

/** Also of a part of a transaction, whose reason is in the error's message. */
function isValidationError({ status, body }: UpstreamResponse): boolean {
  if (status !== 400 || !(body instanceof Uint8Array)) return false;
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1", 0, LONGEST_ERROR);
  return text.includes("#ValidationException") || text.includes("ValidationError");
}

/** Characters: the reasons of a transaction with a hundred parts fit in. */
const LONGEST_ERROR = 4_096;

type Judged = Judgement & { readonly understanding: Understanding };

function judged(
  policy: DecisionPoint,
  schemas: DatabaseSchemas,
  caller: Caller,
  circumstances: Circumstances,
  request: DynamoRequest,
): Judged {
  const understanding = understand(request, caller.facts.place, schemas);
  const { accesses } = understanding;
  const decision = policy.decide(policyInput(caller, accesses, circumstances));
  return { decision, accesses, understanding, unlearned: NO_TABLES };
}

/** The tables whose keys could change the decision: none when it stands whatever they are. */
function tablesToLearn({ decision, understanding }: Judged, policy: DecisionPoint): readonly string[] {
  const { accesses, wantingKeys, wantingAttributes, mismatched } = understanding;
  if (wantingKeys.length + wantingAttributes.length + mismatched.length === 0) return NONE;
  const reasons = decision.allow ? NO_REASONS : decision.reasons;
  const tables = new Set<string>();
  // Packages of the installation's own may look at any table's keys. And of many reasons policy tells some.
  let all = (decision.allow && policy.custom) || reasons.length >= REASONS_TOLD;
  const tableToLearn = ({ code, access }: Reason): string | undefined => {
    const wanting = code === "keys_unproven" ? wantingKeys : code === "attributes_unproven" ? wantingAttributes : NONE;
    const table = access === null ? null : accesses[access]?.table;
    return table != null && (wanting.includes(table) || mismatched.includes(table)) ? table : undefined;
  };
  for (const reason of reasons) {
    if (reason.code === "custom_denied") {
      all = true;
      continue;
    }
    // Any other reason stands whatever the keys are.
    if (reason.code !== "keys_unproven" && reason.code !== "attributes_unproven") return NONE;
    const table = tableToLearn(reason);
    // Each denial must be lifted; of the rules that might allow an access one suffices, so that what another lacks is no matter.
    const isOther = (other: Reason): boolean => other.role === null && other.access === reason.access;
    if (table !== undefined) tables.add(table);
    else if (reason.role !== null || !reasons.some((other) => isOther(other) && tableToLearn(other) !== undefined))
      return NONE;
  }
  if (all) for (const table of [...wantingKeys, ...wantingAttributes, ...mismatched]) tables.add(table);
  return [...tables];
}

/** How many accesses policy gives reasons for at most: policies/postern/reasons. */
const REASONS_TOLD = 8;
const NO_TABLES: readonly UnlearnedTable[] = Object.freeze([]);
const NONE: readonly string[] = Object.freeze([]);
const NO_REASONS: readonly Reason[] = Object.freeze([]);
