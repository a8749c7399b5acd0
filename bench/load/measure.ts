/** One round: a way under load for a while, with what it cost, counted only when everything arrived and came back well. */

import { Load, once } from "./driver.ts";
import { deniedRequest, requestBytes, type Shape } from "./operations.ts";
import { machineBusyUs, ProcessReading, processTree } from "./proc.ts";
import { percentile } from "./statistics.ts";
import type { Upstream } from "./upstream.ts";
import type { Way } from "./ways.ts";

/** What a round told. */
export interface Round {
  readonly requests: number;
  readonly perSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** CPU time of all processes of the way, in microseconds for each request. */
  readonly cpuUs: number;
  readonly rssMiB: number;
  /** Of all requests, how many cost a connection. */
  readonly closedShare: number;
  /** Shares of one core. */
  readonly driverShare: number;
  readonly upstreamShare: number;
  /** What programs that are no part of the bench took of the machine. */
  readonly foreignShare: number;
}

/** A round that does not count, and why. */
export class RoundRefused extends Error {}

export interface RoundOptions {
  readonly upstream: Upstream;
  readonly shape: Shape;
  readonly connections: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly cores: number;
  /** What is sent, where it is not what `shape` says by itself. */
  readonly request?: Buffer;
  /** Told of the ends of the load, without its warm-up. */
  readonly observer?: LoadObserver;
}

export interface LoadObserver {
  begin(): void;
  end(requests: number): void;
}

/** What of a way is measured. */
export type Measurable = Pick<Way, "target" | "roots" | "signs">;

/** @throws RoundRefused when not every request reached the upstream once, signed where it must be, and came back well */
export async function measureRound(way: Measurable, options: RoundOptions): Promise<Round> {
  const { upstream, shape, connections, warmUpSeconds, seconds, cores, request, observer } = options;
  const answerBytes = await upstream.answerWith(shape);
  const load = await Load.open(way.target, connections, request ?? requestBytes(shape), answerBytes);
  try {
    // On the connections of the round, so that none of it pays for opening them, here or behind the way.
    if (warmUpSeconds > 0) await load.run(warmUpSeconds);
    const pids = way.roots.flatMap((root) => processTree(root));
    const busy = machineBusyUs();
    const seenBefore = await upstream.counts();
    observer?.begin();
    const before = new ProcessReading(pids);
    const result = await load.run(seconds);
    const after = new ProcessReading(pids);
    observer?.end(result.requests);
    const seen = await upstream.counts();
    const busyUs = machineBusyUs() - busy;

    const served = seen.served - seenBefore.served;
    const signed = seen.signed - seenBefore.signed;
    const wantSigned = way.signs ? result.requests : 0;
    if (served !== result.requests || signed !== wantSigned || result.bad > 0)
      throw new RoundRefused(
        `${result.requests} sent, ${served} reached the upstream, ${signed} of them signed, ${result.bad} answers were bad`,
      );
    const cpu = after.cpuUsSince(before);
    const elapsedUs = result.seconds * 1_000_000;
    const upstreamUs = seen.cpu.user + seen.cpu.system - seenBefore.cpu.user - seenBefore.cpu.system;
    const ours = cpu + upstreamUs + result.driverShare * elapsedUs;
    return {
      requests: result.requests,
      perSecond: result.requests / result.seconds,
      p50: percentile(result.latencies, 0.5),
      p99: percentile(result.latencies, 0.99),
      p999: percentile(result.latencies, 0.999),
      cpuUs: cpu / result.requests,
      rssMiB: after.rssBytes / 1024 / 1024,
      closedShare: result.closed / result.requests,
      driverShare: result.driverShare,
      upstreamShare: upstreamUs / elapsedUs,
      foreignShare: Math.max(0, busyUs - ours) / (elapsedUs * cores),
    };
  } catch (error) {
    throw error instanceof RoundRefused ? error : new RoundRefused((error as Error).message, { cause: error });
  } finally {
    load.close();
  }
}

export interface WarmUpOptions extends Pick<RoundOptions, "upstream" | "shape" | "connections" | "request"> {
  readonly requests: number;
  readonly atMostSeconds: number;
}

/** Loads a way without looking, so that what is compiled while it runs is compiled. */
export async function warmUp(way: Pick<Way, "target">, options: WarmUpOptions): Promise<void> {
  const { upstream, shape, connections, requests, atMostSeconds, request } = options;
  const answerBytes = await upstream.answerWith(shape);
  const load = await Load.open(way.target, connections, request ?? requestBytes(shape), answerBytes);
  try {
    await load.run(atMostSeconds, requests);
  } finally {
    load.close();
  }
}

/** A way that judges must deny what policy denies, and let none of it through. @throws Error when it does not */
export async function requireDenial(
  way: Pick<Way, "target"> & { readonly name: string },
  upstream: Upstream,
  request: Buffer = deniedRequest(),
): Promise<void> {
  const before = await upstream.counts();
  const { status, text } = await once(way.target, request);
  const { served } = await upstream.counts();
  if (status !== 400 || !text.includes("AccessDeniedException") || served !== before.served)
    throw new Error(`${way.name} answered a request that policy denies with ${status}:\n${text}`);
}
