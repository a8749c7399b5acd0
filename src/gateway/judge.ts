/** Asks policy about a request, and learns the keys of its tables first when policy turns on them alone. */

import { Buffer } from "node:buffer";
import { type Understanding, understand } from "../dynamodb/accesses.ts";
import type { DynamoRequest } from "../dynamodb/request.ts";
import type { Decision } from "../policy/decision.ts";
import type { Caller } from "./authenticate.ts";
import { describerFor } from "./describe-table.ts";
import { type Circumstances, policyInput } from "./facts.ts";
import type { UpstreamResponse } from "./ports.ts";
import type { GatewayServices } from "./services.ts";
import type { DecisionPoint, GatewayState } from "./state.ts";
import type { DatabaseSchemas } from "./table-schemas.ts";

export interface Judgement {
  readonly decision: Decision;
  readonly accesses: Understanding["accesses"];
  /** Tables that DynamoDB was asked about, or lately, and whose keys are still not known. */
  readonly unlearned: readonly string[];
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
): Promise<Judgement> {
  const schemas = services.schemas.of(caller.database);
  const first = judged(policy, schemas, caller, circumstances, request);
  const unknown = tablesToLearn(first, policy, schemas);
  if (unknown.length === 0) return first;
  await schemas.learn(caller.awsRoleArn, unknown, describerFor(services, caller, circumstances.decisionId));
  const last = judged(policy, schemas, caller, circumstances, request);
  return { ...last, unlearned: unknown.filter((table) => schemas.schemaOf(table) === undefined) };
}

/**
 * Keeps what is known of tables true to what an answer says: a table that was changed is forgotten, and one about which
 * DynamoDB refuses a request as invalid may have other keys than is known.
 */
export function heed(
  services: GatewayServices,
  caller: Caller,
  request: DynamoRequest,
  judgement: Judgement,
  response: UpstreamResponse,
): void {
  const changed = TABLE_CHANGES.has(request.operation.name);
  const invalid = response.status === 400 && isValidationError(response.body);
  if (!changed && !invalid) return;
  const schemas = services.schemas.of(caller.database);
  for (const { table } of judgement.accesses) {
    if (table === null) continue;
    if (changed) schemas.forget(table);
    else schemas.doubt(table);
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

function isValidationError(body: UpstreamResponse["body"]): boolean {
  return body instanceof Uint8Array && Buffer.from(body).toString("latin1", 0, 256).includes("#ValidationException");
}

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
  return { decision, accesses, understanding, unlearned: NONE };
}

/** The tables whose keys could change the decision. */
function tablesToLearn(
  { decision, understanding }: Judged,
  policy: DecisionPoint,
  schemas: DatabaseSchemas,
): readonly string[] {
  const { wantingKeys, wantingAttributes, mismatched } = understanding;
  if (wantingKeys.length + wantingAttributes.length + mismatched.length === 0) return NONE;
  const codes = decision.allow ? NONE : decision.reasons.map(({ code }) => code);
  const custom = decision.allow ? policy.custom : codes.includes("custom_denied");
  if (!custom && (decision.allow || !codes.every((code) => UNPROVEN.has(code)))) return NONE;
  if (!decision.allow && !codes.every((code) => UNPROVEN.has(code) || code === "custom_denied")) return NONE;
  const tables = new Set<string>();
  if (custom || codes.includes("keys_unproven")) for (const table of wantingKeys) tables.add(table);
  if (custom || codes.includes("attributes_unproven")) for (const table of wantingAttributes) tables.add(table);
  for (const table of mismatched) if (schemas.doubt(table)) tables.add(table);
  return [...tables];
}

const NONE: readonly string[] = Object.freeze([]);
const UNPROVEN: ReadonlySet<string> = new Set(["keys_unproven", "attributes_unproven"]);
