/** Join tokens: by what services enter the cluster, how long and how often. */

import { randomBytes } from "node:crypto";
import { PosternError } from "../base/errors.ts";
import type { AllowRule } from "./allow-rules.ts";
import type { BotJoin, BotMethod } from "./bot-join-schema.ts";
import { databasesFault } from "./host-databases.ts";
import { JOIN_ROLES, joinTokenSchema, MIN_TOKEN_CHARACTERS, roleNamed } from "./join-token-schema.ts";
import { quoted } from "./names.ts";
import { nearMiss } from "./near-miss.ts";
import { DocumentError, type Problem } from "./problem.ts";
import type { Parsed } from "./role.ts";
import { parseShape } from "./shape.ts";

/** What may join: services, and programs that then are a user. */
export type JoinRole = "db" | "proxy" | "auth" | "bot";

/** How one shows that it may: a service by knowing the token's name or by an AWS identity, a bot by a signed token of where it runs. */
export type JoinMethod = "token" | "iam" | BotMethod;

export interface JoinToken {
  /** For the `token` method the secret itself: show `maskedName()`. */
  readonly name: string;
  readonly description?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly roles: readonly JoinRole[];
  readonly method: JoinMethod;
  /** For `iam`: whom to let in; never empty there, and empty for others. */
  readonly allow: readonly AllowRule[];
  /** For the methods of bots, and there always. */
  readonly bot?: BotJoin;
  /** Milliseconds since the epoch; absent: never. */
  readonly expires?: number;
  readonly maxUses?: number;
  /** Absent: who joins by it may serve any database. */
  readonly databases?: readonly string[];
  /** Counted only where `maxUses` is set: else each join would have to write the token. */
  readonly uses: number;
}

/** How long a token lasts that nobody gave a time: 30 minutes, as in Teleport. */
export const JOIN_TOKEN_TTL: number = 30 * 60_000;
const MAX_JOIN_TOKEN_TTL = 365 * 24 * 3_600_000;

/** What `ctl tokens add` says. */
export interface JoinTokenRequest {
  readonly roles: readonly JoinRole[];
  /** By default 128 random bits in hex. */
  readonly value?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds; by default `JOIN_TOKEN_TTL`. */
  readonly ttl?: number | undefined;
  readonly maxUses?: number | undefined;
  /** As in `JoinToken`. */
  readonly databases?: readonly string[] | undefined;
  readonly now: number;
}

/**
 * A new token of the `token` method.
 *
 * @throws PosternError `join_token_invalid`, which never shows the value
 */
export function newJoinToken(request: JoinTokenRequest): JoinToken {
  const { roles, value, labels, ttl, maxUses, databases, now } = request;
  const lasts = ttl ?? JOIN_TOKEN_TTL;
  if (roles.length === 0) throw invalid("it is for no role", "give --type=db");
  if (roles.includes("bot")) throw invalid("bots join by what they prove, not by a secret", BOT_HINT);
  if (!Number.isSafeInteger(lasts) || lasts <= 0 || lasts > MAX_JOIN_TOKEN_TTL)
    throw invalid(`it would last ${lasts / 1000} s`, "give a --ttl of up to 8760h");
  if (maxUses !== undefined && !(Number.isSafeInteger(maxUses) && maxUses >= 1 && maxUses <= 1_000_000))
    throw invalid(`it could be used ${maxUses} times`, "give --max-uses between 1 and 1000000");
  if (databases !== undefined && !roles.includes("db"))
    throw invalid("only database services serve databases", "give --type=db, or leave --databases out");
  const fault = databases === undefined ? undefined : databasesFault(databases);
  if (fault !== undefined) throw invalid(`its list of databases ${fault}`, "give --databases such as orders-*,users");
  if (value !== undefined && !(value.length >= MIN_TOKEN_CHARACTERS && /^[\x21-\x7e]{1,255}$/.test(value))) {
    const reason = `its value needs ${MIN_TOKEN_CHARACTERS} to 255 letters, digits and signs without spaces`;
    throw invalid(reason, "leave --value out: one is made");
  }
  return {
    name: value ?? randomBytes(16).toString("hex"),
    ...(labels === undefined ? {} : { labels }),
    roles: [...new Set(roles)],
    method: "token",
    allow: [],
    expires: now + lasts,
    ...(maxUses === undefined ? {} : { maxUses }),
    ...(databases === undefined ? {} : { databases: [...new Set(databases)] }),
    uses: 0,
  };
}

/**
 * The roles of `--type`, such as `db,proxy`.
 *
 * @throws PosternError `join_role_unknown`
 */
export function parseJoinRoles(text: string): JoinRole[] {
  return text.split(",").map((word) => {
    const role = roleNamed(word.trim());
    if (role !== undefined) return role;
    const known = Object.keys(JOIN_ROLES).filter((one) => one !== "bot");
    const meant = nearMiss(word.trim(), known);
    throw new PosternError("join_role_unknown", `Cannot make a token for ${quoted(word)}: nothing joins as that`, {
      hint: meant === undefined ? `the types are ${known.join(", ")}` : `did you mean ${meant}?`,
    });
  });
}

/**
 * Reads a join token's document, as YAML gave it.
 *
 * @throws DocumentError `token_invalid` with every problem
 */
export function parseJoinToken(document: unknown): Parsed<JoinToken> {
  const shaped = parseShape(SCHEMA, document);
  if ("problems" in shaped) throw new DocumentError("token_invalid", "Cannot load a token", shaped.problems);
  const { method, expires } = shaped.value;
  const warnings: Problem[] =
    method !== "token" || expires !== undefined
      ? []
      : [
          {
            path: ["metadata"],
            message: "metadata.expires: is missing, so whoever ever learns this token can join",
            hint: "set expires, or use join_method: iam",
          },
        ];
  return { value: shaped.value, warnings };
}

/** The document of a token: what `parseJoinToken()` reads. */
export function joinTokenDocument(token: JoinToken): Readonly<Record<string, unknown>> {
  const { name, description, labels, expires, roles, method, allow, bot, maxUses, databases, uses } = token;
  return {
    kind: "token",
    version: "v2",
    metadata: {
      name,
      ...(description === undefined ? {} : { description }),
      ...(labels === undefined ? {} : { labels }),
      ...(expires === undefined ? {} : { expires: new Date(expires).toISOString() }),
    },
    spec: {
      roles: roles.map((role) => JOIN_ROLES[role]),
      join_method: method,
      ...(allow.length === 0 ? {} : { allow }),
      ...(bot === undefined
        ? {}
        : withoutUndefined({ bot_name: bot.user, github: bot.github, kubernetes: bot.kubernetes })),
      ...(maxUses === undefined ? {} : { max_uses: maxUses }),
      ...(databases === undefined ? {} : { databases }),
    },
    ...(uses === 0 ? {} : { status: { uses } }),
  };
}

/** The name as lists, logs and events show it: a secret keeps its last quarter, at most eight characters. */
export function maskedName({ name, method }: Pick<JoinToken, "name" | "method">): string {
  if (method !== "token") return name;
  const shown = Math.min(8, Math.floor(name.length / 4));
  return "*".repeat(name.length - shown) + name.slice(name.length - shown);
}

/** A service or bot that wants to join. */
export interface JoinAttempt {
  readonly role: JoinRole;
  /** Absent: whichever the token has. */
  readonly method?: JoinMethod;
  readonly now: number;
}

/**
 * Uses a token: the state to keep instead, on condition that nobody else wrote it meanwhile; the same object when there
 * is nothing to write. For all methods but `token`, what was proved is judged besides.
 *
 * @throws PosternError `join_token_unknown`, `join_token_expired`, `join_token_used_up` or `join_token_unfit` (another
 * role or method), in the same words: who joins is a stranger until it has
 */
export function useJoinToken(token: JoinToken | undefined, { role, method, now }: JoinAttempt): JoinToken {
  if (token === undefined) throw refusal("join_token_unknown");
  if (token.expires !== undefined && now >= token.expires) throw refusal("join_token_expired");
  if ((method !== undefined && token.method !== method) || !token.roles.includes(role))
    throw refusal("join_token_unfit");
  if (token.maxUses === undefined) return token;
  if (token.uses >= token.maxUses) throw refusal("join_token_used_up");
  return { ...token, uses: token.uses + 1 };
}

const SCHEMA = joinTokenSchema();
const BOT_HINT = "write a token document with join_method: github or kubernetes, and postern ctl create -f it";

function withoutUndefined(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function refusal(code: string): PosternError {
  return new PosternError(
    code,
    "Cannot join the cluster: the token is unknown, too old, used up, or for something else",
    {
      hint: "ask an administrator for another: postern ctl tokens add --type=db",
    },
  );
}

function invalid(reason: string, hint: string): PosternError {
  return new PosternError("join_token_invalid", `Cannot make a join token: ${reason}`, { hint });
}
