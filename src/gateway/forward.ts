/** Sends what was judged: the very bytes, under headers rebuilt from an allow-list, signed with the AWS role's credentials. */

import { Buffer } from "node:buffer";
import type { AwsCredentials, CredentialRequest } from "../aws/credentials.ts";
import { upstreamFor } from "../aws/database.ts";
import { PosternError } from "../base/errors.ts";
import type { Operation } from "../dynamodb/catalogue.ts";
import type { Caller } from "./authenticate.ts";
import type { RequestHead } from "./head.ts";
import { type Departure, type UpstreamRequest, type UpstreamResponse, UpstreamError } from "./ports.ts";
import { Refusal } from "./refusal.ts";
import type { GatewayServices } from "./services.ts";

/**
 * Credentials for the caller's AWS role: from the cache at once, else from STS.
 *
 * @throws Refusal ServiceUnavailable, which SDKs retry; what STS said stays in our log
 */
export async function assume(services: GatewayServices, caller: Caller): Promise<AwsCredentials> {
  const wanted = wantedBy(caller);
  const cached = services.credentials.peek(wanted);
  if (cached !== undefined) return cached;
  try {
    return await services.credentials.credentialsFor(wanted);
  } catch (cause) {
    services.log.warn(
      {
        role: caller.awsRoleArn,
        user: caller.principal.name,
        error: cause instanceof Error ? cause.message : "unknown",
        ...(cause instanceof PosternError && cause.hint !== undefined ? { hint: cause.hint } : {}),
      },
      "Cannot get credentials for the AWS role",
    );
    throw new Refusal(
      "credentials_unavailable",
      "The credentials of the AWS role are not available now",
      "ServiceUnavailable",
      {
        cause,
      },
    );
  }
}

/** The signed request for the operation's endpoint. */
export async function signed(
  services: GatewayServices,
  caller: Caller,
  operation: Operation,
  head: Pick<RequestHead, "contentType" | "acceptEncoding" | "userAgent">,
  body: Uint8Array,
  credentials: AwsCredentials,
  departure: Departure,
): Promise<UpstreamRequest> {
  const { origin, host, region } = upstreamFor(caller.database, operation.service);
  const signedHeaders = await services.signer.sign({
    method: "POST",
    host,
    path: "/",
    region,
    service: "dynamodb",
    headers: { "content-type": head.contentType, "x-amz-target": operation.target },
    body,
    credentials,
  });
  // Not signed: they change how the answer travels and what CloudTrail shows, never what is done.
  const headers: Record<string, string> = signedHeaders;
  headers["accept-encoding"] = head.acceptEncoding ?? "identity";
  headers["user-agent"] = userAgent(head.userAgent);
  return {
    origin,
    headers,
    body,
    departure,
  };
}

/**
 * Sends it, and turns what can go wrong into an answer that SDKs retry. Credentials that DynamoDB does not take any more
 * are forgotten, so that the next request gets fresh ones.
 */
export async function send(
  services: GatewayServices,
  request: UpstreamRequest,
  caller: Caller,
  credentials: AwsCredentials,
): Promise<UpstreamResponse> {
  try {
    const response = await services.upstream.send(request);
    if (refusesCredentials(response)) services.credentials.invalidate(wantedBy(caller), credentials);
    return response;
  } catch (cause) {
    if (request.departure.gone)
      throw new Refusal("client_gone", "The client went away", "ServiceUnavailable", { cause });
    if (!(cause instanceof UpstreamError)) throw cause;
    services.log.warn(
      { origin: request.origin, kind: cause.kind, error: rootMessage(cause) },
      "The upstream gave no answer",
    );
    throw cause.kind === "unreachable"
      ? new Refusal("upstream_unreachable", "DynamoDB cannot be reached now", "ServiceUnavailable", { cause })
      : new Refusal(
          "upstream_broken",
          "DynamoDB did not answer; the operation may have been executed",
          "ServiceUnavailable",
          {
            cause,
          },
        );
  }
}

function wantedBy(caller: Caller): CredentialRequest {
  return { database: caller.database, roleArn: caller.awsRoleArn, user: caller.principal.name, session: {} };
}

/** DynamoDB's words for credentials that it does not take, before it looked at the request. */
function refusesCredentials({ status, body }: UpstreamResponse): boolean {
  if (status < 400 || status > 403 || !(body instanceof Uint8Array)) return false;
  return /#(?:UnrecognizedClientException|ExpiredTokenException|InvalidClientTokenId)"/.test(
    Buffer.from(body).toString("latin1", 0, 512),
  );
}

const VISIBLE = /^[\x21-\x7e][\x20-\x7e]*$/;

function userAgent(client: string): string {
  // Visible ASCII only: anything else could end the header.
  if (VISIBLE.test(client)) return `${client} postern`;
  return `${client.replace(/[^\x20-\x7e]/g, "?")} postern`.trimStart();
}

function rootMessage(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}
