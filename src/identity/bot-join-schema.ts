/** The part of a join token's document that is for bots: by whose signed tokens they join, and which of those. */

import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { refuse, unavailable } from "./shape.ts";

/** Where a bot runs, and whose signed token it shows. */
export type BotMethod = "github" | "kubernetes";

export const BOT_METHODS: readonly BotMethod[] = ["github", "kubernetes"];

/** Claims of a workflow's token that a rule may name. */
export const GITHUB_CLAIMS = [
  "sub",
  "repository",
  "repository_owner",
  "workflow",
  "environment",
  "actor",
  "ref",
  "ref_type",
] as const;

/** One rule: every claim that it names must be this text. */
export type GithubRule = { readonly [claim in (typeof GITHUB_CLAIMS)[number]]?: string | undefined };

/** As documents spell it. */
export interface GithubJoin {
  readonly enterprise_server_host?: string | undefined;
  readonly enterprise_slug?: string | undefined;
  readonly allow: readonly GithubRule[];
}

/** As documents spell it. */
export interface KubernetesJoin {
  readonly type: "static_jwks";
  readonly static_jwks: { readonly jwks: string };
  readonly allow: readonly { readonly service_account: string }[];
}

/** What a token says of bots. */
export interface BotJoin {
  /** Who a bot is that has joined. */
  readonly user: string;
  readonly github?: GithubJoin;
  readonly kubernetes?: KubernetesJoin;
}

/** Reads `spec.github`. */
export function githubJoin(): z.ZodType<GithubJoin> {
  const claim = (meaning: string): z.ZodOptional<z.ZodString> =>
    z.string().min(1, "expected a text").max(1000, "is too long").optional().describe(meaning);
  const rule = z
    .strictObject({
      sub: claim("The whole subject, such as `repo:acme/orders:ref:refs/heads/main`."),
      repository: claim("The repository, `owner/name`."),
      repository_owner: claim("The owner of the repository."),
      workflow: claim("The workflow's name."),
      environment: claim("The environment of the job."),
      actor: claim("Who started the workflow."),
      ref: claim("The git ref, such as `refs/heads/main`."),
      ref_type: claim("`branch` or `tag`."),
    })
    .superRefine((fields, context) => {
      // Anybody can name a branch or a workflow in a repository of their own.
      if ([fields.sub, fields.repository, fields.repository_owner].every((one) => one === undefined))
        refuse(context, "says not whose workflows these are", "add repository, repository_owner or sub");
    });
  return z
    .strictObject({
      enterprise_server_host: z
        .string()
        .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?$/i, "expected a host name, without https://")
        .optional()
        .describe("Host of a GitHub Enterprise Server; absent: github.com."),
      enterprise_slug: z
        .string()
        .regex(/^[A-Za-z0-9-]{1,100}$/, "expected letters, digits and hyphens")
        .optional()
        .describe("Of an enterprise at github.com that has an issuer of its own."),
      static_jwks: unavailable("keys are asked of the issuer in this version", "remove it"),
      allow: z.array(rule).min(1, "is empty, so nobody could join").describe("One rule suffices."),
    })
    .superRefine(({ enterprise_server_host, enterprise_slug }, context) => {
      if (enterprise_server_host !== undefined && enterprise_slug !== undefined)
        refuse(context, "counts for github.com only", "remove one of the two", ["enterprise_slug"]);
    });
}

/** Reads `spec.kubernetes`. */
export function kubernetesJoin(): z.ZodType<KubernetesJoin> {
  return z.strictObject({
    type: z.enum(["static_jwks"]).describe("How tokens are checked: by keys that stand here."),
    static_jwks: z.strictObject({
      jwks: z
        .string()
        .max(65_536, "has more than 65536 characters")
        .superRefine((text, context) => {
          const fault = jwksFault(text);
          if (fault !== undefined) refuse(context, fault, "write what kubectl get --raw /openid/v1/jwks prints");
        })
        .describe("The cluster's public keys, as `kubectl get --raw /openid/v1/jwks` prints them."),
    }),
    allow: z
      .array(
        z.strictObject({
          service_account: z
            .string()
            .regex(
              /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/,
              "expected namespace:name",
            )
            .describe("The service account, `namespace:name`."),
        }),
      )
      .min(1, "is empty, so nobody could join")
      .describe("One rule suffices."),
  });
}

export function isBotMethod(method: string | undefined): method is BotMethod {
  return BOT_METHODS.some((one) => one === method);
}

/** What must go together for a bot. */
export function requireBot(
  context: z.RefinementCtx,
  spec: {
    readonly roles: readonly string[];
    readonly join_method?: string | undefined;
    readonly bot_name?: string | undefined;
    readonly github?: unknown;
    readonly kubernetes?: unknown;
  },
): void {
  const { roles, join_method, bot_name } = spec;
  if (roles.some((role) => role !== "bot"))
    refuse(context, "a bot's token is for Bot alone", "write roles: [Bot]", ["spec", "roles"]);
  if (!isBotMethod(join_method)) {
    const hint = "write join_method: github or kubernetes";
    return refuse(context, "bots join by what they prove, not by a secret", hint, ["spec", "join_method"]);
  }
  if (bot_name === undefined) refuse(context, "is missing", "name the user that the bot is", ["spec", "bot_name"]);
  if (spec[join_method] === undefined)
    refuse(context, "is missing, so nobody could join", "write allow: with at least one rule", ["spec", join_method]);
}

/** The bot's part of a document that has one. */
export function botOf(
  user: string,
  {
    github,
    kubernetes,
  }: { readonly github?: GithubJoin | undefined; readonly kubernetes?: KubernetesJoin | undefined },
): BotJoin {
  return {
    user,
    ...(github === undefined ? {} : { github }),
    ...(kubernetes === undefined ? {} : { kubernetes }),
  };
}

/** The keys of a text that can be used; throws nothing once `jwksFault()` found nothing. */
export function readJwks(text: string): JSONWebKeySet {
  // Symmetric ones are none that somebody else may know.
  const keys = JWKS.parse(JSON.parse(text)).keys.filter(({ kty }) => kty === "RSA" || kty === "EC");
  return { keys: keys as unknown as JSONWebKeySet["keys"] };
}

/** Why a text cannot be a set of public keys; what it says is not repeated, since it might be a private one. */
export function jwksFault(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "is not JSON";
  }
  const read = JWKS.safeParse(value);
  if (!read.success) return "is not a JSON Web Key Set";
  const { keys } = read.data;
  if (keys.some((key) => ["d", "k", "p", "q"].some((secret) => secret in key))) return "holds a private key";
  return keys.some(({ kty }) => kty === "RSA" || kty === "EC") ? undefined : "holds no RSA or EC key";
}

const JWKS = z.looseObject({
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().max(1000).optional() })).max(100),
});
