/** The schema of an OIDC connector's document: parser and reference in one. */

import * as z from "zod";
import { Secret } from "../base/secret.ts";
import { metadata, name } from "./metadata.ts";
import { quoted } from "./names.ts";
import type { ClaimRule, OidcConnector } from "./oidc-connector.ts";
import { refuse, unavailable, yesNo } from "./shape.ts";

/** Reads an OIDC connector's document. */
export function oidcSchema(): z.ZodType<OidcConnector> {
  return z
    .strictObject({
      kind: z.literal("oidc"),
      version: z.enum(["v3"]),
      metadata: metadata(),
      spec: z.strictObject({
        issuer_url: address().describe("The provider, as its tokens name it."),
        client_id: z.string().min(1, "expected the identifier that the provider gave").describe("Our name there."),
        client_secret: z
          .string()
          .min(1, "expected the secret that the provider gave")
          .transform((text) => new Secret(text))
          .optional()
          .describe("Sealed before it is kept. Absent: a public client, by PKCE alone."),
        redirect_url: z
          .union([address(), z.array(address()).min(1, "names none")], {
            error: "expected an address, or a list of them",
          })
          .describe("Where the provider sends people back: `https://…/web/oidc/callback` of each proxy."),
        display: z.string().optional().describe("What people see."),
        scope: z.array(z.string().min(1, "is empty")).optional().describe("Asked for beside `openid` and `email`."),
        username_claim: z
          .string()
          .min(1, "is empty")
          .optional()
          .describe("Which claim names the user. Default `email`, which must then be verified."),
        allow_unverified_email: yesNo().optional().describe("Takes e-mail addresses that nobody verified."),
        claims_to_roles: z
          .array(claimRule())
          .min(1, "is empty, so nobody would have a role")
          .describe("Which claims give which roles. Whoever has none is not let in."),
        prompt: unavailable("the provider's prompt cannot be chosen in this version", "remove it"),
        acr_values: unavailable("acr_values are not available in this version", "remove it"),
        max_age: unavailable("max_age is not available in this version", "remove it"),
        google_service_account: unavailable("groups of Google are not asked for in this version", "map a claim"),
        google_service_account_uri: unavailable("groups of Google are not asked for in this version", "map a claim"),
        google_admin_email: unavailable("groups of Google are not asked for in this version", "map a claim"),
      }),
    })
    .superRefine(({ metadata: { expires } }, context) => {
      if (expires !== undefined)
        refuse(context, "a connector cannot expire", "remove the document when it is no longer wanted", [
          "metadata",
          "expires",
        ]);
    })
    .transform(({ metadata, spec }) => ({
      name: metadata.name,
      ...(metadata.description === undefined ? {} : { description: metadata.description }),
      issuerUrl: spec.issuer_url,
      clientId: spec.client_id,
      ...(spec.client_secret === undefined ? {} : { clientSecret: spec.client_secret }),
      redirectUrls: typeof spec.redirect_url === "string" ? [spec.redirect_url] : spec.redirect_url,
      ...(spec.display === undefined ? {} : { display: spec.display }),
      scopes: [...new Set(["openid", "email", ...(spec.scope ?? [])])],
      usernameClaim: spec.username_claim ?? "email",
      allowUnverifiedEmail: spec.allow_unverified_email ?? false,
      claimsToRoles: spec.claims_to_roles,
    }));
}

function claimRule(): z.ZodType<ClaimRule> {
  return z.strictObject({
    claim: z.string().min(1, "is empty").describe("Name of a claim."),
    value: z
      .string()
      .superRefine((text, context) => {
        if (text === "") refuse(context, "is empty", "write '*' for any value");
        // To Teleport that is a regular expression: taken for a plain text it would silently never match.
        else if (text.startsWith("^") && text.endsWith("$"))
          refuse(
            context,
            `cannot be a regular expression, as ${quoted(text)} is`,
            "write the text, with * as wildcard",
          );
      })
      .describe("Its value, or one of its values; `*` stands for any text."),
    roles: z
      .array(
        name().superRefine((text, context) => {
          if (text.includes("$"))
            refuse(context, `cannot take parts of the claim, as ${quoted(text)} does`, "write a rule for each value");
        }),
      )
      .min(1, "names no role")
      .describe("The roles that it gives."),
  });
}

/** An `https://` address; `http://` for this machine only. */
function address(): z.ZodType<string> {
  return z.string().superRefine((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isHere = url?.protocol === "http:" && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
    const isPlain = url !== undefined && url.username === "" && url.password === "" && !/[?#]/.test(text);
    if (url === undefined || !isPlain || !(isHere || url.protocol === "https:"))
      refuse(context, "expected an https:// address without ? and #", "http:// is for this machine only");
  });
}
