/** Passwords: what may be one, how it is kept, and how one is checked without telling who exists. */

import { Buffer } from "node:buffer";
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { PosternError } from "../base/errors.ts";
import type { Secret } from "../base/secret.ts";

/** What scrypt is made to cost: N = 2^ln. */
export interface PasswordCost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** OWASP's Password Storage Cheat Sheet for scrypt: N = 2^17, r = 8, p = 1, which is 128 MiB for each check. */
export const PASSWORD_COST: PasswordCost = { ln: 17, r: 8, p: 1 };

/** In characters. With a second factor NIST SP 800-63B asks for 8; without one, which we allow too, for more. */
export const MIN_PASSWORD_CHARACTERS = 12;

/** Far beyond any passphrase; more would only be work for us. */
export const MAX_PASSWORD_BYTES = 1024;

/** How a check went. `stale`: it was right, but is kept at another cost than now; hash it anew and keep that. */
export interface PasswordVerdict {
  readonly ok: boolean;
  readonly stale: boolean;
}

export interface PasswordsOptions {
  /** Default `PASSWORD_COST`. */
  readonly cost?: PasswordCost;
  /** How many checks run at once. Default 2: 256 MiB, and half of the four threads that files and names need too. */
  readonly concurrent?: number;
  /** How many more may wait. Default 64. */
  readonly waiting?: number;
}

/** Hashes and checks passwords, so many at a time. */
export class Passwords {
  readonly #cost: PasswordCost;
  readonly #turns: Turns;
  /** Stands in for users who do not exist or have no password: costs what a real one costs, and never fits. */
  readonly #nobody: StoredPassword;

  constructor(options: PasswordsOptions = {}) {
    this.#cost = options.cost ?? PASSWORD_COST;
    if (!isAffordable(this.#cost))
      throw new PosternError("password_cost_invalid", "Cannot hash at this cost of scrypt");
    this.#turns = new Turns(options.concurrent ?? 2, options.waiting ?? 64);
    this.#nobody = { cost: this.#cost, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) };
  }

  /**
   * What to keep of a new password: a text of the PHC string format.
   *
   * @throws PosternError `password_invalid` when it cannot be one, `password_busy` when too many wait
   */
  async hash(password: Secret): Promise<string> {
    const text = normalised(password);
    if ("fault" in text) {
      throw new PosternError("password_invalid", `Cannot set the password: ${text.fault}`, {
        hint: `use ${MIN_PASSWORD_CHARACTERS} characters or more; a few words in a row are easy to remember`,
      });
    }
    const salt = randomBytes(SALT_BYTES);
    const key = await this.#derive(text.value, salt, this.#cost);
    return format({ cost: this.#cost, salt, key });
  }

  /**
   * Whether a password is the one that is kept. `kept` is undefined for a user who does not exist or has none: the same
   * steps at the same cost, and always no.
   *
   * @throws PosternError `password_record_invalid` when what is kept cannot be read, `password_busy` when too many wait
   */
  async verify(password: Secret, kept: string | undefined): Promise<PasswordVerdict> {
    const stored = kept === undefined ? this.#nobody : parse(kept);
    // What can be nobody's password is hashed as well: the answer's time says nothing about the rules either.
    const text = normalised(password);
    const key = await this.#derive("fault" in text ? "" : text.value, stored.salt, stored.cost);
    const same = timingSafeEqual(key, stored.key);
    const ok = same && kept !== undefined && !("fault" in text);
    return { ok, stale: ok && !isSameCost(stored.cost, this.#cost) };
  }

  async #derive(text: string, salt: Buffer, { ln, r, p }: PasswordCost): Promise<Buffer> {
    const N = 2 ** ln;
    const options = { N, r, p, maxmem: 128 * r * (N + p + 2) };
    return this.#turns.run(
      () =>
        new Promise((resolve, reject) => {
          scrypt(text, salt, KEY_BYTES, options, (error, key) => {
            if (error === null) resolve(key);
            else reject(error);
          });
        }),
    );
  }
}

interface StoredPassword {
  readonly cost: PasswordCost;
  readonly salt: Buffer;
  readonly key: Buffer;
}

const SALT_BYTES = 16;
const KEY_BYTES = 32;

/** The one form of a password that is hashed: keyboards differ in how they compose é. */
function normalised(password: Secret): { readonly value: string } | { readonly fault: string } {
  const given = password.reveal();
  // Before the work of composing it.
  if (given.length > MAX_PASSWORD_BYTES) return { fault: `it is longer than ${MAX_PASSWORD_BYTES} bytes` };
  // Halves of characters all become the same bytes.
  if (/\p{Cs}/u.test(given)) return { fault: "it is not well-formed Unicode" };
  const value = given.normalize("NFC");
  if (Buffer.byteLength(value) > MAX_PASSWORD_BYTES) return { fault: `it is longer than ${MAX_PASSWORD_BYTES} bytes` };
  if ([...value].length < MIN_PASSWORD_CHARACTERS)
    return { fault: `it has fewer than ${MIN_PASSWORD_CHARACTERS} characters` };
  return { value };
}

function format({ cost: { ln, r, p }, salt, key }: StoredPassword): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(key)}`;
}

function parse(kept: string): StoredPassword {
  const [, ln, r, p, salt = "", key = ""] = PHC.exec(kept) ?? [];
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  const stored = { cost, salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
  if (!isAffordable(cost) || stored.salt.length < SALT_BYTES || stored.key.length !== KEY_BYTES) {
    throw new PosternError("password_record_invalid", "Cannot check the password: what is kept of it cannot be read", {
      hint: "reset the user: postern ctl users reset NAME",
    });
  }
  return stored;
}

const PHC = /^\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9])\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43})$/;

/** Whether a check stays within 256 MiB and a few seconds: what is kept must not be able to ask for more. */
function isAffordable({ ln, r, p }: PasswordCost): boolean {
  return ln >= 1 && ln <= 20 && r >= 1 && p >= 1 && p <= 4 && 128 * r * 2 ** ln <= 256 * 1024 * 1024;
}

function isSameCost(a: PasswordCost, b: PasswordCost): boolean {
  return a.ln === b.ln && a.r === b.r && a.p === b.p;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}

/** Lets so many through at a time, in the order of their coming, and turns away who would wait too long. */
class Turns {
  readonly #most: number;
  readonly #mostWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(most: number, mostWaiting: number) {
    this.#most = most;
    this.#mostWaiting = mostWaiting;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#most) this.#running += 1;
    else {
      if (this.#waiting.length >= this.#mostWaiting) {
        throw new PosternError("password_busy", "Cannot check the password: too many others are being checked", {
          hint: "try again in a few seconds",
        });
      }
      // Whoever ends hands its place over, so the count stays.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
