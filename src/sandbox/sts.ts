/** The STS look-alike: AssumeRole and GetCallerIdentity over the Query protocol, with every signature checked. */

import { Buffer } from "node:buffer";
import { randomUUID } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { type AssumedRole, assumeRole, type StsRefusal } from "./assume-role.ts";
import type { Identities, SandboxPrincipal } from "./identities.ts";
import type { Answer } from "./loopback-server.ts";
import { type ReceivedRequest, type SignatureFault, verifySignature } from "./sigv4.ts";

/** One call as STS saw it. Nothing in it is secret. */
export interface StsCall {
  readonly action: string;
  /** Who signed, when the signature was good. */
  readonly caller: string | null;
  /** The parameters as sent, without Action and Version. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly status: number;
  /** The error code of a refusal. */
  readonly refused: string | null;
}

/** What the look-alike needs to know. */
export interface StsOptions {
  readonly identities: Identities;
  readonly regions: readonly string[];
  readonly clock: Clock;
  readonly record: (call: StsCall) => void;
}

/** Answers one STS request. */
export function answerSts(request: ReceivedRequest, options: StsOptions): Answer {
  const parameters = new URLSearchParams(Buffer.from(request.body).toString("utf8"));
  const action = parameters.get("Action") ?? "";
  const verified = verifySignature(request, {
    service: "sts",
    regions: options.regions,
    now: options.clock.now(),
    find: (id) => options.identities.findKey(id),
  });
  const caller = verified.ok ? verified.key.principal : null;
  const outcome = verified.ok
    ? call(request, action, parameters, verified.key.principal, options.identities)
    : { ...codes[verified.fault], message: verified.message };
  const refused = typeof outcome === "string" ? null : outcome;
  options.record({
    action,
    caller: caller?.arn ?? null,
    parameters: Object.fromEntries([...parameters].filter(([name]) => name !== "Action" && name !== "Version")),
    status: refused?.status ?? 200,
    refused: refused?.code ?? null,
  });
  const requestId = randomUUID();
  const xml = typeof outcome === "string" ? responseXml(action, outcome, requestId) : errorXml(outcome, requestId);
  return {
    status: refused?.status ?? 200,
    headers: { "content-type": "text/xml", "x-amzn-requestid": requestId },
    body: Buffer.from(xml, "utf8"),
  };
}

/** An error in the form in which STS sends it. */
export function stsError(refusal: StsRefusal): Answer {
  const requestId = randomUUID();
  return {
    status: refusal.status,
    headers: { "content-type": "text/xml", "x-amzn-requestid": requestId },
    body: Buffer.from(errorXml(refusal, requestId), "utf8"),
  };
}

// STS's own names for the common errors.
const codes: Readonly<Record<SignatureFault, { readonly status: number; readonly code: string }>> = {
  MissingAuthenticationToken: { status: 403, code: "MissingAuthenticationToken" },
  IncompleteSignature: { status: 400, code: "IncompleteSignature" },
  InvalidSignature: { status: 403, code: "SignatureDoesNotMatch" },
  RequestExpired: { status: 403, code: "SignatureDoesNotMatch" },
  UnrecognizedClient: { status: 403, code: "InvalidClientTokenId" },
  ExpiredToken: { status: 403, code: "ExpiredToken" },
};

function call(
  request: ReceivedRequest,
  action: string,
  parameters: URLSearchParams,
  caller: SandboxPrincipal,
  identities: Identities,
): string | StsRefusal {
  if (request.method !== "POST" || request.url !== "/")
    return { status: 400, code: "InvalidAction", message: "The sandbox answers to POST / only" };
  if (parameters.get("Version") !== "2011-06-15") {
    return {
      status: 400,
      code: "InvalidAction",
      message: `Could not find operation ${action} for version ${parameters.get("Version") ?? "NO_VERSION_SPECIFIED"}`,
    };
  }
  if (action === "GetCallerIdentity") return identityXml(caller);
  if (action === "AssumeRole") {
    const outcome = assumeRole(parameters, caller, identities);
    return "minted" in outcome ? assumedXml(outcome) : outcome;
  }
  return { status: 400, code: "InvalidAction", message: `Could not find operation ${action} for version 2011-06-15` };
}

function identityXml(caller: SandboxPrincipal): string {
  return element("UserId", caller.userId) + element("Account", caller.accountId) + element("Arn", caller.arn);
}

function assumedXml({ minted, sourceIdentity }: AssumedRole): string {
  const expiration = `${new Date(minted.expiresAt).toISOString().slice(0, 19)}Z`;
  return (
    "<Credentials>" +
    element("AccessKeyId", minted.accessKeyId) +
    element("SecretAccessKey", minted.secretAccessKey) +
    element("SessionToken", minted.sessionToken) +
    element("Expiration", expiration) +
    "</Credentials><AssumedRoleUser>" +
    element("AssumedRoleId", minted.principal.userId) +
    element("Arn", minted.principal.arn) +
    "</AssumedRoleUser>" +
    (sourceIdentity === null ? "" : element("SourceIdentity", sourceIdentity))
  );
}

function responseXml(action: string, content: string, requestId: string): string {
  return (
    `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>${content}</${action}Result>` +
    `<ResponseMetadata>${element("RequestId", requestId)}</ResponseMetadata></${action}Response>`
  );
}

function errorXml(refusal: StsRefusal, requestId: string): string {
  const type = refusal.status < 500 ? "Sender" : "Receiver";
  return (
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>${element("Type", type)}` +
    `${element("Code", refusal.code)}${element("Message", refusal.message)}</Error>${element("RequestId", requestId)}</ErrorResponse>`
  );
}

function element(name: string, text: string): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<${name}>${escaped}</${name}>`;
}
