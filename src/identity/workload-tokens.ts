/** Tokens (JWT) that platforms sign for what runs on them: whether one counts here, and what it says. */

import type { JSONWebKeySet, JWTPayload } from "jose";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { type BotJoin, GITHUB_CLAIMS, type GithubJoin, type KubernetesJoin, readJwks } from "./bot-join-schema.ts";
import { quoted } from "./names.ts";

/** What it takes to believe a token. */
export interface TokenJudging {
  /** For whom it must be: the cluster's name. */
  readonly audience: string;
  readonly clock: Clock;
  /** Keys of an issuer. @throws PosternError `issuer_unavailable` */
  readonly keysOf: (issuer: string, kid: string) => Promise<JSONWebKeySet>;
}

/** Claims that are texts, by name. */
export type WorkloadClaims = Readonly<Record<string, string>>;

/** GitHub's are of some 1,500 characters. */
const MAX_CHARACTERS = 16_384;
/** Only what a public key checks: none and HMAC never. */
const ALGORITHMS = ["RS256", "PS256", "ES256", "ES384"];
const SKEW_S = 60;
/** Platforms give minutes, Kubernetes an hour where nobody says less. */
const LONGEST_S = 3600;
const GITHUB = "https://token.actions.githubusercontent.com";

/**
 * Reads a token that must be one of those that the join token's platform signs, for this cluster, now. Whether it is let
 * in is for `requireRule()` to say.
 *
 * @throws PosternError `workload_token_refused`, which never shows the token; `issuer_unavailable`
 */
export async function readWorkloadToken(jwt: string, bot: BotJoin, judging: TokenJudging): Promise<WorkloadClaims> {
  if (jwt.length > MAX_CHARACTERS) throw refused(`it has ${jwt.length} characters, ${MAX_CHARACTERS} allowed`);
  const { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify } = await import("jose");
  const { audience, clock } = judging;
  const issuer = bot.github === undefined ? undefined : issuerOf(bot.github);
  let keys: JSONWebKeySet;
  try {
    const { kid, alg } = decodeProtectedHeader(jwt);
    if (alg === undefined || !ALGORITHMS.includes(alg))
      throw refused(`its algorithm is none of ${ALGORITHMS.join(", ")}`);
    if (typeof kid !== "string" || kid.length > 1000) throw refused("it does not say which key signed it");
    // Before anybody is asked for keys.
    const { iss } = decodeJwt(jwt);
    if (issuer !== undefined && iss !== issuer) throw refused(`its issuer is not ${issuer}`);
    keys = issuer === undefined ? staticKeys(bot.kubernetes) : await judging.keysOf(issuer, kid);
    if (!keys.keys.some((key) => key.kid === kid)) throw refused("the issuer has no key of the name that it gives");
  } catch (thrown) {
    if (thrown instanceof PosternError) throw thrown;
    throw refused("it is no signed token");
  }
  let claims: JWTPayload;
  try {
    const verified = await jwtVerify(jwt, createLocalJWKSet(keys), {
      algorithms: ALGORITHMS,
      audience,
      ...(issuer === undefined ? {} : { issuer }),
      clockTolerance: SKEW_S,
      currentDate: new Date(clock.now()),
      requiredClaims: ["exp", "iat", "sub"],
    });
    claims = verified.payload;
  } catch (thrown) {
    if (!(thrown instanceof errors.JOSEError)) throw refused("it cannot be checked");
    throw refused(faultOf(thrown, audience));
  }
  requireShortLife(claims, clock.now() / 1000);
  return bot.github === undefined ? kubernetesClaims(claims) : githubClaims(claims);
}

/** @throws PosternError `workload_token_refused` unless one rule lets these claims in */
export function requireRule(claims: WorkloadClaims, { github, kubernetes }: BotJoin): void {
  const isLetIn =
    github?.allow.some((rule) =>
      Object.entries(rule).every(([claim, wanted]) => wanted === undefined || claims[claim] === wanted),
    ) ?? kubernetes?.allow.some(({ service_account }) => claims["service_account"] === service_account);
  if (isLetIn === true) return;
  const who = quoted(claims["sub"] ?? "");
  throw refused(
    `no rule of the join token lets in ${who}`,
    "ask an administrator for a rule: spec.…allow of the token",
  );
}

/** Whose tokens the workflows of a document's GitHub show. */
export function issuerOf({ enterprise_server_host: host, enterprise_slug: slug }: GithubJoin): string {
  if (host !== undefined) return `https://${host}/_services/token`;
  return slug === undefined ? GITHUB : `${GITHUB}/${slug}`;
}

function staticKeys(kubernetes: KubernetesJoin | undefined): JSONWebKeySet {
  if (kubernetes === undefined) throw refused("the join token does not say whose tokens count");
  return readJwks(kubernetes.static_jwks.jwks);
}

function requireShortLife({ iat = 0, exp = 0 }: JWTPayload, now: number): void {
  if (iat > now + SKEW_S) throw refused("it was issued in the future", "compare the clocks");
  if (exp - iat > LONGEST_S + SKEW_S)
    throw refused(`it lasts ${Math.round(exp - iat)} s, ${LONGEST_S} allowed`, "ask the platform for a shorter one");
}

function githubClaims(claims: JWTPayload): WorkloadClaims {
  const texts = GITHUB_CLAIMS.flatMap((name) => {
    const value = claims[name];
    return typeof value === "string" ? [[name, value.slice(0, 1000)]] : [];
  });
  return { iss: claims.iss ?? "", ...(Object.fromEntries(texts) as Record<string, string>) };
}

/** The service account, which Kubernetes says twice. */
function kubernetesClaims(claims: JWTPayload): WorkloadClaims {
  const [, namespace = "", name = ""] =
    /^system:serviceaccount:([^:]{1,253}):([^:]{1,253})$/.exec(claims.sub ?? "") ?? [];
  const said = claims["kubernetes.io"] as
    | { readonly namespace?: unknown; readonly serviceaccount?: { readonly name?: unknown } }
    | undefined;
  if (name === "" || said?.namespace !== namespace || said.serviceaccount?.name !== name)
    throw refused("it is not that of a Kubernetes service account");
  return { iss: (claims.iss ?? "").slice(0, 1000), sub: claims.sub ?? "", service_account: `${namespace}:${name}` };
}

/** In words of our own: none of the token's. */
function faultOf({ code, ...rest }: { readonly code: string }, audience: string): string {
  const { claim } = rest as { readonly claim?: unknown };
  if (code === "ERR_JWT_EXPIRED") return "it has expired";
  if (code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") return "its signature is wrong";
  if (code === "ERR_JWT_CLAIM_VALIDATION_FAILED") {
    if (claim === "aud") return `it is not for audience ${quoted(audience)}`;
    if (claim === "nbf") return "it is not valid yet";
    if (typeof claim === "string" && ["iss", "exp", "iat", "sub"].includes(claim))
      return `its ${claim} is missing or wrong`;
  }
  return "it is not in the form of a signed token";
}

function refused(reason: string, hint?: string): PosternError {
  const options = hint === undefined ? {} : { hint };
  return new PosternError("workload_token_refused", `Cannot join by the platform's token: ${reason}`, options);
}
