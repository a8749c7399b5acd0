/** One-time codes (RFC 6238) as authenticator apps make them: six digits, every 30 seconds, SHA-1. */

import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import { HOTP, Secret as OtpSecret, TOTP } from "otpauth";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";

/** How a check went. `counter` is to be kept: it and those below it are never taken again. */
export type TotpVerdict =
  | { readonly ok: true; readonly counter: number }
  | { readonly ok: false; readonly reason: "malformed" | "wrong" | "used" };

/** What a check needs. */
export interface TotpCheck {
  /** As `newTotpSecret()` made it. */
  readonly secret: Secret;
  /** As a person typed it. */
  readonly code: string;
  /** The counter of the last code that was taken; undefined before the first. */
  readonly lastCounter: number | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A new secret of 160 bits, in base 32. */
export function newTotpSecret(): Secret {
  return new Secret(new OtpSecret({ size: SECRET_BYTES }).base32);
}

/** The `otpauth://` address that an app reads from a QR code. It holds the secret. */
export function totpUri(secret: Secret, issuer: string, account: string): Secret {
  const { algorithm, digits, period } = FORM;
  return new Secret(new TOTP({ issuer, label: account, secret: read(secret), algorithm, digits, period }).toString());
}

/**
 * Judges a code: one step early or late is still taken, for clocks that differ, and none is taken twice. All three steps
 * are worked out and compared, whichever fits.
 *
 * @throws PosternError `totp_secret_invalid` when what is kept is no secret
 */
export function checkTotp({ secret, code, lastCounter, now }: TotpCheck): TotpVerdict {
  const key = read(secret);
  const digits = code.length > 32 ? "" : code.replaceAll(/[ -]/g, "");
  if (!/^[0-9]{6}$/.test(digits)) return { ok: false, reason: "malformed" };
  const current = Math.floor(now / (FORM.period * 1000));
  let verdict: TotpVerdict = { ok: false, reason: "wrong" };
  for (const counter of [current - 1, current, current + 1]) {
    const { algorithm, digits: length } = FORM;
    const expected = HOTP.generate({ secret: key, counter, algorithm, digits: length });
    if (!timingSafeEqual(Buffer.from(expected), Buffer.from(digits))) continue;
    if (lastCounter === undefined || counter > lastCounter) verdict = { ok: true, counter };
    else if (!verdict.ok) verdict = { ok: false, reason: "used" };
  }
  return verdict;
}

const SECRET_BYTES = 20;
// What every app takes; some pass over what the address says otherwise.
const FORM = { algorithm: "SHA1", digits: 6, period: 30 } as const;

function read(secret: Secret): OtpSecret {
  const text = secret.reveal();
  if (!/^[A-Z2-7]{26,128}$/.test(text)) {
    throw new PosternError(
      "totp_secret_invalid",
      "Cannot check the code: what is kept for it is not a secret in base 32",
      {
        hint: "reset the user: postern ctl users reset NAME",
      },
    );
  }
  return OtpSecret.fromBase32(text);
}
