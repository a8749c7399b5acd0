/** The troubles that a test can switch on in the sandbox, and for how many requests they last. */

/** `*_down` cuts the connection, `*_unavailable` answers 503, `*_throttled` refuses as AWS does, `*_slow` waits. */
export type FaultKind =
  | "sts_down"
  | "sts_unavailable"
  | "sts_throttled"
  | "sts_slow"
  | "dynamodb_down"
  | "dynamodb_unavailable"
  | "dynamodb_throttled"
  | "dynamodb_slow";

/** How a fault is limited. */
export interface FaultOptions {
  /** How many requests it befalls; absent: until healed. */
  readonly times?: number;
  /** For `*_slow`: milliseconds of waiting before the request is served; absent: 1000. */
  readonly delayMs?: number;
}

/** A fault that a request meets. */
export interface MetFault {
  readonly kind: FaultKind;
  readonly delayMs: number;
}

/** The faults that are switched on now. */
export class Faults {
  readonly #active = new Map<FaultKind, { left: number; delayMs: number }>();

  /** Switches a fault on. */
  add(kind: FaultKind, options: FaultOptions = {}): void {
    this.#active.set(kind, { left: options.times ?? Number.POSITIVE_INFINITY, delayMs: options.delayMs ?? 1000 });
  }

  /** Switches one fault off, or all of them. */
  heal(kind?: FaultKind): void {
    if (kind === undefined) this.#active.clear();
    else this.#active.delete(kind);
  }

  /** The faults that the next request to `service` meets, each counted down by one. */
  meet(service: "sts" | "dynamodb"): MetFault[] {
    const met: MetFault[] = [];
    for (const [kind, fault] of this.#active) {
      if (!kind.startsWith(`${service}_`)) continue;
      met.push({ kind, delayMs: fault.delayMs });
      fault.left -= 1;
      if (fault.left <= 0) this.#active.delete(kind);
    }
    return met;
  }
}
