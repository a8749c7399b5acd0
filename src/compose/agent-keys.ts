/** The keys by which an agent reads credentials for SDKs: that of its certificate, and for a while the one before it. */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { HostIdentity } from "../agent/host-identity.ts";
import type { Clock } from "../base/clock.ts";
import type { Secret } from "../base/secret.ts";
import { keyIdOf, openSessionToken, type ReceivedToken } from "../identity/session-credentials.ts";
import type { SdkKeys } from "../tunnel/protocol.ts";

/** As long as credentials last that were made for a key before it was replaced, and the clocks' difference. */
const KEPT_MS = 3_600_000 + 120_000;
/** Renewals come every few days; more than these in an hour are none. */
const MAX_KEPT = 8;

interface Kept {
  readonly id: string;
  readonly privateKey: KeyObject;
  /** Milliseconds since the epoch; undefined: it is the one in use. */
  until: number | undefined;
}

/** Keys of one agent, in memory only. */
export class AgentKeys {
  readonly #clock: Clock;
  #keys: Kept[] = [];
  #certificate = "";
  #told: SdkKeys | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now on credentials are made for this identity's key. */
  use({ certificate, privateKey }: Pick<HostIdentity, "certificate" | "privateKey">): void {
    if (certificate === this.#certificate) return;
    this.#certificate = certificate;
    this.#told = undefined;
    const id = keyIdOf(new X509Certificate(certificate).publicKey);
    const until = this.#clock.now() + KEPT_MS;
    const before = this.#held().filter((key) => key.id !== id);
    for (const key of before) key.until ??= until;
    this.#keys = [{ id, privateKey: createPrivateKey(privateKey.reveal()), until: undefined }, ...before].slice(
      0,
      MAX_KEPT,
    );
  }

  /** What is told of them, the same object while it is the same; undefined before there is one. */
  get told(): SdkKeys | undefined {
    const held = this.#held();
    if (held.length !== this.#told?.key_ids.length || held.some(({ id }, at) => id !== this.#told?.key_ids[at]))
      this.#told =
        held.length === 0 ? undefined : { certificate: this.#certificate, key_ids: held.map(({ id }) => id) };
    return this.#told;
  }

  /** The secret of a token; undefined when it is for none of these keys, or is not whole. */
  open(token: string, { keyIds }: ReceivedToken): Secret | undefined {
    const key = this.#held().find(({ id }) => keyIds.includes(id));
    return key === undefined ? undefined : openSessionToken(token, key.privateKey, key.id);
  }

  #held(): readonly Kept[] {
    const now = this.#clock.now();
    return this.#keys.filter(({ until }) => until === undefined || now < until);
  }
}
