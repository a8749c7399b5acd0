/** Changing the keys of the certificate authorities: each step on somebody's word, or by itself when its time has come. */

import type { Clock } from "../base/clock.ts";
import { PosternError } from "../base/errors.ts";
import {
  advanceRotation,
  type Authority,
  type AuthorityKind,
  byHand,
  nextStep,
  parseAuthority,
  pinOf,
  type RotationPhase,
  startRotation,
} from "../identity/authority.ts";
import { newAuthorityKey } from "../identity/authority-keys.ts";
import type { KeyRing } from "../identity/sealing.ts";
import { isRace } from "../store/store-errors.ts";
import type { StoredValue } from "../store/store.ts";
import type { EventSink } from "./administration.ts";
import { requireAudit } from "./audit-health.ts";
import { AUTHORITY, type Cluster } from "./cluster.ts";

export interface RotationOptions {
  readonly cluster: Cluster;
  readonly ring: KeyRing;
  readonly events: EventSink;
  readonly clock: Clock;
}

/** Which step is to be taken. */
export interface RotationRequest {
  readonly kinds: readonly AuthorityKind[];
  readonly phase: RotationPhase;
  /** Whether the steps after this one are taken by hand, too. */
  readonly manual: boolean;
  /** Milliseconds that a rotation which goes on by itself takes. */
  readonly grace: number;
}

/** As in Teleport: every login and every bot comes by meanwhile. */
export const USUAL_GRACE_MS = 48 * 3_600_000;
/** Doors look once a minute for what to show. */
const SHORTEST_GRACE_MS = 10 * 60_000;

/**
 * Takes a step with one authority, or with both at once. @returns them as they are then
 *
 * @throws PosternError `rotation_invalid` when that step cannot follow, or somebody else took one meanwhile
 */
export async function rotateAuthorities(
  user: string,
  request: RotationRequest,
  options: RotationOptions,
): Promise<readonly Authority[]> {
  const { kinds, phase, manual, grace } = request;
  if (!manual && grace < SHORTEST_GRACE_MS) {
    throw new PosternError("rotation_invalid", `Cannot rotate within ${grace / 1000} s`, {
      hint: `--grace-period is ${SHORTEST_GRACE_MS / 60_000}m at least; with --manual each step is taken by hand`,
    });
  }
  const { cluster, ring, clock } = options;
  const now = clock.now();
  return step(user, kinds, options, async (authority) => {
    if (phase !== "init") {
      const next = advanceRotation(authority, phase, now);
      return manual ? byHand(next) : next;
    }
    const { kind } = authority;
    const fresh = await newAuthorityKey(kind, cluster.name, { ring, clock });
    return startRotation(authority, fresh, now, manual ? undefined : grace);
  });
}

/**
 * Takes the steps whose time has come. Several nodes may do so at once: one of them takes it. @returns the authorities that
 * it took further
 */
export async function keepRotating(options: RotationOptions): Promise<readonly Authority[]> {
  const { cluster, clock } = options;
  const taken: Authority[] = [];
  for (const kind of ["host", "user"] as const) {
    const due = nextStep(await cluster.authority(kind));
    if (due === undefined || clock.now() < due.at) continue;
    try {
      const work = async (authority: Authority): Promise<Authority> => {
        const next = nextStep(authority);
        // Read anew: another node may have been at it.
        if (next === undefined || clock.now() < next.at) throw raced(undefined);
        return advanceRotation(authority, next.phase, clock.now());
      };
      taken.push(...(await step("postern", [kind], options, work)));
    } catch (thrown) {
      if (!(thrown instanceof PosternError) || thrown.code !== "rotation_raced") throw thrown;
    }
  }
  return taken;
}

async function step(
  user: string,
  kinds: readonly AuthorityKind[],
  { cluster, events }: RotationOptions,
  work: (authority: Authority) => Promise<Authority>,
): Promise<readonly Authority[]> {
  requireAudit(events, "rotate an authority");
  const { store } = cluster;
  const steps = await Promise.all(
    kinds.map(async (kind) => {
      const authority = await cluster.authority(kind);
      const found = await store.get(AUTHORITY, kind);
      const next = await work(found === undefined ? authority : parseAuthority(found.value));
      return { next, revision: found?.revision ?? "" };
    }),
  );
  try {
    await store.write(
      steps.map(({ next, revision }) => {
        const value = JSON.parse(JSON.stringify(next)) as StoredValue;
        return { op: "update", kind: AUTHORITY, name: next.kind, value, revision };
      }),
    );
  } catch (thrown) {
    if (isRace(thrown)) throw raced(thrown);
    throw thrown;
  }
  for (const { next } of steps) {
    const { kind: authority, phase, active } = next;
    const facts = { user, authority, phase, pin: pinOf(active.certificate) };
    await events.record({ event: "postern.authority.rotated", code: "PCA01I", ...facts });
  }
  return steps.map(({ next }) => next);
}

function raced(cause: unknown): PosternError {
  return new PosternError("rotation_raced", "Cannot rotate the authority: somebody else took a step just now", {
    cause,
    hint: "look at postern ctl auth status",
  });
}
