/** Amazon Resource Names: reading, writing, and the one spelling that each IAM role has in Postern. */

import { AwsError } from "./errors.ts";

/** The five parts of an ARN after `arn:`; `region` and `account` are empty where a service has none. */
export interface Arn {
  readonly partition: string;
  readonly service: string;
  readonly region: string;
  readonly account: string;
  readonly resource: string;
}

/** Where a role name is looked up: the account of a database. */
export interface RoleHome {
  readonly partition: string;
  readonly accountId: string;
}

/**
 * Reads an ARN. The resource is everything after the fifth colon, colons included.
 *
 * @throws AwsError `arn_invalid` when a part that every ARN has is missing or holds a character that none can.
 */
export function parseArn(text: string): Arn {
  const match = ARN.exec(text);
  if (match === null || text.length > MAX_ARN_LENGTH) {
    throw new AwsError(
      "arn_invalid",
      `Cannot read ARN ${quoted(text)}: expected arn:partition:service:region:account:resource`,
    );
  }
  const [, partition = "", service = "", region = "", account = "", resource = ""] = match;
  return { partition, service, region, account, resource };
}

/** Writes an ARN; the inverse of `parseArn`. */
export function formatArn(arn: Arn): string {
  return `arn:${arn.partition}:${arn.service}:${arn.region}:${arn.account}:${arn.resource}`;
}

/**
 * The full ARN of the IAM role that a `db_user` names, in its only spelling: a short name (`Example`), a name with a path
 * (`team/Example`), the same with `role/` in front, and the full ARN all give the same text. Compare roles by nothing else.
 *
 * @throws AwsError `role_arn_invalid` when it names no role, `role_partition_mismatch` or `role_account_mismatch` when
 * the ARN belongs elsewhere than the database.
 *
 * @example
 * ```ts
 * import { roleArn } from "./arn.ts";
 * const home = { partition: "aws", accountId: "123456789012" };
 * console.assert(roleArn("role/Example", home) === "arn:aws:iam::123456789012:role/Example");
 * ```
 */
export function roleArn(dbUser: string, home: RoleHome): string {
  if (!dbUser.startsWith("arn:")) {
    const resource = dbUser.startsWith("role/") ? dbUser : `role/${dbUser}`;
    const arn = { partition: home.partition, service: "iam", region: "", account: home.accountId, resource };
    refuseUnlessRole(arn, dbUser);
    return formatArn(arn);
  }
  const arn = parseRoleArn(dbUser);
  if (arn.partition !== home.partition) {
    throw new AwsError(
      "role_partition_mismatch",
      `Cannot use AWS role ${quoted(dbUser)}: it is in partition "${arn.partition}", the database in "${home.partition}"`,
    );
  }
  if (arn.account !== home.accountId) {
    throw new AwsError(
      "role_account_mismatch",
      `Cannot use AWS role ${quoted(dbUser)}: it is in account "${arn.account}", the database in "${home.accountId}"`,
      { hint: "name a role of the database's account; assume_role_arn is the way into another account" },
    );
  }
  return formatArn(arn);
}

/**
 * Reads the full ARN of an IAM role, of any account.
 *
 * @throws AwsError `arn_invalid` or `role_arn_invalid`.
 */
export function parseRoleArn(text: string): Arn {
  const arn = parseArn(text);
  refuseUnlessRole(arn, text);
  return arn;
}

const MAX_ARN_LENGTH = 2048;
const ARN = /^arn:([a-z][a-z0-9-]*):([a-z0-9][a-z0-9-]*):([a-z0-9-]*):([a-z0-9-]*):([\x21-\x7e]+)$/;
// IAM: a path is printable ASCII between slashes, a name up to 64 of these characters. Empty path segments would give
// one role two spellings in people's eyes; IAM hardly ever sees them and we refuse them.
const ROLE_RESOURCE = /^role\/(?:[\x21-\x2e\x30-\x7e]+\/)*[A-Za-z0-9_+=,.@-]{1,64}$/;
const MAX_PATH_LENGTH = 512;

function refuseUnlessRole(arn: Arn, given: string): void {
  if (arn.service !== "iam" || !arn.resource.startsWith("role/")) {
    throw new AwsError("role_arn_invalid", `Cannot use AWS role ${quoted(given)}: it is not the ARN of an IAM role`, {
      hint: "use arn:<partition>:iam::<account>:role/<name>, or the role's name alone",
    });
  }
  if (arn.region !== "" || !/^\d{12}$/.test(arn.account)) {
    throw new AwsError(
      "role_arn_invalid",
      `Cannot use AWS role ${quoted(given)}: an IAM role has no region and an account of 12 digits`,
    );
  }
  if (!ROLE_RESOURCE.test(arn.resource) || arn.resource.lastIndexOf("/") + 1 - "role".length > MAX_PATH_LENGTH) {
    throw new AwsError(
      "role_arn_invalid",
      `Cannot use AWS role ${quoted(given)}: the role name is empty, too long, or has a character that IAM does not allow`,
    );
  }
}

/** As JSON, so that a control character cannot forge a line of a log, and cut. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
