/** Upstream addresses: what a database's `uri` means, and the host that each DynamoDB service of it is reached at. */

import { AwsError } from "./errors.ts";
import { commercial, type Partition, partitionOf, partitions } from "./partitions.ts";

/** The services of DynamoDB that have hosts of their own. */
export type DynamoDbService = "dynamodb" | "streams" | "search";

/** Where a request goes and how it is signed. */
export interface Upstream {
  /** Scheme, host and port, without a path: `https://dynamodb.us-east-1.amazonaws.com`. */
  readonly origin: string;
  /** The `host` header: the port is there only when it is not the scheme's own. */
  readonly host: string;
  /** The region of the signature. */
  readonly region: string;
  /** The service of the signature; the same for all three. */
  readonly signingName: "dynamodb";
}

/** One upstream per service. */
export type Upstreams = Readonly<Record<DynamoDbService, Upstream>>;

/** What a `uri` turned out to be. */
export type Endpoint =
  /** Public AWS endpoints of a region: each service has its own host. */
  | {
      readonly kind: "aws";
      readonly region: string;
      readonly partition: Partition;
      readonly fips: boolean;
      readonly dualStack: boolean;
      /** The account in the host name (`123456789012.ddb.us-east-1.…`), if there is one. */
      readonly accountId: string | undefined;
    }
  /** One AWS interface endpoint, which takes all services. */
  | {
      readonly kind: "vpce";
      readonly origin: string;
      readonly host: string;
      readonly region: string;
      readonly fips: boolean;
    }
  /** A host of the operator's own over TLS, which takes all services. */
  | { readonly kind: "custom"; readonly origin: string; readonly host: string }
  /** An emulator over plain HTTP, which takes all services. */
  | { readonly kind: "emulator"; readonly origin: string; readonly host: string };

/**
 * Reads a database's `uri`: an AWS host name with or without scheme and port, `https://…`, or `http://host:port` for an
 * emulator (loopback only unless `insecure`).
 *
 * @throws AwsError `endpoint_invalid` for anything else, AWS hosts that do not serve DynamoDB included.
 */
export function parseEndpoint(uri: string, insecure: boolean): Endpoint {
  const match = /^(?:([a-z][a-z0-9+.-]*):\/\/)?([^/?#@\\\s]+)\/?$/i.exec(uri);
  const scheme = match?.[1]?.toLowerCase();
  const authority = match?.[2];
  if (
    authority === undefined ||
    !(scheme === undefined || scheme === "aws" || scheme === "https" || scheme === "http")
  ) {
    throw invalid(uri, "expected host, host:port, https://host:port or http://host:port, with no path, user or query");
  }
  const url = parsedUrl(uri, scheme === "http" ? "http" : "https", authority);
  const aws = parseAwsHost(uri, url.hostname);
  if (aws !== undefined) {
    if (scheme === "http") throw invalid(uri, "AWS is reached over TLS only", "write https:// or leave the scheme out");
    if (aws.kind === "aws" && url.port !== "") throw invalid(uri, `AWS serves DynamoDB on port 443, not ${url.port}`);
    return aws.kind === "aws" ? aws : { ...aws, origin: url.origin, host: url.host };
  }
  if (scheme === "http") {
    if (!insecure && !isLoopback(url.hostname)) {
      throw invalid(
        uri,
        "plain HTTP leaves this machine",
        "set insecure: true on this database if that network is trusted",
      );
    }
    return { kind: "emulator", origin: url.origin, host: url.host };
  }
  if (scheme !== "https") {
    // Without a scheme only AWS is meant: a mistyped AWS name must not become a stranger that receives signed requests.
    throw invalid(
      uri,
      "it is not an AWS endpoint of DynamoDB",
      `write http://${authority} for an emulator, https://${authority} for a host of your own`,
    );
  }
  return { kind: "custom", origin: url.origin, host: url.host };
}

/**
 * The upstream of each service. An AWS endpoint stands for its region's whole family, so a `uri` that names the
 * `dynamodb` host does not draw Streams calls there; every other endpoint takes all.
 *
 * @param region signs the requests of a custom endpoint or an emulator; an AWS endpoint has its own.
 * @param accountId when given, hosts with the account in their name are used where AWS has them.
 */
export function upstreamsOf(endpoint: Endpoint, region: string, accountId?: string): Upstreams {
  if (endpoint.kind !== "aws") {
    const { origin, host } = endpoint;
    const all: Upstream = {
      origin,
      host,
      region: endpoint.kind === "vpce" ? endpoint.region : region,
      signingName: "dynamodb",
    };
    return { dynamodb: all, streams: all, search: all };
  }
  const { partition, dualStack } = endpoint;
  // GovCloud's ordinary endpoints are the FIPS ones; it has separate names only for dual stack.
  const fips = endpoint.fips && (partition.id !== "aws-us-gov" || dualStack) ? "-fips" : "";
  // SDKs use account hosts in the commercial partition only, and never together with FIPS.
  const account = partition.id === "aws" && !endpoint.fips ? (endpoint.accountId ?? accountId) : undefined;
  const streams = dualStack && STREAMS_DASHED.has(partition.id) ? `streams-dynamodb${fips}` : `streams.dynamodb${fips}`;
  const upstream = (name: string): Upstream => {
    const host = `${name}.${endpoint.region}.${dualStack ? partition.dualStackSuffix : partition.dnsSuffix}`;
    return { origin: `https://${host}`, host, region: endpoint.region, signingName: "dynamodb" };
  };
  return {
    dynamodb: upstream(account === undefined ? `dynamodb${fips}` : `${account}.ddb`),
    streams: upstream(streams),
    search: upstream(account === undefined ? `search-dynamodb${fips}` : `${account}.search-ddb`),
  };
}

/** The public AWS endpoints of a region. @throws AwsError `region_invalid`. */
export function awsEndpoint(region: string): Endpoint {
  return { kind: "aws", region, partition: partitionOf(region), fips: false, dualStack: false, accountId: undefined };
}

/** True for names and addresses that cannot leave this machine; not `x.localhost`, which some resolvers ask the network for. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

// Partitions whose dual-stack Streams host has a dash where all others have a dot (the SDKs' endpoint rules).
const STREAMS_DASHED: ReadonlySet<string> = new Set(["aws", "aws-cn", "aws-us-gov"]);

const SERVICE_LABELS = /^(?:(?:streams[.-]|search-)?dynamodb(-fips)?|(\d{12})\.(?:ddb|streams-ddb|search-ddb))$/;
const VPCE_LABELS = /^vpce-[a-z0-9-]+\.(?:[a-z]+[.-])?dynamodb(-fips)?(?:-[a-z]+)?$/;

type AwsHost = (Endpoint & { kind: "aws" }) | Omit<Endpoint & { kind: "vpce" }, "origin" | "host">;

/** What an AWS host name says; undefined when it is not one of AWS's names. */
function parseAwsHost(uri: string, hostname: string): AwsHost | undefined {
  const suffixes = partitions.flatMap(({ dnsSuffix, dualStackSuffix }) => [dnsSuffix, dualStackSuffix]);
  const suffix = suffixes.find((each) => hostname === each || hostname.endsWith(`.${each}`));
  if (suffix === undefined) return undefined;
  const isVpce = hostname.endsWith(`.vpce.${suffix}`);
  const labels = hostname.slice(0, -(suffix.length + (isVpce ? ".vpce." : ".").length));
  const dot = labels.lastIndexOf(".");
  const region = labels.slice(dot + 1);
  const service = labels.slice(0, Math.max(dot, 0));
  if (/^dax(?:-fips)?$/.test(service)) {
    throw invalid(
      uri,
      "it is a DAX endpoint, and DAX speaks a protocol of its own that Postern does not",
      "leave uri out to reach DynamoDB itself",
    );
  }
  const match = (isVpce ? VPCE_LABELS : SERVICE_LABELS).exec(service);
  if (match === null) {
    throw invalid(uri, "it is an AWS host, but not one of DynamoDB", "leave uri out: it is derived from the region");
  }
  const partition = partitionOf(region);
  if (partition.dnsSuffix !== suffix && partition.dualStackSuffix !== suffix) {
    throw invalid(
      uri,
      `region "${region}" is in partition "${partition.id}", whose hosts end in ".${partition.dnsSuffix}"`,
    );
  }
  const fips = match[1] !== undefined;
  if (isVpce) return { kind: "vpce", region, fips };
  const dualStack = suffix === partition.dualStackSuffix;
  const accountId = match[2];
  if (accountId !== undefined && partition !== commercial) {
    throw invalid(uri, `partition "${partition.id}" has no hosts with an account in their name`);
  }
  return { kind: "aws", region, partition, fips, dualStack, accountId };
}

function parsedUrl(uri: string, scheme: "http" | "https", authority: string): URL {
  if (!URL.canParse(`${scheme}://${authority}`)) throw invalid(uri, "its host or port cannot be read");
  const url = new URL(`${scheme}://${authority}`);
  if (url.hostname === "" || url.hostname.endsWith(".")) throw invalid(uri, "its host or port cannot be read");
  if (url.port === "0") throw invalid(uri, "port 0 is no place to connect to");
  return url;
}

function invalid(uri: string, reason: string, hint?: string): AwsError {
  const message = `Cannot use DynamoDB endpoint ${JSON.stringify(uri.slice(0, 300))}: ${reason}`;
  return new AwsError("endpoint_invalid", message, hint === undefined ? {} : { hint });
}
