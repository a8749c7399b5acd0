/** OIDC connectors: whose tokens we take for a login, and what their claims make of somebody. */

import { PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import { globFits } from "./glob.ts";
import { nameFault } from "./names.ts";
import { oidcSchema } from "./oidc-schema.ts";
import { DocumentError } from "./problem.ts";
import type { Parsed } from "./role.ts";
import { parseShape } from "./shape.ts";

export interface OidcConnector {
  readonly name: string;
  readonly description?: string;
  readonly issuerUrl: string;
  readonly clientId: string;
  /** Absent for a public client. */
  readonly clientSecret?: Secret;
  readonly redirectUrls: readonly string[];
  readonly display?: string;
  /** `openid` and `email` among them. */
  readonly scopes: readonly string[];
  readonly usernameClaim: string;
  readonly allowUnverifiedEmail: boolean;
  readonly claimsToRoles: readonly ClaimRule[];
}

/** A claim that gives roles. */
export interface ClaimRule {
  readonly claim: string;
  readonly value: string;
  readonly roles: readonly string[];
}

/** What claims make of somebody. */
export interface ClaimedUser {
  readonly name: string;
  readonly roles: readonly string[];
  readonly traits: Readonly<Record<string, readonly string[]>>;
}

/**
 * Reads an OIDC connector's document, as YAML gave it.
 *
 * @throws DocumentError `oidc_invalid` with every problem
 */
export function parseOidcConnector(document: unknown): Parsed<OidcConnector> {
  const shaped = parseShape(SCHEMA, document);
  if ("problems" in shaped) throw new DocumentError("oidc_invalid", "Cannot load a connector", shaped.problems);
  return { value: shaped.value, warnings: [] };
}

/**
 * Who somebody is by the claims of a token that has been verified.
 *
 * @throws PosternError `oidc_claims_invalid` when they name nobody, `oidc_email_unverified`, or `oidc_no_roles`
 */
export function userOfClaims(connector: OidcConnector, claims: Readonly<Record<string, unknown>>): ClaimedUser {
  const named = claims[connector.usernameClaim];
  if (typeof named !== "string" || nameFault(named) !== undefined) {
    throw refusal("oidc_claims_invalid", `claim ${connector.usernameClaim} names nobody`, "set username_claim");
  }
  // A provider where anybody may enter any address would let them be anybody.
  if (connector.usernameClaim === "email" && !connector.allowUnverifiedEmail && claims["email_verified"] !== true) {
    throw refusal("oidc_email_unverified", "the provider has not verified the e-mail address", "verify it there");
  }
  const traits = traitsOf(claims);
  const roles = connector.claimsToRoles.flatMap(({ claim, value, roles }) =>
    (traits.get(claim) ?? []).some((text) => globFits(value, text)) ? roles : [],
  );
  if (roles.length === 0) {
    throw refusal(
      "oidc_no_roles",
      "none of the claims gives a role",
      "ask an administrator to map one in claims_to_roles",
    );
  }
  return { name: named, roles: [...new Set(roles)], traits: Object.fromEntries(traits) };
}

const SCHEMA = oidcSchema();

/** The texts and lists of texts among the claims; the rest says nothing of people, or is not bounded. */
function traitsOf(claims: Readonly<Record<string, unknown>>): Map<string, readonly string[]> {
  const traits = new Map<string, readonly string[]>();
  for (const [claim, value] of Object.entries(claims)) {
    if (PROTOCOL_CLAIMS.has(claim) || nameFault(claim) !== undefined || claim === "__proto__") continue;
    const values = typeof value === "string" ? [value] : value;
    if (!Array.isArray(values) || values.length > MAX_VALUES) continue;
    const texts = values.filter((text): text is string => typeof text === "string" && text.length <= MAX_CHARACTERS);
    // Part of a list could lack just what a deny rule is about.
    if (texts.length === values.length) traits.set(claim, [...new Set(texts)]);
    if (traits.size > MAX_CLAIMS) throw refusal("oidc_claims_invalid", `there are more than ${MAX_CLAIMS} claims`);
  }
  return traits;
}

const MAX_CLAIMS = 100;
const MAX_VALUES = 1000;
const MAX_CHARACTERS = 1024;
// What tokens say of themselves and not of people.
const PROTOCOL_CLAIMS: ReadonlySet<string> = new Set([
  "iss",
  "aud",
  "exp",
  "iat",
  "nbf",
  "jti",
  "nonce",
  "azp",
  "at_hash",
  "c_hash",
  "s_hash",
  "auth_time",
  "acr",
  "amr",
  "sid",
]);

function refusal(code: string, reason: string, hint?: string): PosternError {
  return new PosternError(code, `Cannot log in: ${reason}`, hint === undefined ? {} : { hint });
}
