/** Time as an argument: everything that waits or stamps takes a `Clock`. */

/** The two readings that Postern needs of time. */
export interface Clock {
  /** Milliseconds since the Unix epoch, for stamps and expiry. */
  now(): number;
  /** Milliseconds from an arbitrary start that never go back, with fractions, for durations. */
  monotonic(): number;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
