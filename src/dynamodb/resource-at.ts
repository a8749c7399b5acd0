/** Resolves what an access rule of the operation table found to the resource that it names. */

import type { JsonObject, JsonValue } from "../base/json.ts";
import type { AccessRule } from "./operation.ts";
import type { Found } from "./path.ts";
import {
  bucket,
  globalTable,
  iamRole,
  kinesisStream,
  kmsKey,
  type Place,
  replica,
  type Resource,
  streamOfIterator,
  tableByName,
  tableByNameOrArn,
  tablePartByArn,
} from "./resource-arn.ts";

/**
 * The resource named at `found`, to which the rule's path led in the request's `params`.
 *
 * @throws RequestError when it is malformed or elsewhere
 */
export function resourceAt(found: Found, rule: AccessRule, place: Place, params: JsonObject): Resource {
  const { value, parameter } = found;
  switch (rule.kind) {
    case "name-or-arn":
      return tableByNameOrArn(value, textBeside(found.beside, rule.index) ?? null, place, parameter);
    case "name-only":
      return tableByName(value, null, place, parameter);
    case "stream-arn":
      return tablePartByArn(value, ["stream"], false, place, parameter);
    case "shard-iterator":
      return streamOfIterator(value, place, parameter);
    case "backup-arn":
      return tablePartByArn(value, ["backup"], false, place, parameter);
    case "export-arn":
      return tablePartByArn(value, ["export"], false, place, parameter);
    case "import-arn":
      return tablePartByArn(value, ["import"], false, place, parameter);
    case "bulk-arn":
      return tablePartByArn(value, ["bulk"], false, place, parameter);
    case "resource-arn":
      return tablePartByArn(value, ["index", "stream"], true, place, parameter);
    case "global-table-name":
      return globalTable(value, place, parameter);
    case "bucket":
      return bucket(
        value,
        textBeside(found.beside, "S3Prefix") ?? textBeside(found.beside, "S3KeyPrefix"),
        textBeside(found.beside, "S3BucketOwner"),
        place,
        parameter,
      );
    case "kinesis-arn":
      return kinesisStream(value, place, parameter);
    case "kms-key":
      return kmsKey(value, place, parameter);
    case "iam-role":
      return iamRole(value, parameter);
    case "replica":
      return replica(value, textBeside(params, rule.of) ?? "", place, parameter);
    case "statement":
    case "none":
      throw new TypeError(`Cannot resolve a resource of kind "${rule.kind}"`);
  }
}

function textBeside(beside: JsonValue, member: string | undefined): string | undefined {
  if (member === undefined || !(beside instanceof Map)) return undefined;
  const value = (beside as JsonObject).get(member);
  return typeof value === "string" ? value : undefined;
}
