/** The schema of a join token's document: parser and reference in one. */

import * as z from "zod";
import { AWS_ACCOUNT, AWS_ARN_RULE, type AllowRule, ruleArnFault } from "./allow-rules.ts";
import type { JoinMethod, JoinRole, JoinToken } from "./join-tokens.ts";
import { BOT_METHODS, botOf, githubJoin, isBotMethod, kubernetesJoin, requireBot } from "./bot-join-schema.ts";
import { databasesFault } from "./host-databases.ts";
import { metadata, name } from "./metadata.ts";
import { nameFault, quoted } from "./names.ts";
import { nearMiss } from "./near-miss.ts";
import { refuse, unavailable } from "./shape.ts";

/** Roles as which services and bots join, as documents spell them. */
export const JOIN_ROLES: Readonly<Record<JoinRole, string>> = { db: "Db", proxy: "Proxy", auth: "Auth", bot: "Bot" };

/** A token that is presented as it stands must not be guessable. */
export const MIN_TOKEN_CHARACTERS = 16;

/** Reads a join token's document. */
export function joinTokenSchema(): z.ZodType<JoinToken> {
  return z
    .strictObject({
      kind: z.literal("token"),
      version: z.enum(["v2"]),
      metadata: metadata({
        name: tokenName().describe("For `token` the secret itself; else what who joins calls it."),
        labels: "Labels of the token itself.",
        expires: "When it ends, RFC 3339.",
      }),
      spec: z.strictObject({
        roles: z
          .array(joinRole())
          .min(1, "names no role: expected Db, Proxy, Auth or Bot")
          .describe("What may join by it: `Db`, `Proxy`, `Auth`; or `Bot` alone."),
        join_method: z
          .enum(["token", "iam", "github", "kubernetes"] satisfies JoinMethod[])
          .optional()
          .describe(
            "`token`: whoever knows the token's name; `iam`: whoever proves an AWS identity; `github`, `kubernetes`: the workload of which such a token speaks. Default `token`.",
          ),
        allow: z.array(allowRule()).nullish().describe("For `iam`: whom to let in; one rule suffices."),
        max_uses: z
          .int("expected a whole number")
          .min(1, "expected 1 or more")
          .max(1_000_000, "expected at most 1000000")
          .optional()
          .describe("How often it can be used; absent: until it expires."),
        databases: z
          .array(z.string())
          .optional()
          .describe(
            "For `Db`: the databases that who joins by it may serve, by name; `*` stands for any text. Absent: any database.",
          ),
        aws_iid_ttl: unavailable("the ec2 method is not available in this version", "use join_method: iam"),
        bot_name: name().optional().describe("For `Bot`: the user that it then is, with that user's roles."),
        github: githubJoin().optional().describe("For `github`: whose workflows to let in."),
        kubernetes: kubernetesJoin().optional().describe("For `kubernetes`: which service accounts to let in."),
        suggested_labels: unavailable("services take their labels from their own files", "remove it"),
      }),
      status: z
        .strictObject({ uses: z.int("expected a whole number").min(0, "expected 0 or more").describe("Times used.") })
        .optional()
        .describe("Postern's own; leave it out."),
    })
    .superRefine(({ metadata, spec }, context) => {
      const allow = spec.allow ?? [];
      const isBot = spec.roles.includes("bot");
      if (isBot || isBotMethod(spec.join_method)) requireBot(context, spec);
      else if (spec.bot_name !== undefined)
        refuse(context, "counts for role Bot only", "write roles: [Bot], or remove it", ["spec", "bot_name"]);
      for (const method of BOT_METHODS)
        if (spec[method] !== undefined && spec.join_method !== method)
          refuse(context, `counts for join_method: ${method} only`, "remove it", ["spec", method]);
      requireDatabases(context, spec);
      if (spec.join_method === "iam") {
        if (allow.length === 0)
          refuse(context, "is empty, so nobody could join", 'write [{aws_account: "123456789012"}]', ["spec", "allow"]);
        return;
      }
      if (allow.length > 0)
        refuse(context, "counts for join_method: iam only", "write join_method: iam, or remove it", ["spec", "allow"]);
      if (!isBotMethod(spec.join_method) && metadata.name.length < MIN_TOKEN_CHARACTERS) {
        const reason = `is the secret that joins, and has ${metadata.name.length} characters: ${MIN_TOKEN_CHARACTERS} are needed`;
        refuse(context, reason, "let postern ctl tokens add make one", ["metadata", "name"]);
      }
    })
    .transform(({ metadata, spec, status }) => ({
      ...metadata,
      roles: [...new Set(spec.roles)],
      method: spec.join_method ?? "token",
      allow: spec.allow ?? [],
      ...(spec.bot_name === undefined ? {} : { bot: botOf(spec.bot_name, spec) }),
      ...(spec.max_uses === undefined ? {} : { maxUses: spec.max_uses }),
      ...(spec.databases === undefined ? {} : { databases: [...new Set(spec.databases)] }),
      uses: status?.uses ?? 0,
    }));
}

function requireDatabases(
  context: z.RefinementCtx,
  { roles, databases }: { readonly roles: readonly JoinRole[]; readonly databases?: readonly string[] | undefined },
): void {
  if (databases === undefined) return;
  const path = ["spec", "databases"];
  if (!roles.includes("db")) refuse(context, "counts for role Db only", "write roles: [Db], or remove it", path);
  const fault = databasesFault(databases);
  if (fault !== undefined)
    refuse(context, fault, 'write names or patterns, such as ["orders-*"], or leave it out: any database', path);
}

/** A name that may be a secret and so is never quoted. */
function tokenName(): z.ZodType<string> {
  return z.string().superRefine((text, context) => {
    const fault = nameFault(text);
    if (fault !== undefined) refuse(context, `cannot name a token: ${fault}`);
    // What lists show could be guessed from them.
    else if (text.startsWith("**"))
      refuse(
        context,
        "is a token as lists show it, which is none",
        "postern ctl get token --with-secrets shows them whole",
      );
    else if (!/^[\x21-\x7e]+$/.test(text))
      refuse(context, "cannot name a token: use letters, digits and signs without spaces");
  });
}

function joinRole(): z.ZodType<JoinRole> {
  return z.string().transform((text, context): JoinRole => {
    const role = roleNamed(text);
    if (role !== undefined) return role;
    const meant = nearMiss(text, Object.values(JOIN_ROLES));
    const hint =
      meant === undefined ? `the roles are ${Object.values(JOIN_ROLES).join(", ")}` : `did you mean ${meant}?`;
    refuse(context, `no service joins as ${quoted(text)}`, hint);
    return z.NEVER;
  });
}

/** The role of a word, however it is written. */
export function roleNamed(text: string): JoinRole | undefined {
  const word = text.toLowerCase();
  return Object.hasOwn(JOIN_ROLES, word) ? (word as JoinRole) : undefined;
}

function allowRule(): z.ZodType<AllowRule> {
  const noEc2 = (): ReturnType<typeof unavailable> =>
    unavailable("the ec2 method is not available in this version", "use join_method: iam");
  return z
    .strictObject({
      aws_account: z
        .string()
        .regex(AWS_ACCOUNT, "expected the 12 digits of an AWS account, in quotes")
        .describe("The account, 12 digits in quotes."),
      aws_arn: z
        .string()
        .superRefine((text, context) => {
          const fault = ruleArnFault(text);
          if (fault !== undefined) refuse(context, `${fault}, not ${quoted(text)}`, `write it as ${AWS_ARN_RULE}`);
        })
        .optional()
        .describe("Who in it; `*` stands for any text without `/` and `:`. Absent: everybody in the account."),
      aws_role: noEc2(),
      aws_regions: noEc2(),
      aws_organization_id: unavailable(
        "organisations are not asked in this version",
        "write one rule for each account",
      ),
    })
    .superRefine(({ aws_account, aws_arn }, context) => {
      const [, , , , account] = aws_arn?.split(":") ?? [];
      if (account !== undefined && account !== aws_account)
        refuse(context, `is in account ${quoted(account)}, aws_account is ${aws_account}`, "write the same in both", [
          "aws_arn",
        ]);
    })
    .transform(({ aws_account, aws_arn }) => ({ aws_account, ...(aws_arn === undefined ? {} : { aws_arn }) }));
}
