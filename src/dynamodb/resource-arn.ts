/** Resolves the names and ARNs of requests to this database's resources, in one canonical spelling, or refuses them. */

import { printable, RequestError } from "./request-error.ts";

/** Where a database's tables are. */
export interface Place {
  readonly partition: string;
  readonly region: string;
  readonly accountId: string;
  /** Other regions and accounts in whose name an emulator speaks of the same tables. */
  readonly aliases?: readonly { readonly region: string; readonly accountId: string }[];
}

/** A resource of this database. */
export interface Resource {
  /** The table; null for what belongs to no table. */
  readonly table: string | null;
  readonly index: string | null;
  readonly arn: string;
}

/** The parts of a table that have ARNs of their own, and what may follow their name. */
export type TablePart = "index" | "stream" | "backup" | "export" | "import" | "bulk";

const NAME = /^[a-zA-Z0-9_.-]{3,255}$/;
const PARTS: Readonly<Record<TablePart, RegExp>> = {
  index: /^index\/([a-zA-Z0-9_.-]{3,255})$/,
  stream: /^stream\/[a-zA-Z0-9_.:-]{1,64}$/,
  backup: /^backup\/[a-zA-Z0-9_-]{1,64}$/,
  export: /^export\/[a-zA-Z0-9_-]{1,64}$/,
  import: /^import\/[a-zA-Z0-9_-]{1,64}$/,
  // AWS documents no form for these; this one follows its neighbours, anything else is refused.
  bulk: /^bulk[a-z-]{0,32}\/[a-zA-Z0-9_-]{1,64}$/,
};
const ARN = /^arn:([a-z0-9-]+):([a-z0-9-]+):([a-z0-9-]*):([0-9]*):(.+)$/;

/** The ARN under which an access to no table in particular is judged: all tables of the account. */
export function allTables(place: Place): Resource {
  return { table: null, index: null, arn: `${prefixOf(place)}table/*` };
}

/** A table by its name, and an index of it when one is named. */
export function tableByName(name: string, index: string | null, place: Place, parameter: string): Resource {
  if (name.startsWith("arn:")) throw refused(name, parameter, "a table's plain name is expected here, not an ARN");
  if (!NAME.test(name)) {
    throw new RequestError(
      "ValidationException",
      `1 validation error detected: Value '${printable(name)}' at '${awsName(parameter)}' ` +
        "failed to satisfy constraint: Member must " +
        (name.length < 3
          ? "have length greater than or equal to 3"
          : name.length > 255
            ? "have length less than or equal to 255"
            : "satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
      parameter,
    );
  }
  const arn = `${prefixOf(place)}table/${name}`;
  return index === null ? { table: name, index, arn } : { table: name, index, arn: `${arn}/index/${index}` };
}

/** A table by its name or its ARN; an ARN of an index, a stream or another place's table is refused. */
export function tableByNameOrArn(text: string, index: string | null, place: Place, parameter: string): Resource {
  if (!text.startsWith("arn:")) return tableByName(text, index, place, parameter);
  const [table, rest] = ownTable(text, place, parameter);
  if (rest !== "") throw refused(text, parameter, "the ARN does not end with the table's name");
  return tableByName(table, index, place, parameter);
}

/** A table or a part of it by its ARN; parts other than `parts` are refused, the table itself unless `orTable`. */
export function tablePartByArn(
  text: string,
  parts: readonly TablePart[],
  orTable: boolean,
  place: Place,
  parameter: string,
): Resource {
  if (!text.startsWith("arn:")) throw refused(text, parameter, "an ARN is expected here");
  const [table, rest] = ownTable(text, place, parameter);
  if (rest === "" && orTable) return tableByName(table, null, place, parameter);
  for (const part of parts) {
    const match = PARTS[part].exec(rest);
    if (match !== null) return { table, index: match[1] ?? null, arn: `${prefixOf(place)}table/${table}/${rest}` };
  }
  throw refused(text, parameter, "the ARN names something else than this operation works on");
}

/** The stream that a shard iterator reads: `STREAM-ARN|1|…`. */
export function streamOfIterator(text: string, place: Place, parameter: string): Resource {
  const match = /^(arn:[^|\s]+)\|[0-9]{1,3}\|[^\s|]+$/.exec(text);
  const arn = match?.[1];
  if (arn === undefined) throw refused(text, parameter, "it does not begin with the ARN of a stream");
  return tablePartByArn(arn, ["stream"], false, place, parameter);
}

/** A global table (version 2017) by its name. Its replicas are the tables of that name. */
export function globalTable(name: string, place: Place, parameter: string): Resource {
  const { table } = tableByName(name, null, place, parameter);
  return { table, index: null, arn: `arn:${place.partition}:dynamodb::${place.accountId}:global-table/${name}` };
}

/**
 * A place in S3: `arn:aws:s3:::bucket/prefix`, and where the owner is told, `arn:aws:s3::111122223333:bucket/prefix`. Never
 * a table, so that no rule about tables vouches for it.
 */
export function bucket(
  name: string,
  prefix: string | undefined,
  owner: string | undefined,
  place: Place,
  parameter: string,
): Resource {
  if (!/^[a-z0-9A-Z._-]{1,255}$/.test(name)) throw refused(name, parameter, "it is not the name of a bucket");
  const path = prefix === undefined || prefix === "" ? "" : `/${prefix}`;
  return { table: null, index: null, arn: `arn:${place.partition}:s3::${owner ?? ""}:${name}${path}` };
}

/** A KMS key by its id, its alias or its ARN, as an ARN; a key of another account or region is judged as it stands. */
export function kmsKey(text: string, place: Place, parameter: string): Resource {
  const here = `arn:${place.partition}:kms:${place.region}:${place.accountId}:`;
  if (/^alias\/[a-zA-Z0-9/_-]{1,250}$/.test(text)) return { table: null, index: null, arn: here + text };
  if (/^[a-zA-Z0-9-]{1,64}$/.test(text)) return { table: null, index: null, arn: `${here}key/${text}` };
  if (/^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key\/[a-zA-Z0-9-]{1,64}|alias\/[a-zA-Z0-9/_-]{1,250})$/.test(text)) {
    return { table: null, index: null, arn: text };
  }
  throw refused(text, parameter, "the id, alias or ARN of a KMS key is expected here");
}

/** An IAM role that is handed on. */
export function iamRole(text: string, parameter: string): Resource {
  if (/^arn:aws[a-z-]*:iam::[0-9]{12}:role\/[\w+=,.@/-]{1,500}$/.test(text))
    return { table: null, index: null, arn: text };
  throw refused(text, parameter, "the ARN of an IAM role is expected here");
}

/**
 * A table's replica in a region, by its ARN there; never a table of this database, so that no rule about tables vouches
 * for the region. In this region it is the table itself.
 */
export function replica(region: string, table: string, place: Place, parameter: string): Resource {
  if (!/^[a-z]{2,8}(?:-[a-z0-9]{1,16}){1,4}$/.test(region)) throw refused(region, parameter, "it is not a region");
  const own = tableByNameOrArn(table, null, place, parameter);
  if (region === place.region) return own;
  const arn = `arn:${place.partition}:dynamodb:${region}:${place.accountId}:table/${own.table ?? ""}`;
  return { table: null, index: null, arn };
}

/** A Kinesis stream of the same account and region, as AWS demands. */
export function kinesisStream(text: string, place: Place, parameter: string): Resource {
  const [partition, service, region, account, resource] = partsOf(text, parameter);
  if (service !== "kinesis" || !/^stream\/[a-zA-Z0-9_.-]{1,128}$/.test(resource)) {
    throw refused(text, parameter, "the ARN of a Kinesis stream is expected here");
  }
  checkPlace(text, partition, region, account, place, parameter);
  return {
    table: null,
    index: null,
    arn: `arn:${place.partition}:kinesis:${place.region}:${place.accountId}:${resource}`,
  };
}

/** The table's name in an ARN of this place, and what follows it. */
function ownTable(text: string, place: Place, parameter: string): [table: string, rest: string] {
  const [partition, service, region, account, resource] = partsOf(text, parameter);
  if (service !== "dynamodb") throw refused(text, parameter, "the ARN does not name a DynamoDB resource");
  checkPlace(text, partition, region, account, place, parameter);
  const match = /^table\/([a-zA-Z0-9_.-]{3,255})(?:\/(.+))?$/.exec(resource);
  const table = match?.[1];
  if (table === undefined) throw refused(text, parameter, "the ARN does not name a table");
  return [table, match?.[2] ?? ""];
}

function partsOf(text: string, parameter: string): [string, string, string, string, string] {
  const match = ARN.exec(text);
  if (match === null) throw refused(text, parameter, "it is not an ARN");
  const [, partition = "", service = "", region = "", account = "", resource = ""] = match;
  return [partition, service, region, account, resource];
}

function checkPlace(
  text: string,
  partition: string,
  region: string,
  account: string,
  place: Place,
  parameter: string,
): void {
  if (partition === place.partition && region === place.region && account === place.accountId) return;
  // An emulator writes `aws` whatever the partition.
  const emulated = partition === place.partition || partition === "aws";
  if (emulated && place.aliases?.some((alias) => alias.region === region && alias.accountId === account) === true)
    return;
  throw refused(text, parameter, "the ARN names another partition, region or account than this database's");
}

function prefixOf(place: Place): string {
  return `arn:${place.partition}:dynamodb:${place.region}:${place.accountId}:`;
}

function refused(text: string, parameter: string, reason: string): RequestError {
  return new RequestError(
    "ValidationException",
    `Cannot use "${printable(text)}" as ${parameter}: ${reason}`,
    parameter,
  );
}

function awsName(parameter: string): string {
  return parameter.charAt(0).toLowerCase() + parameter.slice(1);
}
