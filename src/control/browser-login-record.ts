/** What the store keeps of a login in a browser, from its beginning to its redemption. Nothing of it lets anybody in. */

import * as z from "zod";

/** How somebody is to prove who they are: to the cluster itself, or to an identity provider. */
export type LoginMethod = "local" | { readonly connector: string };

/** That somebody has proved who they are. */
export type Proof =
  | {
      readonly by: "local";
      readonly user: string;
      /** The second factor that was shown; a passkey is one by itself. */
      readonly mfa: "totp" | "webauthn" | null;
      /** Of the password that was shown: it must be the user's still when the login is redeemed. */
      readonly mark: string;
    }
  | {
      readonly by: "connector";
      /** What the connector made of the claims. It is asked again when the login is redeemed. */
      readonly user: string;
      /** What the provider asked for is its own matter. */
      readonly mfa: null;
      readonly connector: string;
      readonly claims: Readonly<Record<string, unknown>>;
    };

/** What is kept. Times in milliseconds since the epoch. */
export interface BrowserLoginRecord {
  readonly begun: number;
  readonly expires: number;
  readonly address: string;
  readonly method: LoginMethod;
  readonly public_key: string;
  readonly lifetime?: number | undefined;
  readonly port: number;
  readonly state: string;
  readonly challenge: string;
  /** What whoever takes it further keeps for the next step. */
  readonly leg?: unknown;
  /** Absent: nobody has proved anything yet. Of the code there is its hash only. */
  readonly outcome?:
    | { readonly code_hash: string; readonly proof: Proof }
    | { readonly failure: { readonly code: string; readonly message: string; readonly hint?: string | undefined } }
    | undefined;
}

/** Reads one as it was kept; undefined for what is none, which may be another version's. */
export function readBrowserLogin(value: unknown): BrowserLoginRecord | undefined {
  return RECORD.safeParse(value).data;
}

const PROOF: z.ZodType<Proof> = z.discriminatedUnion("by", [
  z.strictObject({
    by: z.literal("local"),
    user: z.string(),
    mfa: z.enum(["totp", "webauthn"]).nullable(),
    mark: z.string(),
  }),
  z.strictObject({
    by: z.literal("connector"),
    user: z.string(),
    mfa: z.null(),
    connector: z.string(),
    claims: z.record(z.string(), z.unknown()),
  }),
]);

const RECORD: z.ZodType<BrowserLoginRecord> = z.strictObject({
  begun: z.number(),
  expires: z.number(),
  address: z.string(),
  method: z.union([z.literal("local"), z.strictObject({ connector: z.string() })]),
  public_key: z.string(),
  lifetime: z.number().optional(),
  port: z.number(),
  state: z.string(),
  challenge: z.string(),
  leg: z.unknown().optional(),
  outcome: z
    .union([
      z.strictObject({ code_hash: z.string(), proof: PROOF }),
      z.strictObject({
        failure: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }),
      }),
    ])
    .optional(),
});
