/** Challenges for joins by an AWS identity: each is good once, for a minute, at every node of the cluster. */

import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import { Secret } from "../base/secret.ts";
import { newChallenge } from "../identity/iam-join.ts";
import type { KeyRing, SealingContext } from "../identity/sealing.ts";
import type { Store, Write } from "../store/store.ts";

const LIFETIME_MS = 60_000;
/** How long a used one is remembered beyond its time: nodes' clocks differ. */
const REMEMBERED_MS = 10 * 60_000;
const USED = "join_challenge";

/** A challenge that somebody brought back. */
export interface GivenChallenge {
  /** Under which its use is noted. */
  readonly id: string;
  readonly expires: number;
}

/** Nothing is kept of a challenge until somebody has joined by it: strangers may ask for as many as they like. */
export class JoinChallenges {
  readonly #ring: KeyRing;
  readonly #context: SealingContext;
  readonly #clock: Clock;

  constructor(ring: KeyRing, cluster: string, clock: Clock) {
    this.#ring = ring;
    this.#context = { kind: USED, name: cluster, purpose: "challenge of a join" };
    this.#clock = clock;
  }

  /** A new one; `expires` in milliseconds since the epoch. */
  make(): { readonly challenge: string; readonly expires: number } {
    const expires = this.#clock.now() + LIFETIME_MS;
    return { challenge: this.#ring.seal(new Secret(`${newChallenge()} ${expires}`), this.#context), expires };
  }

  /** @throws PosternError `join_challenge_refused` for what this cluster did not give, or too long ago */
  open(challenge: string): GivenChallenge {
    let content: string;
    try {
      content = this.#ring.open(challenge, this.#context).reveal();
    } catch {
      throw refused("it is none that this cluster gave");
    }
    const expires = Number(content.split(" ")[1]);
    // A number that is none is never later than now.
    if (!(this.#clock.now() < expires)) throw refused("it is too old");
    return { id: createHash("sha256").update(challenge).digest("hex"), expires };
  }

  /** @throws PosternError `join_challenge_refused` when somebody joined by it already */
  async requireUnused({ id }: GivenChallenge, store: Store): Promise<void> {
    if ((await store.get(USED, id)) !== undefined) throw refused("it was used already");
  }

  /** Notes its use, with the write that lets somebody in; fails when it was noted before. */
  use({ id, expires }: GivenChallenge): Write {
    return { op: "create", kind: USED, name: id, value: {}, expiresAt: expires + REMEMBERED_MS };
  }
}

function refused(reason: string): PosternError {
  return new PosternError(
    "join_challenge_refused",
    `Cannot join by AWS identity: the challenge does not count: ${reason}`,
    {
      hint: "ask for another one, and sign anew",
    },
  );
}
