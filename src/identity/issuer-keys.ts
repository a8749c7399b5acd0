/** Public keys of whoever signs workload tokens: asked of the issuer, kept for a while, and asked anew for a key that is not known. */

import type { JSONWebKeySet } from "jose";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { jwksFault, readJwks } from "./bot-join-schema.ts";

/** Gets the text at an https address, bounded in size and time, without following anywhere else. @throws Error */
export type GetText = (url: string) => Promise<string>;

const FRESH_MS = 3_600_000;
/** When the issuer cannot be asked, its last keys serve on for so long. */
const USABLE_MS = 24 * 3_600_000;
/** Between two questions because of a key that is not known: anybody can name one. */
const ASK_EVERY_MS = 60_000;
const RETRY_EVERY_MS = 5_000;
/** Issuers stand in documents of administrators; what nobody uses any more must not stay for ever. */
const MAX_ISSUERS = 100;

interface Known {
  readonly keys: JSONWebKeySet | undefined;
  /** Monotonic, in milliseconds: when the keys came, and until when the issuer is left in peace. */
  readonly at: number;
  readonly restUntil: number;
}

/** The keys of issuers. */
export class IssuerKeys {
  readonly #getText: GetText;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Known>>();

  constructor(getText: GetText, clock: Clock) {
    this.#getText = getText;
    this.#clock = clock;
  }

  /** The keys of an issuer, among which this one is if the issuer has it. @throws PosternError `issuer_unavailable` */
  async keysOf(issuer: string, kid: string): Promise<JSONWebKeySet> {
    const last = this.#known.get(issuer);
    const now = this.#clock.monotonic();
    const has = last?.keys?.keys.some((key) => key.kid === kid) === true;
    if (last?.keys !== undefined && has && now - last.at < FRESH_MS) return last.keys;
    const next = last !== undefined && now < last.restUntil ? last : await this.#ask(issuer, last);
    if (next.keys !== undefined) return next.keys;
    throw new PosternError("issuer_unavailable", `Cannot check the token: the keys of ${issuer} cannot be had`, {
      hint: "try again in a while; the auth service must reach the issuer over https",
    });
  }

  /** Once for all who wait. */
  #ask(issuer: string, last: Known | undefined): Promise<Known> {
    const asking =
      this.#asking.get(issuer) ??
      this.#fetch(issuer, last).finally(() => {
        this.#asking.delete(issuer);
      });
    this.#asking.set(issuer, asking);
    return asking;
  }

  async #fetch(issuer: string, last: Known | undefined): Promise<Known> {
    let next: Known;
    try {
      const text = await this.#getText(`${issuer}/.well-known/jwks`);
      const fault = jwksFault(text);
      if (fault !== undefined) throw new Error(`what it gives ${fault}`);
      const now = this.#clock.monotonic();
      next = { keys: readJwks(text), at: now, restUntil: now + ASK_EVERY_MS };
    } catch {
      const now = this.#clock.monotonic();
      const keys = last !== undefined && now - last.at < USABLE_MS ? last.keys : undefined;
      next = { keys, at: last?.at ?? now, restUntil: now + RETRY_EVERY_MS };
    }
    this.#known.delete(issuer);
    this.#known.set(issuer, next);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_ISSUERS && oldest !== undefined) this.#known.delete(oldest);
    return next;
  }
}
