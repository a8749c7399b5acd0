/** Whether a second factor that somebody shows is the user's: a code of an app, or a passkey. */

import type { Clock } from "../base/clock.ts";
import type { Passkeys } from "../identity/passkeys.ts";
import type { SecondFactor } from "../identity/second-factor.ts";
import { checkTotp } from "../identity/totp.ts";
import type { Store, Write } from "../store/store.ts";
import type { UserSecrets } from "./user-secrets.ts";

/** How it went: why not, or what is to be kept before anybody is in. */
export interface FactorVerdict {
  /** Undefined: it is right, or none is asked for. */
  readonly fault: string | undefined;
  readonly mfa: "totp" | "webauthn" | null;
  /** The factor as it is from here on. */
  readonly next?: Pick<UserSecrets, "totp" | "passkeys">;
  /** To be written whether the password is right or not, by which the same answer counts for nothing again. */
  readonly writes?: readonly Write[];
}

/** Judges against what is kept of a user now. */
export type JudgeFactor = (secrets: UserSecrets) => Promise<FactorVerdict>;

/** What to hold a code against, or none where the cluster asks for none. */
export function codeJudge(
  code: string | undefined,
  { secondFactor, clock }: { readonly secondFactor: SecondFactor; readonly clock: Clock },
): JudgeFactor {
  const refused = (fault: string): FactorVerdict => ({ fault, mfa: code === undefined ? null : "totp" });
  return async ({ totp, passkeys }) => {
    // Who has one is not let in without it, whatever the cluster asks of others.
    if (secondFactor === "webauthn" || passkeys !== undefined) return refused("no passkey was shown");
    if (totp === undefined)
      return secondFactor === "off" ? { fault: undefined, mfa: null } : refused("no second factor is set up");
    const { secret, lastCounter } = totp;
    const verdict = checkTotp({ secret, code: code ?? "", lastCounter, now: clock.now() });
    if (!verdict.ok) return refused(`${verdict.reason} code`);
    return { fault: undefined, mfa: "totp", next: { totp: { secret, lastCounter: verdict.counter } } };
  };
}

/** What to hold a passkey against that a page sent for the login `subject`. Its challenge counts once. */
export function passkeyJudge(
  answer: string,
  { passkeys, subject, store }: { readonly passkeys: Passkeys; readonly subject: string; readonly store: Store },
): JudgeFactor {
  return async ({ passkeys: known = [] }) => {
    const verdict = await passkeys.judge(answer, subject, known);
    if (!verdict.ok) return { fault: `passkey: ${verdict.reason}`, mfa: "webauthn" };
    const { passkey, challenge } = verdict;
    if ((await store.get(CHALLENGE, challenge.digest)) !== undefined)
      return { fault: "passkey: its challenge was used already", mfa: "webauthn" };
    return {
      fault: undefined,
      mfa: "webauthn",
      next: { passkeys: known.map((one) => (one.id === passkey.id ? passkey : one)) },
      writes: [{ op: "create", kind: CHALLENGE, name: challenge.digest, value: {}, expiresAt: challenge.expires }],
    };
  };
}

const CHALLENGE = "passkey_challenge";
