/** Membership of a cluster: joined once, kept in the data directory, and renewed in time for as long as the process runs. */

import { messageOf, PosternError } from "../base/errors.ts";
import { pinOf } from "../identity/authority.ts";
import { CLOCK_SKEW_MS } from "../identity/authority-keys.ts";
import type { Log } from "../telemetry/log.ts";
import type { HostIdentity, IdentityFile } from "./host-identity.ts";
import {
  haveAuthoritiesChanged,
  joinCluster,
  type JoinClientOptions,
  renewIdentity,
  skewText,
} from "./join-cluster.ts";

export interface MembershipOptions extends Omit<JoinClientOptions, "onSkew"> {
  readonly file: IdentityFile;
  readonly log: Log;
  /** Between 0 and 1. */
  readonly random: () => number;
  /** Resolves after so many milliseconds, or at once when aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  /** Whether a refusal at the first try ends it: true where there is nothing to do without the cluster. */
  readonly needed: boolean;
}

/** When two thirds of a certificate's life are over; some time before that, so that not all come at once. */
const RENEW_AT = 2 / 3;
const RENEW_SPREAD = 1 / 20;
/** How often it is looked at whether the cluster's authorities change. */
const LOOK_EVERY_MS = 10 * 60_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 5 * 60_000;

/** A process that is, or is to be, a member of a cluster. */
export interface Member {
  /** Who it is there; undefined until it has joined, and when its certificate has ended. */
  readonly identity: HostIdentity | undefined;
  /** Why it is no member now; `null` when it is. */
  readonly readiness: string | null;
  /** Gets whom to believe anew, at once, when the cluster has other authorities than those with these pins are known by. */
  look(pins: { readonly host: readonly string[]; readonly user: readonly string[] }): void;
  /** What is kept stays. */
  close(): Promise<void>;
}

/** A membership that this process keeps. */
export class Membership implements Member {
  readonly #options: JoinClientOptions & MembershipOptions;
  readonly #ended = new AbortController();
  #identity: HostIdentity | undefined;
  /** What is not in the file yet. */
  #unwritten: HostIdentity | undefined;
  #renewAt = 0;
  #failure: string | undefined;
  #retryMs = FIRST_RETRY_MS;
  #loop: Promise<void> | undefined;
  #saidSkew = false;
  /** Aborted to look before it is time. */
  #looking = new AbortController();

  /**
   * Takes up what the data directory holds, or joins. When the cluster cannot be reached it goes on trying.
   *
   * @throws PosternError `identity_…` for a file that cannot be used; where the cluster is `needed`, why it refused
   */
  static async open(options: MembershipOptions): Promise<Membership> {
    const membership = new Membership(options);
    await membership.#begin();
    return membership;
  }

  /** Use `open`. */
  constructor(options: MembershipOptions) {
    this.#options = { ...options, onSkew: (ahead) => this.#heardTime(ahead) };
  }

  get identity(): HostIdentity | undefined {
    return this.#holds() ? this.#identity : undefined;
  }

  get readiness(): string | null {
    if (this.#holds()) return null;
    const how = this.#identity === undefined ? "has not joined the cluster yet" : "the certificate has ended";
    return this.#failure === undefined ? how : `${how}: ${this.#failure}`;
  }

  look(pins: Parameters<Member["look"]>[0]): void {
    const known = this.#identity?.trusted;
    if (known === undefined) return;
    const isSame = (["host", "user"] as const).every((kind) => known[kind].map(pinOf).join() === pins[kind].join());
    if (!isSame) this.#looking.abort();
  }

  async close(): Promise<void> {
    this.#ended.abort();
    await this.#loop;
  }

  async #begin(): Promise<void> {
    const { file, log, needed } = this.#options;
    this.#take(await file.read());
    if (this.#identity !== undefined && this.#holds()) {
      const { hostId, cluster } = this.#identity.stated;
      log.info({}, `Member of cluster ${JSON.stringify(cluster)} as host ${hostId}`);
    } else {
      try {
        await this.#keepUp();
      } catch (error) {
        if (needed && isFinal(error)) throw error;
        this.#failed(error);
      }
    }
    this.#loop = this.#run();
  }

  async #run(): Promise<void> {
    const { random, sleep, clock } = this.#options;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const next = this.#failure === undefined ? Math.min(this.#renewAt - clock.now(), LOOK_EVERY_MS) : this.#retryMs;
      await sleep(Math.max(0, next * (0.8 + 0.2 * random())), AbortSignal.any([signal, this.#looking.signal]));
      if (signal.aborted) return;
      if (this.#looking.signal.aborted) this.#looking = new AbortController();
      await this.#keepUp().catch((error: unknown) => this.#failed(error));
    }
  }

  async #keepUp(): Promise<void> {
    const isDue = !this.#holds() || this.#options.clock.now() >= this.#renewAt;
    if (isDue || (await this.#isOutdated())) await this.#renew();
    // What cannot be written now is not lost: the token that it came for may be used up.
    if (this.#unwritten !== undefined) this.#options.file.write(this.#unwritten);
    this.#unwritten = undefined;
    this.#failure = undefined;
  }

  async #isOutdated(): Promise<boolean> {
    return this.#identity !== undefined && (await haveAuthoritiesChanged(this.#options, this.#identity));
  }

  /** Gets the next certificate, by the one that holds or by joining. */
  async #renew(): Promise<void> {
    const { log } = this.#options;
    const member = this.identity;
    const next =
      member?.renewable === true
        ? await renewIdentity(this.#options, member)
        : await joinCluster(this.#options, member);
    this.#unwritten = next;
    this.#take(next);
    const { hostId, cluster, expires } = next.stated;
    const until = new Date(expires).toISOString();
    if (member === undefined) log.info({ until }, `Joined cluster ${JSON.stringify(cluster)} as host ${hostId}`);
    else log.info({ until }, `Renewed the certificate of host ${hostId}`);
  }

  #take(identity: HostIdentity | undefined): void {
    this.#identity = identity;
    if (identity === undefined) return;
    const { begins, expires } = identity.stated;
    const share = RENEW_AT - RENEW_SPREAD * this.#options.random();
    this.#renewAt = begins + share * (expires - begins);
  }

  #holds(): boolean {
    return this.#identity !== undefined && this.#options.clock.now() < this.#identity.stated.expires;
  }

  #failed(error: unknown): void {
    const { log } = this.#options;
    const reason = messageOf(error);
    const hint = error instanceof PosternError ? error.hint : undefined;
    const said = !this.#holds()
      ? "Cannot join the cluster"
      : this.#unwritten === undefined
        ? "Cannot renew the certificate; the one at hand serves on"
        : "Cannot keep the new certificate, which serves until this process ends";
    if (reason !== this.#failure) log.warn({ error: reason, ...(hint === undefined ? {} : { hint }) }, said);
    this.#retryMs = this.#failure === undefined ? FIRST_RETRY_MS : Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    this.#failure = reason;
  }

  #heardTime(ahead: number): void {
    const isOff = Math.abs(ahead) > CLOCK_SKEW_MS;
    if (isOff && !this.#saidSkew) this.#options.log.warn({}, `Clocks differ: ${skewText(ahead)}`);
    this.#saidSkew = isOff;
  }
}

/** Refusals that do not end by themselves: somebody must change something. */
const FINAL: ReadonlySet<string> = new Set([
  "pin_wrong",
  "proxy_untrusted",
  "proxy_wrong_name",
  "clock_skew",
  "join_refused",
  "join_answer_refused",
  "join_token_unreadable",
  "identity_not_allowed",
  "identity_refused",
  "host_locked",
  "body_invalid",
]);

function isFinal(error: unknown): boolean {
  return error instanceof PosternError && FINAL.has(error.code);
}
