/** Measures one axis: Postern at each point, in processes of their own where the point is in its configuration. */

import { shapeOf } from "../load/cells.ts";
import { Load, once } from "../load/driver.ts";
import { CORES } from "../load/facts.ts";
import { measureRound, type Round, RoundRefused, warmUp } from "../load/measure.ts";
import { requestBytes } from "../load/operations.ts";
import { startPostern } from "../load/postern.ts";
import type { Upstream } from "../load/upstream.ts";
import { type Parts, posternWay, startWay, type Way, type WayName } from "../load/ways.ts";
import type { Axis, GrowthPoint } from "./axes.ts";

export interface GrowthSettings {
  readonly rounds: number;
  readonly seconds: number;
  readonly roundWarmUpSeconds: number;
  readonly warmUpRequests: number;
  readonly warmUpSeconds: number;
}

export interface GrowthSeries {
  readonly way: WayName;
  readonly points: readonly { readonly x: number; readonly rounds: readonly Round[] }[];
}

export interface GrowthContext {
  readonly parts: Parts;
  readonly upstream: Upstream;
  readonly settings: GrowthSettings;
  readonly say: (line: string) => void;
}

interface Subject {
  readonly way: Way;
  readonly x: number;
  readonly point: GrowthPoint;
  readonly rounds: Round[];
}

export async function measureAxis(axis: Axis, context: GrowthContext): Promise<GrowthSeries[]> {
  const { settings, say } = context;
  const ways: Way[] = [];
  try {
    const subjects = await startSubjects(axis, context, ways);
    for (let round = 0; round < settings.rounds; round++) {
      for (const subject of round % 2 === 0 ? subjects : [...subjects].reverse()) {
        try {
          subject.rounds.push(await measurePoint(subject, context));
        } catch (error) {
          if (!(error instanceof RoundRefused)) throw error;
          say(
            `${axis.title}, ${axis.label(subject.x)}: a round of ${subject.way.name} does not count: ${error.message}`,
          );
        }
      }
    }
    const names: readonly WayName[] = ["Postern on Node", ...axis.beside];
    return names.map((name) => ({
      way: name,
      points: subjects.filter(({ way }) => way.name === name).map(({ x, rounds }) => ({ x, rounds })),
    }));
  } finally {
    await Promise.all(ways.map((way) => way.stop()));
  }
}

/** `started` is filled as they start, so that the caller can end them whatever happens. */
async function startSubjects(axis: Axis, context: GrowthContext, started: Way[]): Promise<Subject[]> {
  const { parts, upstream } = context;
  const subjects: Subject[] = [];
  const worlds = new Map<string, Way>();
  for (const x of axis.points) {
    const point = axis.at(x);
    const key = JSON.stringify(point.world);
    let way = worlds.get(key);
    if (way === undefined) {
      const options = { place: parts.postern, runtime: "node", upstream, world: point.world, tls: false } as const;
      way = posternWay(await startPostern(options));
      worlds.set(key, way);
      started.push(way);
      await prepare(way, point, context);
    }
    subjects.push({ way, x, point, rounds: [] });
  }
  const first = axis.points[0] ?? 0;
  for (const name of axis.beside) {
    const way = await startWay(name, { parts, upstream, world: axis.at(first).world, tls: false });
    started.push(way);
    await prepare(way, axis.at(first), context);
    for (const x of axis.points) subjects.push({ way, x, point: axis.at(x), rounds: [] });
  }
  return subjects;
}

/** Every session gets its credentials and everything is compiled. */
async function prepare(way: Way, { cell }: GrowthPoint, { upstream, settings }: GrowthContext): Promise<void> {
  await upstream.answerWith(shapeOf(cell));
  const request = requestBytes(shapeOf(cell));
  for (const port of way.target.ports) await once({ ports: [port] }, request);
  const { warmUpRequests: requests, warmUpSeconds: atMostSeconds } = settings;
  await warmUp(way, { upstream, shape: shapeOf(cell), connections: 16, requests, atMostSeconds });
}

async function measurePoint({ way, point }: Subject, { upstream, settings }: GrowthContext): Promise<Round> {
  const { cell, idle } = point;
  const silent = idle > 0 ? await Load.open(way.target, idle, Buffer.alloc(0), 0) : undefined;
  try {
    return await measureRound(way, {
      upstream,
      shape: shapeOf(cell),
      connections: cell.connections,
      warmUpSeconds: settings.roundWarmUpSeconds,
      seconds: settings.seconds,
      cores: CORES,
    });
  } finally {
    silent?.close();
  }
}
