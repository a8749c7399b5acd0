/** AWS partitions: which one a region belongs to, and the DNS names used there. */

import { AwsError } from "./errors.ts";

/** The identifier that opens every ARN of a partition, after `arn:`. */
export type PartitionId =
  | "aws"
  | "aws-cn"
  | "aws-us-gov"
  | "aws-eusc"
  | "aws-iso"
  | "aws-iso-b"
  | "aws-iso-e"
  | "aws-iso-f";

/** What this room needs to know of a partition. Facts: the endpoint metadata that every AWS SDK ships. */
export interface Partition {
  readonly id: PartitionId;
  /** The end of ordinary host names. */
  readonly dnsSuffix: string;
  /** The end of host names that answer on IPv4 and IPv6. */
  readonly dualStackSuffix: string;
  /** The regions of this partition, those not yet known included. */
  readonly regions: RegExp;
}

/** All partitions, the commercial one first. */
export const partitions: readonly Partition[] = [
  {
    id: "aws",
    dnsSuffix: "amazonaws.com",
    dualStackSuffix: "api.aws",
    regions: /^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-\d{1,2}$/,
  },
  {
    id: "aws-cn",
    dnsSuffix: "amazonaws.com.cn",
    dualStackSuffix: "api.amazonwebservices.com.cn",
    regions: /^cn-[a-z]+-\d{1,2}$/,
  },
  { id: "aws-us-gov", dnsSuffix: "amazonaws.com", dualStackSuffix: "api.aws", regions: /^us-gov-[a-z]+-\d{1,2}$/ },
  {
    id: "aws-eusc",
    dnsSuffix: "amazonaws.eu",
    dualStackSuffix: "api.amazonwebservices.eu",
    regions: /^eusc-[a-z]{2}-[a-z]+-\d{1,2}$/,
  },
  { id: "aws-iso", dnsSuffix: "c2s.ic.gov", dualStackSuffix: "api.aws.ic.gov", regions: /^us-iso-[a-z]+-\d{1,2}$/ },
  {
    id: "aws-iso-b",
    dnsSuffix: "sc2s.sgov.gov",
    dualStackSuffix: "api.aws.scloud",
    regions: /^us-isob-[a-z]+-\d{1,2}$/,
  },
  {
    id: "aws-iso-e",
    dnsSuffix: "cloud.adc-e.uk",
    dualStackSuffix: "api.cloud-aws.adc-e.uk",
    regions: /^eu-isoe-[a-z]+-\d{1,2}$/,
  },
  {
    id: "aws-iso-f",
    dnsSuffix: "csp.hci.ic.gov",
    dualStackSuffix: "api.aws.hci.ic.gov",
    regions: /^us-isof-[a-z]+-\d{1,2}$/,
  },
];

/** The commercial partition, which also stands for emulators. */
export const commercial: Partition = partitionNamed("aws");

/**
 * The partition of an AWS region. A region that no partition claims but that is shaped like a commercial one
 * (`xx-place-1`) is taken to be a new commercial region.
 *
 * @throws AwsError `region_invalid` for anything else: a wrong guess would send credentials to the wrong partition.
 */
export function partitionOf(region: string): Partition {
  const known = partitions.find((partition) => partition.regions.test(region));
  if (known !== undefined) return known;
  if (/^[a-z]{2}-[a-z]+-\d{1,2}$/.test(region)) return commercial;
  throw new AwsError(
    "region_invalid",
    `Cannot place AWS region "${region}": no AWS partition has regions of that form`,
    {
      hint: 'write it as AWS does, for example "us-east-1"',
    },
  );
}

function partitionNamed(id: PartitionId): Partition {
  const found = partitions.find((partition) => partition.id === id);
  if (found === undefined) throw new AwsError("region_invalid", `Cannot find partition "${id}"`);
  return found;
}
