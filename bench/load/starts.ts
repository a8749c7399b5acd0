/** How long Postern takes from its start to readiness, and to its first answer through to the upstream. */

import { BASE, shapeOf } from "./cells.ts";
import { once } from "./driver.ts";
import { requestBytes } from "./operations.ts";
import { startPostern } from "./postern.ts";
import { ProcessReading } from "./proc.ts";
import { USUAL_WORLD } from "./roles.ts";
import type { Upstream } from "./upstream.ts";
import type { Parts } from "./ways.ts";

export interface StartResult {
  readonly runtime: "node" | "deno";
  readonly roles: number;
  /** Milliseconds to the bound listener, for each start. */
  readonly readyMs: readonly number[];
  /** Milliseconds of CPU until then, which others on the machine do not lengthen. */
  readonly cpuMs: readonly number[];
  /** Milliseconds to the first answer, which waits for credentials of an AWS role. */
  readonly answeredMs: readonly number[];
}

/** Starts it so many times; runtimes and numbers of roles take turns. The very first start, which fills caches, is left out. */
export async function measureStarts(
  parts: Pick<Parts, "postern" | "deno">,
  upstream: Upstream,
  times: number,
  roleCounts: readonly number[] = [USUAL_WORLD.roles],
): Promise<StartResult[]> {
  const runtimes = parts.deno === undefined ? (["node"] as const) : (["node", "deno"] as const);
  const subjects = runtimes.flatMap((runtime) =>
    roleCounts.map((roles) => ({
      runtime,
      roles,
      readyMs: [] as number[],
      cpuMs: [] as number[],
      answeredMs: [] as number[],
    })),
  );
  await upstream.answerWith(shapeOf(BASE));
  const request = requestBytes(shapeOf(BASE));
  for (let time = -1; time < times; time++) {
    for (const { runtime, roles, readyMs, cpuMs, answeredMs } of time % 2 === 0 ? subjects : [...subjects].reverse()) {
      const world = { ...USUAL_WORLD, roles };
      const running = await startPostern({ place: parts.postern, runtime, upstream, world, tls: false });
      try {
        const cpu = new ProcessReading([running.child.pid]).cpuUs / 1000;
        const { status, text } = await once({ ports: running.ports }, request);
        if (status !== 200) throw new Error(`The first answer was ${status}:\n${text}`);
        if (time < 0) continue;
        readyMs.push(running.readyAt - running.startedAt);
        cpuMs.push(cpu);
        answeredMs.push(performance.now() - running.startedAt);
      } finally {
        await running.stop();
      }
    }
  }
  return subjects;
}
