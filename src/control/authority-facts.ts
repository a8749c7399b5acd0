/** What people and programs are told of a certificate authority. */

import { type Authority, nextStep, pinsOf } from "../identity/authority.ts";

/** In the words of JSON. Moments are RFC 3339. */
export interface AuthorityFacts {
  readonly kind: string;
  /** Of its rotation: `standby` when there is none. */
  readonly phase: string;
  /** When the phase began, and which follows when by itself; null: none does. */
  readonly started: string | null;
  readonly next_phase: string | null;
  readonly next_at: string | null;
  readonly last_rotated: string | null;
  readonly pins: readonly string[];
}

/** The facts of an authority. */
export function authorityFacts(authority: Authority): AuthorityFacts {
  const { kind, phase, started, rotated } = authority;
  const next = nextStep(authority);
  return {
    kind,
    phase,
    started: momentOf(started),
    next_phase: next?.phase ?? null,
    next_at: momentOf(next?.at),
    last_rotated: momentOf(rotated),
    pins: pinsOf(authority),
  };
}

/** Where a rotation stands, in words. */
export function rotationOf(facts: Pick<AuthorityFacts, "phase" | "next_phase" | "next_at" | "last_rotated">): string {
  const { phase, next_phase: next, next_at: at, last_rotated: rotated } = facts;
  if (phase === "standby") return rotated === null ? "never updated" : `rotated ${rotated}`;
  return `rotating: ${phase} (${next === null ? "by hand" : `${next} at ${at}`})`;
}

function momentOf(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
