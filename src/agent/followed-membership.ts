/** A membership that another process of this service keeps: read from its file, and read again as it is renewed. */

import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../telemetry/log.ts";
import type { HostIdentity, IdentityFile } from "./host-identity.ts";
import type { Member } from "./membership.ts";

export interface FollowedMembershipOptions {
  readonly file: Pick<IdentityFile, "read">;
  readonly clock: Clock;
  readonly log: Log;
  /** Between two looks at the file, in milliseconds. */
  readonly every?: number;
}

const LOOK_EVERY_MS = 1_000;

/** Joins nothing and renews nothing. */
export class FollowedMembership implements Member {
  readonly #options: FollowedMembershipOptions;
  readonly #timer: NodeJS.Timeout;
  #identity: HostIdentity | undefined;
  #failure: string | undefined;
  #reading: Promise<void> | undefined;

  /** Reads the file, which may not be there yet. */
  static async open(options: FollowedMembershipOptions): Promise<FollowedMembership> {
    const membership = new FollowedMembership(options);
    await membership.#read();
    return membership;
  }

  /** Use `open`. */
  constructor(options: FollowedMembershipOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#read(), options.every ?? LOOK_EVERY_MS);
    this.#timer.unref();
  }

  get identity(): HostIdentity | undefined {
    const ends = this.#identity?.stated.expires ?? 0;
    return this.#options.clock.now() < ends ? this.#identity : undefined;
  }

  get readiness(): string | null {
    if (this.identity !== undefined) return null;
    const how = this.#identity === undefined ? "has not joined the cluster yet" : "the certificate has ended";
    return this.#failure === undefined ? how : `${how}: ${this.#failure}`;
  }

  /** Whoever keeps it is told the same. */
  look(): void {
    void this.#read();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading;
  }

  #read(): Promise<void> {
    this.#reading ??= this.#take().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #take(): Promise<void> {
    try {
      const next = await this.#options.file.read();
      // The same is the same object: others know by it that there is nothing to do.
      if (next !== undefined && !isSame(next, this.#identity)) this.#identity = next;
      this.#failure = undefined;
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== this.#failure)
        this.#options.log.warn(
          { error: reason },
          "Cannot read the identity of this service; the one at hand serves on",
        );
      this.#failure = reason;
    }
  }
}

function isSame(next: HostIdentity, known: HostIdentity | undefined): boolean {
  return next.certificate === known?.certificate && JSON.stringify(next.trusted) === JSON.stringify(known.trusted);
}
