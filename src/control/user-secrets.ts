/** What is kept of a user's password, second factor and failed tries: apart from its document, and gone with it. */

import { createHash } from "node:crypto";
import * as z from "zod";
import { PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";
import { type LockoutState } from "../identity/lockout.ts";
import { quoted } from "../identity/names.ts";
import type { Passkey } from "../identity/passkeys.ts";
import type { KeyRing, SealingContext } from "../identity/sealing.ts";
import { newTotpSecret } from "../identity/totp.ts";
import { NO_TRIES, readTries, type Tries } from "../identity/tries.ts";
import type { Store, StoredValue, Write } from "../store/store.ts";

/** Plain only in memory. */
export interface UserSecrets extends Tries {
  /** As `Passwords.hash()` made it; absent: nobody can log in by password. */
  readonly password?: string;
  readonly totp?: { readonly secret: Secret; readonly lastCounter?: number };
  readonly passkeys?: readonly Passkey[];
}

/** Secrets as they were read: `write()` fails when somebody else wrote them meanwhile. */
export interface ReadSecrets {
  readonly secrets: UserSecrets;
  /** Undefined: there are none yet. */
  readonly revision: string | undefined;
}

export const USER_SECRET = "user_secret";

/** Secrets of users in a store. */
export class SecretsStore {
  readonly #store: Store;
  readonly #ring: KeyRing;

  constructor(store: Store, ring: KeyRing) {
    this.#store = store;
    this.#ring = ring;
  }

  /** @throws PosternError `user_secret_invalid`: what cannot be read must not count as none */
  async read(user: string): Promise<ReadSecrets> {
    const found = await this.#store.get(USER_SECRET, user);
    if (found === undefined) return { secrets: NO_TRIES, revision: undefined };
    const result = FORM.safeParse(found.value);
    if (!result.success) {
      throw new PosternError("user_secret_invalid", `Cannot use what is kept of the password of user ${quoted(user)}`, {
        hint: `reset the user: postern ctl users reset ${user}`,
      });
    }
    const { password, totp, passkeys, lockout, familiar } = result.data;
    return {
      revision: found.revision,
      secrets: {
        ...(password === undefined ? {} : { password }),
        ...(totp === undefined
          ? {}
          : {
              totp: {
                secret: this.#ring.open(totp.sealed, totpContext(user)),
                ...(totp.last_counter === undefined ? {} : { lastCounter: totp.last_counter }),
              },
            }),
        ...(passkeys === undefined
          ? {}
          : { passkeys: passkeys.map(({ id, public_key: publicKey, counter }) => ({ id, publicKey, counter })) }),
        ...readTries(lockout, familiar),
      },
    };
  }

  /** @throws PosternError `store_conflict` or `store_exists` when they are not as they were read */
  async write(user: string, secrets: UserSecrets, revision: string | undefined): Promise<void> {
    await this.#store.write([this.writeOf(user, secrets, revision)]);
  }

  /** Whether the user's password is still the one of this mark. @throws as `read()` */
  async isStill(user: string, mark: string): Promise<boolean> {
    const { password } = (await this.read(user)).secrets;
    return password !== undefined && markOf(password) === mark;
  }

  /** A write of them, to go with others; `anyway`: whatever was there. */
  writeOf(
    user: string,
    { password, totp, passkeys, lockout, familiar }: UserSecrets,
    revision: string | undefined | { readonly anyway: true },
  ): Write {
    const value: StoredValue = {
      ...(password === undefined ? {} : { password }),
      ...(totp === undefined
        ? {}
        : {
            totp: {
              sealed: this.#ring.seal(totp.secret, totpContext(user)),
              ...(totp.lastCounter === undefined ? {} : { last_counter: totp.lastCounter }),
            },
          }),
      ...(passkeys === undefined
        ? {}
        : { passkeys: passkeys.map(({ id, publicKey, counter }) => ({ id, public_key: publicKey, counter })) }),
      lockout: stored(lockout),
      familiar: familiar.map((one) => ({ network: one.network, lockout: stored(one.lockout) })),
    };
    const where = { kind: USER_SECRET, name: user, value } as const;
    if (typeof revision === "object") return { op: "put", ...where };
    return revision === undefined ? { op: "create", ...where } : { op: "update", ...where, revision };
  }
}

/**
 * By what a password, as it is kept, is known again later and elsewhere: with every setting, and of the next user of that name,
 * it is another.
 */
export function markOf(password: string): string {
  return createHash("sha256").update(password).digest("base64url");
}

/** A second factor that nobody has used yet. */
export function freshTotp(): { readonly secret: Secret } {
  return { secret: newTotpSecret() };
}

const FORM = z.strictObject({
  password: z.string().optional(),
  totp: z.strictObject({ sealed: z.string(), last_counter: z.number().int().optional() }).optional(),
  passkeys: z.array(z.strictObject({ id: z.string(), public_key: z.string(), counter: z.number().int() })).optional(),
  lockout: z.unknown(),
  familiar: z.array(z.strictObject({ network: z.string(), lockout: z.unknown() })).default([]),
});

function stored({ failures, locked_until }: LockoutState): StoredValue {
  return { failures: [...failures], locked_until };
}

/** Where a user's second factor belongs. */
export function totpContext(user: string): SealingContext {
  return { kind: USER_SECRET, name: user, purpose: "second factor" };
}
