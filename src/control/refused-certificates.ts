/** Certificates that were shown and do not count: put on record, though not every time. */

import type { Clock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { VerifiedHost, VerifiedUser } from "../identity/certificate-reader.ts";
import { AddressLimiter } from "../identity/lockout.ts";
import type { EventSink } from "./administration.ts";

export interface RefusedCertificatesOptions {
  readonly events: Pick<EventSink, "record">;
  readonly clock: Clock;
}

/** The refusals of one door. What is refused stays refused, whether or not that can be recorded: no method rejects. */
export class RefusedCertificates {
  readonly #events: RefusedCertificatesOptions["events"];
  /** How often a place is written down: strangers must not be able to fill the log. */
  readonly #noted: AddressLimiter;

  constructor({ events, clock }: RefusedCertificatesOptions) {
    this.#events = events;
    this.#noted = new AddressLimiter(clock);
  }

  /** That of a user; `shown` is undefined when it cannot be believed. */
  async noteUser(address: string, shown: VerifiedUser | undefined, thrown: unknown): Promise<void> {
    await this.#note("user", { address, thrown, shown: shown && { ...shown, ...shown.user } });
  }

  /** That of a service; `shown` is undefined when it cannot be believed. */
  async noteHost(address: string, shown: VerifiedHost | undefined, thrown: unknown): Promise<void> {
    await this.#note("host", {
      address,
      thrown,
      shown: shown && { ...shown, name: shown.hostId, roles: [shown.role] },
    });
  }

  async #note(cert_type: "user" | "host", { address, thrown, shown }: Refused): Promise<void> {
    if (this.#noted.take(address) > 0) return;
    const identity =
      shown === undefined
        ? null
        : {
            name: shown.name,
            roles: shown.roles,
            serial: shown.serial,
            expires: new Date(shown.expires).toISOString(),
          };
    const refused = { cert_type, identity, "addr.remote": address, reason: messageOf(thrown) } as const;
    await this.#events.record({ event: "postern.cert.refused", code: "PCE01W", ...refused }).catch(() => undefined);
  }
}

interface Refused {
  readonly address: string;
  readonly thrown: unknown;
  readonly shown:
    | { readonly name: string; readonly roles: readonly string[]; readonly serial: string; readonly expires: number }
    | undefined;
}
