/** How long the ends of a tunnel wait, in milliseconds. */

export interface TunnelTiming {
  /** Between two pings; a peer that does not answer one within as long is gone. */
  readonly ping: number;
  /** For the other side to say yes or no to a new connection. */
  readonly open: number;
  /** The longest pause between two attempts to dial; the first is a fiftieth. */
  readonly longestPause: number;
}

export const TUNNEL_TIMING: TunnelTiming = { ping: 5_000, open: 5_000, longestPause: 30_000 };

/**
 * The pause before attempt `attempt` (from 1), in milliseconds: doubling, with half of it at random, so that agents who lost
 * the same proxy at the same moment do not all come back at the same moment.
 */
export function pauseBefore(attempt: number, longest: number, random: () => number): number {
  const most = Math.min(longest, (longest / 50) * 2 ** Math.min(attempt - 1, 10));
  return most / 2 + (random() * most) / 2;
}
