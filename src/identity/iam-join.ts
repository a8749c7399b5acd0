/** Joining by an AWS identity: whether a signed request to STS may be replayed, and what STS's answer says. */

import type { Buffer } from "node:buffer";
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { PosternError } from "../base/errors.ts";
import type { AwsIdentity } from "./allow-rules.ts";

/** The header that ties a signed request to one attempt to join one cluster. */
export const CHALLENGE_HEADER = "x-postern-challenge";

/** How far a signature's time may be off, in milliseconds. STS itself takes 15 minutes. */
export const IDENTITY_SKEW: number = 5 * 60_000;

/** A request to STS as an agent signed it. */
export interface SignedIdentityRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** What may be sent to STS, and nothing else of what the agent sent. */
export interface IdentityReplay {
  readonly url: string;
  readonly host: string;
  readonly partition: string;
  readonly region: string;
  /** Lower-case names; the signed ones and the signature. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A new challenge: 256 random bits. It is good for one attempt; whoever gave it forgets it afterwards. */
export function newChallenge(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * What is signed in answer to a challenge: it, and for which key (DER of a SubjectPublicKeyInfo). Whoever has somebody sign
 * the challenge of another cluster, or takes what was signed, gets a certificate for a key that they do not have.
 */
export function challengeFor(challenge: string, publicKey: Uint8Array): string {
  return `${challenge}.${createHash("sha256").update(publicKey).digest("base64url")}`;
}

/**
 * Judges a signed request. We hold no key of AWS: STS says whether the signature is good. So everything that decides
 * what STS is asked, by whom it is answered, and for whom the signature was made must be as we expect, or be refused.
 *
 * @throws PosternError `identity_request_invalid` or, for its time, `identity_request_stale`
 */
export function judgeIdentityRequest(request: SignedIdentityRequest, challenge: string, now: number): IdentityReplay {
  const { method, url, body } = request;
  if (method !== "POST") throw invalid("its method is not POST");
  const host = /^https:\/\/([a-z0-9.-]{1,100})\/$/.exec(url)?.[1] ?? "";
  const endpoint = stsEndpointOf(host);
  if (endpoint === undefined)
    throw invalid("its address is not that of AWS STS", "send it to https://sts.REGION.amazonaws.com/");
  if (!BODIES.has(body)) throw invalid("its body is not GetCallerIdentity alone");

  const headers = headersOf(request.headers);
  const signed = signedHeadersOf(headers, endpoint.region);
  for (const name of REQUIRED) if (!signed.has(name)) throw invalid(`${name} is not signed`);
  for (const name of headers.keys()) {
    if (!signed.has(name) && !UNSIGNED.has(name)) throw invalid(`${name} is not signed`);
  }
  for (const name of signed) if (!headers.has(name)) throw invalid(`${name} is signed and not there`);
  const value = (name: string): string => headers.get(name) ?? "";
  if (value("host") !== host) throw invalid("its Host is not the one that it goes to");
  if (!/^application\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i.test(value("content-type")))
    throw invalid("its content-type is not that of a form");
  const length = headers.get("content-length");
  if (length !== undefined && length !== String(body.length)) throw invalid("its content-length is not its body's");
  const bodyHash = headers.get("x-amz-content-sha256");
  if (bodyHash !== undefined && bodyHash !== sha256(body).toString("hex"))
    throw invalid("its x-amz-content-sha256 is not its body's");
  if (!timingSafeEqual(sha256(value(CHALLENGE_HEADER)), sha256(challenge)))
    throw invalid("its challenge is not the one that was given", "ask for a challenge and sign anew");
  refuseUnlessFresh(value("x-amz-date"), now);

  const sent = [...headers].filter(([name]) => name === "authorization" || signed.has(name));
  return { url, host, ...endpoint, headers: Object.fromEntries(sent), body };
}

/**
 * Reads STS's answer to a replay. Anything but the one form of it is refused: an answer with two accounts has none.
 *
 * @throws PosternError `identity_refused` when STS did not confirm it, `identity_answer_invalid` when it cannot be read
 */
export function readIdentityAnswer(
  status: number,
  xml: string,
  { partition }: Pick<IdentityReplay, "partition">,
): AwsIdentity {
  if (status !== 200) {
    throw new PosternError("identity_refused", `Cannot join by AWS identity: STS answered ${status}`, {
      hint: "the agent's AWS credentials may have expired, or its clock may be wrong",
    });
  }
  const inner = xml.length > 16_384 ? undefined : ANSWER.exec(xml)?.[1];
  const fields = new Map<string, string>();
  let rest = inner ?? "";
  while (rest !== "") {
    const [all, name, text] = FIELD.exec(rest) ?? [];
    if (all === undefined || name === undefined || text === undefined || fields.has(name)) throw unreadable();
    fields.set(name, text);
    rest = rest.slice(all.length);
  }
  const account = fields.get("Account") ?? "";
  const arn = fields.get("Arn") ?? "";
  const [, arnPartition, arnAccount] = IDENTITY_ARN.exec(arn) ?? [];
  if (fields.size !== 3 || !fields.has("UserId") || !/^[0-9]{12}$/.test(account)) throw unreadable();
  if (arnAccount !== account || arnPartition !== partition) throw unreadable();
  return { account, arn };
}

/** Partition and region of an STS host; undefined for any other host. `sts.amazonaws.com` signs for us-east-1. */
export function stsEndpointOf(host: string): { readonly partition: string; readonly region: string } | undefined {
  if (host === "sts.amazonaws.com") return { partition: "aws", region: "us-east-1" };
  const [, region = "", suffix = ""] = /^sts(?:-fips)?\.([a-z0-9-]+)\.([a-z0-9.-]+)$/.exec(host) ?? [];
  const found = STS.find(({ dnsSuffix, regions }) => dnsSuffix === suffix && regions.test(region));
  return found === undefined ? undefined : { partition: found.partition, region };
}

// Facts from the endpoint metadata of the AWS SDKs; a test holds them against the table of aws/partitions.ts. A region that
// nobody knows yet is refused here: nothing but its form would say that the host is AWS's.
const STS: readonly { partition: string; dnsSuffix: string; regions: RegExp }[] = [
  { partition: "aws", dnsSuffix: "amazonaws.com", regions: /^(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]{1,2}$/ },
  { partition: "aws-us-gov", dnsSuffix: "amazonaws.com", regions: /^us-gov-[a-z]+-[0-9]{1,2}$/ },
  { partition: "aws-cn", dnsSuffix: "amazonaws.com.cn", regions: /^cn-[a-z]+-[0-9]{1,2}$/ },
  { partition: "aws-eusc", dnsSuffix: "amazonaws.eu", regions: /^eusc-[a-z]{2}-[a-z]+-[0-9]{1,2}$/ },
  { partition: "aws-iso", dnsSuffix: "c2s.ic.gov", regions: /^us-iso-[a-z]+-[0-9]{1,2}$/ },
  { partition: "aws-iso-b", dnsSuffix: "sc2s.sgov.gov", regions: /^us-isob-[a-z]+-[0-9]{1,2}$/ },
  { partition: "aws-iso-e", dnsSuffix: "cloud.adc-e.uk", regions: /^eu-isoe-[a-z]+-[0-9]{1,2}$/ },
  { partition: "aws-iso-f", dnsSuffix: "csp.hci.ic.gov", regions: /^us-isof-[a-z]+-[0-9]{1,2}$/ },
];

const BODIES: ReadonlySet<string> = new Set([
  "Action=GetCallerIdentity&Version=2011-06-15",
  "Version=2011-06-15&Action=GetCallerIdentity",
]);
const REQUIRED = ["host", "content-type", "x-amz-date", CHALLENGE_HEADER];
// What else may be signed. Any other header could change what STS is asked or how it answers.
const SIGNABLE: ReadonlySet<string> = new Set([
  ...REQUIRED,
  "content-length",
  "x-amz-content-sha256",
  "x-amz-security-token",
]);
const UNSIGNED: ReadonlySet<string> = new Set(["authorization", "content-length"]);
const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]{16,128})\/([0-9]{8})\/([a-z0-9-]{1,40})\/sts\/aws4_request, ?SignedHeaders=([a-z0-9;-]{1,400}), ?Signature=[0-9a-f]{64}$/;
const ANSWER =
  /^\s*(?:<\?xml version=["']1\.0["'](?: encoding=["'][Uu][Tt][Ff]-8["'])?\?>\s*)?<GetCallerIdentityResponse xmlns="https:\/\/sts\.amazonaws\.com\/doc\/2011-06-15\/">\s*<GetCallerIdentityResult>\s*((?:<[A-Za-z]+>[^<>&]*<\/[A-Za-z]+>\s*){1,8})<\/GetCallerIdentityResult>\s*<ResponseMetadata>\s*<RequestId>[A-Za-z0-9-]{1,100}<\/RequestId>\s*<\/ResponseMetadata>\s*<\/GetCallerIdentityResponse>\s*$/;
const FIELD = /^<([A-Za-z]+)>([^<>&]*)<\/\1>\s*/;
const IDENTITY_ARN = /^arn:(aws[a-z-]*):(?:iam|sts)::([0-9]{12}):[\x21-\x7e]{1,1024}$/;

function headersOf(pairs: SignedIdentityRequest["headers"]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [written, value] of pairs) {
    const name = written.toLowerCase();
    if (name !== "authorization" && !SIGNABLE.has(name)) throw invalid("it has a header that does not belong to it");
    if (headers.has(name)) throw invalid(`${name} is there twice`);
    if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) || value.length > 8192)
      throw invalid(`${name} is empty, too long, or has a character that does not belong there`);
    headers.set(name, value);
  }
  return headers;
}

/** The names of the signed headers, once all of the signature's own form is as it should be. */
function signedHeadersOf(headers: ReadonlyMap<string, string>, region: string): ReadonlySet<string> {
  const [all, , day, scope, list = ""] = AUTHORIZATION.exec(headers.get("authorization") ?? "") ?? [];
  if (all === undefined) throw invalid("it is not signed for AWS STS in its Authorization header");
  if (scope !== region) throw invalid("it is signed for another region than it goes to");
  if (day !== headers.get("x-amz-date")?.slice(0, 8)) throw invalid("it is signed for another day than its x-amz-date");
  const names = list.split(";");
  if (names.join(";") !== [...new Set(names)].sort().join(";")) throw invalid("its signed headers are not in order");
  return new Set(names);
}

function refuseUnlessFresh(date: string, now: number): void {
  const [, year, month, day, hour, minute, second] =
    /^([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z$/.exec(date) ?? [];
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(at)) throw invalid("its x-amz-date is not a time");
  const off = Math.round((at - now) / 1000);
  if (Math.abs(at - now) <= IDENTITY_SKEW) return;
  const reason = `it was signed ${Math.abs(off)} s ${off < 0 ? "ago" : "ahead of our time"}`;
  throw new PosternError("identity_request_stale", `Cannot join by AWS identity: ${reason}`, {
    hint: "compare the clocks of the agent and of the auth node",
  });
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function invalid(reason: string, hint?: string): PosternError {
  const message = `Cannot join by AWS identity: the signed request is not one that we replay: ${reason}`;
  return new PosternError("identity_request_invalid", message, hint === undefined ? {} : { hint });
}

function unreadable(): PosternError {
  return new PosternError(
    "identity_answer_invalid",
    "Cannot join by AWS identity: STS's answer is not of the known form",
  );
}
