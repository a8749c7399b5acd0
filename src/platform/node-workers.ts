/** Worker processes on Node: `node:cluster` shares the listeners, this keeps the workers alive and reads them as one. */

import cluster, { type Worker } from "node:cluster";
import type { Registry } from "prom-client";
import type { Readiness } from "../telemetry/diagnostics.ts";

/** What the parent asks of a worker, and what it answers. */
type Question = { readonly postern: "ask"; readonly id: number; readonly what: "metrics" | "readiness" };
type Reply = { readonly postern: "reply"; readonly id: number; readonly value: unknown };

/** Milliseconds until a worker that died is replaced: doubled with each quick death, so a worker that cannot live costs little. */
const RESTART = { first: 200, most: 10_000, settledAfter: 30_000 };
const ANSWER_WITHIN = 2_000;

export interface Workers {
  metrics(): Promise<string>;
  readiness(): Promise<Readiness>;
  /** Asks every worker to drain and waits until all have ended. @returns how many had to be killed when time was up */
  drain(timeoutMs: number): Promise<number>;
}

/** This process's number among the workers, from 1; `undefined` in the parent or without workers. */
export function workerNumber(): number | undefined {
  return cluster.isWorker ? Number(process.env["POSTERN_WORKER"]) : undefined;
}

/** Starts `count` workers of this very program and keeps that many alive. */
export function startWorkers(count: number, onDeath: (worker: number, how: string) => void): Workers {
  const waiting = new Map<number, (value: unknown) => void>();
  const alive = new Map<number, Worker>();
  let asked = 0;
  let draining = false;

  const fork = (number: number, delay: number): void => {
    const bornAt = Date.now();
    const worker = cluster.fork({ POSTERN_WORKER: String(number) });
    alive.set(number, worker);
    worker.on("message", (message: Reply | undefined) => {
      if (message?.postern !== "reply") return;
      waiting.get(message.id)?.(message.value);
      waiting.delete(message.id);
    });
    worker.once("exit", (code, signal) => {
      alive.delete(number);
      if (draining) return;
      onDeath(number, signal ?? `exit code ${code}`);
      const next = Date.now() - bornAt > RESTART.settledAfter ? RESTART.first : Math.min(delay * 2, RESTART.most);
      setTimeout(() => (draining ? undefined : fork(number, next)), delay).unref();
    });
  };
  for (let number = 1; number <= count; number++) fork(number, RESTART.first);

  const askAll = (what: Question["what"]): Promise<readonly unknown[]> =>
    Promise.all(
      [...alive.values()].map(
        (worker) =>
          new Promise<unknown>((resolve) => {
            const id = ++asked;
            const giveUp = setTimeout(() => {
              waiting.delete(id);
              resolve(undefined);
            }, ANSWER_WITHIN);
            waiting.set(id, (value) => {
              clearTimeout(giveUp);
              resolve(value);
            });
            worker.send({ postern: "ask", id, what } satisfies Question);
          }),
      ),
    );

  return {
    async metrics() {
      const answers = (await askAll("metrics")).filter((answer) => answer !== undefined);
      const { AggregatorRegistry } = (await import("prom-client")).default;
      return await AggregatorRegistry.aggregate(answers as object[]).metrics();
    },
    async readiness() {
      const answers = (await askAll("readiness")) as readonly (Readiness | undefined)[];
      const parts: Record<string, string | null> = {
        workers: answers.length < count ? `${count - answers.length} of ${count} are not running` : null,
      };
      for (const answer of answers) {
        for (const [part, why] of Object.entries(answer ?? { workers: "one does not answer" }))
          parts[part] = parts[part] ?? why;
      }
      return parts;
    },
    async drain(timeoutMs) {
      draining = true;
      const ends = [...alive.values()].map(
        (worker) =>
          new Promise<void>((resolve) => (worker.isDead() ? resolve() : worker.once("exit", () => resolve()))),
      );
      for (const worker of alive.values()) worker.process.kill("SIGTERM");
      let killed = 0;
      const giveUp = setTimeout(() => {
        killed = alive.size;
        for (const worker of alive.values()) worker.process.kill("SIGKILL");
      }, timeoutMs);
      await Promise.all(ends);
      clearTimeout(giveUp);
      return killed;
    },
  };
}

/** Lets the parent read this worker. @returns what lets the worker end: an open channel would keep it alive */
export function answerParent(
  registry: () => Promise<Registry>,
  readiness: () => Readiness | Promise<Readiness>,
): () => void {
  process.on("message", (message: Question | undefined) => {
    if (message?.postern !== "ask") return;
    const value = message.what === "metrics" ? registry().then((metrics) => metrics.getMetricsAsJSON()) : readiness();
    void Promise.resolve(value).then((ready) => {
      process.send?.({ postern: "reply", id: message.id, value: ready } satisfies Reply);
    });
  });
  return () => process.disconnect?.();
}
