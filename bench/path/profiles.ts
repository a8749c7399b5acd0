/** Where the time of each hop goes: by Linux's profiler on the processes as they are, and by V8's in processes of their own. */

import { join } from "node:path";
import { mkdirSync } from "node:fs";
import { CORES } from "../load/facts.ts";
import { measureRound, type Round } from "../load/measure.ts";
import { temporaryDirectory } from "../load/processes.ts";
import { type FunctionShare, functionShares, ownerShares, type OwnerShare } from "../profile/attribution.ts";
import { readModules } from "../profile/modules.ts";
import { beginSpan, endOrderly, profilerOptions, readProfile, type Span, stacksOf } from "../profile/profiled.ts";
import { layerShares, type LayerShare } from "./layers.ts";
import { type PathCell, type PathContext, warmWay } from "./measure.ts";
import { sampled } from "./perf.ts";
import { type Hop, HOPS, type PathWay, startWays, type WayName, type WaysOptions } from "./ways.ts";

/** Of one process on one way. */
export interface HopLayers {
  readonly way: WayName;
  readonly hop: Hop;
  readonly samples: number;
  readonly layers: readonly LayerShare[];
}

export interface HopProfile {
  readonly way: WayName;
  readonly hop: Hop;
  readonly samples: number;
  readonly blockedShare: number | undefined;
  readonly owners: readonly OwnerShare[];
  readonly functions: readonly FunctionShare[];
}

const FUNCTIONS = 12;

/** By `perf`, one way after the other. */
export async function measureLayers(
  ways: readonly PathWay[],
  cell: PathCell,
  context: PathContext,
): Promise<HopLayers[]> {
  const told: HopLayers[] = [];
  for (const way of ways) {
    const { samples } = await sampled(way.roots, () => round(way, cell, context, context.settings.perfSeconds));
    for (const { hop, pid } of way.hops) {
      const own = samples.filter((sample) => sample.pid === pid);
      told.push({ way: way.name, hop, samples: own.length, layers: layerShares(own) });
    }
  }
  return told;
}

/** By `node --cpu-prof`: everything is started anew, profiled from its start on, and read for the spans under load. */
export async function measureProfiles(
  options: WaysOptions,
  cell: PathCell,
  context: PathContext,
): Promise<HopProfile[]> {
  const directory = temporaryDirectory();
  const placeOf = (hop: Hop): string => join(directory.path, hop.replaceAll(" ", "-"));
  for (const hop of HOPS) mkdirSync(placeOf(hop));
  const running = await startWays({
    ...options,
    nodeOptions: (hop) => profilerOptions(placeOf(hop), context.settings.intervalUs),
  });
  const spans: { readonly way: WayName; readonly hop: Hop; readonly span: Span }[] = [];
  try {
    const ways = running.ways.filter(({ hops }) => hops.length > 0);
    for (const way of ways) await warmWay(way, cell, context);
    for (const way of ways) {
      const ends = way.hops.map(({ hop, pid }) => ({ hop, end: beginSpan(pid) }));
      await round(way, cell, context, context.settings.profileSeconds);
      for (const { hop, end } of ends) spans.push({ way: way.name, hop, span: end() });
    }
    const { children } = running.cluster;
    for (const child of [children["local port"], children.agent, children.proxy, running.gateway.child])
      await endOrderly(child);
  } finally {
    await running.stop();
  }
  const modules = readModules(options.place);
  const profiles = new Map(HOPS.map((hop) => [hop, readProfile(placeOf(hop))]));
  directory.remove();
  return spans.flatMap(({ way, hop, span }) => {
    const profile = profiles.get(hop);
    if (profile === undefined) return [];
    const { stacks } = stacksOf(profile, span, modules);
    return {
      way,
      hop,
      samples: stacks.reduce((total, { count }) => total + count, 0),
      blockedShare: span.blockedShare,
      owners: ownerShares(stacks),
      functions: functionShares(stacks, undefined, FUNCTIONS),
    };
  });
}

async function round(
  way: PathWay,
  { shape }: PathCell,
  { upstream, settings }: PathContext,
  seconds: number,
): Promise<Round> {
  const { connections } = settings;
  const request = way.request(shape);
  return await measureRound(way, { upstream, shape, request, connections, warmUpSeconds: 0, seconds, cores: CORES });
}
