/** The differences between direct and through Postern that somebody has looked at, each with its reason. */

import type { Difference } from "./compare.ts";

/** The upstreams in front of which Postern stands. */
export type UpstreamName = "moto" | "DynamoDB Local";

/** Differences with one cause. */
export interface Listed {
  /** Fits `OPERATION | DIRECT ANSWER | ANSWER THROUGH POSTERN`. */
  readonly like: RegExp;
  /** How many there are in front of each upstream, exactly. */
  readonly count: Readonly<Partial<Record<UpstreamName, number>>>;
  readonly why: string;
}

const INVALID = "400 ValidationException: ";

/**
 * All of them are requests that Postern refuses by itself, but for the last row. Where both refuse, status and error type
 * are the same unless the row shows others.
 */
export const LISTED: readonly Listed[] = [
  // Refused by both, in other words. Ours are held to DynamoDB Local's (tests/conformance/words.slow.test.ts).
  {
    like: /^\w+ \| 400 ValidationException: 1 validation error detected: (.*) \| 400 ValidationException: \1$/,
    count: { moto: 12 },
    why: "for writes moto, like AWS lately, puts some words more in front of the same sentence; DynamoDB Local does not",
  },
  {
    like: new RegExp(`^PutItem \\| ${INVALID}.*(?:numeric value: .*|into a number) \\| ${INVALID}.* numeric value$`),
    count: { moto: 7, "DynamoDB Local": 7 },
    why: "what is no number may be a secret in the wrong place: it is not repeated, since refusals are put on record",
  },
  {
    like: /^TransactWriteItems \| .*less than or equal to 100\.? \| .*at 'transactItems'.*less than or equal to 100$/,
    count: { moto: 2, "DynamoDB Local": 2 },
    why: "moto, DynamoDB Local and AWS's validator each say that there are too many in words of their own; ours are the validator's",
  },
  {
    like: /^BatchGetItem \| .*Too many items requested for the BatchGetItem call \| .*\.member\.keys' failed/,
    count: { "DynamoDB Local": 1 },
    why: "too many keys, in the words of AWS's validator, which moto has as well",
  },
  {
    like: /^UpdateItem \| .*Return values set to invalid value \| .*at 'returnValues' failed/,
    count: { moto: 2, "DynamoDB Local": 2 },
    why: "a value of no enumeration, in the words of AWS's validator",
  },
  {
    like: /^(?:Query|Scan) \| 400 ValidationException: .* \| .*'count' at 'select' failed/,
    count: { moto: 2, "DynamoDB Local": 2 },
    why: "a value of no enumeration: moto has the same words with the values in another order",
  },
  {
    like: /^PutItem \| .*: (Null attribute value types must .*) \| .*One or more .* invalid: \1$/,
    count: { moto: 1 },
    why: "moto leaves words out that DynamoDB Local has",
  },
  {
    like: /^Query \| (.*token: "sk") \| \1, near: "begins_with sk,"$/,
    count: { moto: 1 },
    why: "moto leaves words out that DynamoDB Local has",
  },
  {
    like: /^Scan \| 400 ValidationException: (?:Bad Filter Expression|ProjectionExpression): .* \| 400 ValidationException: Invalid/,
    count: { moto: 3 },
    why: "moto has other words than DynamoDB Local for what is wrong in an expression",
  },
  {
    like: /^UpdateItem \| .*ExpressionAttributeValues contains invalid value: (.*) for key :emptySet \| 400 ValidationException: \1$/,
    count: { "DynamoDB Local": 1 },
    why: "values are read without regard to where they stand",
  },
  {
    like: /^ExecuteTransaction \| 400 (ValidationException: Statement wasn't well formed, can't be processed: ).* \| 400 \1/,
    count: { "DynamoDB Local": 1 },
    why: "a statement is not repeated: what is wrong with it is said instead",
  },

  // Refused by both, for reasons that each finds first.
  {
    like: /^(?:UpdateItem|BatchGetItem) \| 400 ResourceNotFoundException: .* \| 400 ValidationException: (?:Invalid Upd|Value prov)/,
    count: { "DynamoDB Local": 3 },
    why: "neither table nor expression is good: DynamoDB Local looks for the table first, moto reads the expression first",
  },
  {
    like: /^ListTagsOfResource \| 400 .* \| .*"DymmyArn" as ResourceArn/,
    count: { moto: 1, "DynamoDB Local": 1 },
    why: "what is no ARN names nothing that policy could judge",
  },
  {
    like: /^DeleteItem \| 400 ConditionalCheckFailed.* \| .*unused in expressions: keys: \{:match\}$/,
    count: { moto: 1 },
    why: "moto does not see that a value is unused; DynamoDB Local does",
  },
  {
    like: /^UpdateTable \| 400 .* \| .*'OLD_IMAGES' at 'streamSpecification\.streamViewType' failed/,
    count: { moto: 1, "DynamoDB Local": 1 },
    why: "OLD_IMAGES is no view type; they see first that there is a stream",
  },

  // Refused by Postern, executed by the upstream.
  {
    like: /^UpdateItem \| .* \| .*Can not use both expression and non-expression parameters/,
    count: { moto: 8 },
    why: "moto mixes what must not be mixed; DynamoDB Local refuses it in these words",
  },
  {
    like: /^GetItem \| 200 .* \| .*Attribute name is a reserved keyword/,
    count: { moto: 2 },
    why: "moto takes reserved words as names; DynamoDB Local refuses them in these words",
  },
  {
    like: /^CreateTable \| 200 .* \| .*'(?:NEW_IMAGES' at 'streamSpecification\.streamViewType|SORT' at 'keySchema\.2\.member\.keyType)' failed/,
    count: { moto: 1, "DynamoDB Local": 2 },
    why: "neither is a value of its enumeration, and AWS's validator refuses both",
  },
  {
    like: /^PutItem \| 200 .* \| .*'Garbage' at 'returnConsumedCapacity' failed/,
    count: { "DynamoDB Local": 1 },
    why: "no value of the enumeration: moto refuses it in these words",
  },
  {
    like: /^CreateBackup \| .* \| .*'n\/a' at 'backupName' failed/,
    count: { moto: 1, "DynamoDB Local": 1 },
    why: "the service model allows no such name; moto does not look, DynamoDB Local has no backups",
  },
  {
    like: /^DescribeExport \| 200 .* \| .*arn:aws:dynamodb:us-east-1:123456789012:table\/arn:aws:/,
    count: { moto: 4 },
    why: "moto writes the table's whole ARN into the ARN of an export, where its name belongs",
  },
  {
    like: /^(?:ExecuteTransaction|BatchExecuteStatement) \| 200 .* \| 400 ValidationException: Statement wasn't well formed/,
    count: { moto: 5, "DynamoDB Local": 4 },
    why:
      "table names with dashes need quotes: moto does not mind, DynamoDB Local answers for each statement that it is malformed. " +
      "Postern sends no batch of which it does not understand a part, and refuses it whole",
  },

  // Refused by the upstream, executed through Postern.
  {
    like: /^CreateTable \| 400 UnrecognizedClientException: .* \| 200 /,
    count: { "DynamoDB Local": 3 },
    why: "the test's access key is none that DynamoDB Local takes; Postern signs with the key of the role that it assumed",
  },
];

/** What is wrong with differences or list: differences that not exactly one row covers, and rows with another count. */
export function unexplained(on: UpstreamName, differences: readonly Difference[], rows: readonly Listed[]): string[] {
  const found = new Map<Listed, number>(rows.map((row) => [row, 0]));
  const wrong: string[] = [];
  for (const difference of differences) {
    const text = textOf(difference);
    const fitting = rows.filter(({ like, count }) => count[on] !== undefined && like.test(text));
    for (const row of fitting) found.set(row, (found.get(row) ?? 0) + 1);
    if (fitting.length !== 1) wrong.push(`${fitting.length} rows cover ${difference.test}: ${text}`);
  }
  for (const [{ like, count }, seen] of found) {
    if (seen !== (count[on] ?? 0)) {
      wrong.push(`${String(like)} is listed for ${count[on]} differences, and there are ${seen}`);
    }
  }
  return wrong;
}

/** One line of a difference, cut where nothing new follows. */
export function textOf({ what, direct, through }: Difference): string {
  return [what, direct, through].map((part) => part.slice(0, 300)).join(" | ");
}
