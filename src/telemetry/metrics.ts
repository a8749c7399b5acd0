/** The gateway's metrics, in Prometheus' terms; docs/reference/metrics.md is made from the same table. */

import type { Counter, Gauge, Registry } from "prom-client";
import { CheapHistogram, type HistogramSeries } from "./histogram.ts";

/** How a request ended, as the `outcome` label says it. */
export type Outcome = "allowed" | "denied" | "rejected" | "failed";

/** Every metric: its kind, labels and meaning. */
export const METRICS = {
  postern_requests_total: {
    kind: "counter",
    labels: ["operation", "outcome"],
    help: "Requests by operation and outcome",
  },
  postern_decision_seconds: { kind: "histogram", labels: [], help: "Time that policy took to decide" },
  postern_upstream_seconds: {
    kind: "histogram",
    labels: ["operation"],
    help: "Time from the first byte sent upstream to the head of the answer",
  },
  postern_request_seconds: {
    kind: "histogram",
    labels: ["outcome"],
    help: "Time from the head of a request to the end of its answer",
  },
  postern_requests_in_flight: { kind: "gauge", labels: [], help: "Requests that have begun and not ended" },
  postern_policy_faults_total: {
    kind: "counter",
    labels: ["code"],
    help: "Policy evaluations that ended in a fault and so in a denial",
  },
  postern_policy_info: { kind: "gauge", labels: ["revision", "engine"], help: "1 for the policy revision in force" },
  postern_change_refused: {
    kind: "gauge",
    labels: [],
    help: "1 while the last change of policy or resources is refused and the state before it decides",
  },
  postern_resources_reloads_total: {
    kind: "counter",
    labels: ["outcome"],
    help: "Reloads of roles, users and databases",
  },
  postern_credentials_expiry_seconds: {
    kind: "gauge",
    labels: ["role"],
    help: "Seconds until the cached credentials of an AWS role expire",
  },
  postern_credentials_refreshes_total: { kind: "counter", labels: ["outcome"], help: "Calls of AssumeRole" },
  postern_table_descriptions_total: {
    kind: "counter",
    labels: ["outcome"],
    help: "Questions for a table's keys (DescribeTable), with the caller's AWS role",
  },
  postern_audit_queue_events: { kind: "gauge", labels: [], help: "Audit events waiting to be written" },
  postern_audit_healthy: { kind: "gauge", labels: [], help: "1 while the audit log can be written" },
  postern_cluster_silence_seconds: {
    kind: "gauge",
    labels: [],
    help: "Of a database service of a cluster: seconds since the cluster was last heard of",
  },
  postern_cluster_lost: {
    kind: "gauge",
    labels: [],
    help: "1 while all is denied because the cluster has not been heard of for too long",
  },
  postern_connections: { kind: "gauge", labels: [], help: "Open client connections" },
} as const satisfies Record<
  string,
  { kind: "counter" | "gauge" | "histogram"; labels: readonly string[]; help: string }
>;

/** Two scales: decisions take microseconds, upstream calls milliseconds. */
const BUCKETS = [
  0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
  0.25, 0.5, 1, 2.5, 5, 10,
];

/** Readings taken when metrics are asked for, not kept up to date between. */
export interface Readings {
  credentials(): Iterable<{ role: string; expiresInSeconds: number }>;
  audit(): { queue: number; healthy: boolean };
  /** Absent where there is no cluster to hear of. */
  readonly cluster?: () => { silenceSeconds: number; lost: boolean };
  policy(): { revision: string; engine: string; refused: boolean } | null;
}

/** Counts by the value of a counter's one label. */
type Counts = Map<string, number>;

/**
 * One process's metrics: plain numbers, which are put in Prometheus' form when asked for. Only then is prom-client loaded,
 * which has no part in a start.
 */
export class Metrics {
  /** Requests by operation, then by outcome. */
  readonly #requests = new Map<string, Record<Outcome, number>>();
  readonly #faults: Counts = new Map();
  readonly #reloads: Counts = new Map();
  readonly #refreshes: Counts = new Map();
  readonly #descriptions: Counts = new Map();
  readonly #decisions = histogram("postern_decision_seconds");
  readonly #upstream = histogram("postern_upstream_seconds");
  readonly #answers = histogram("postern_request_seconds");
  readonly #decision: HistogramSeries = this.#decisions.series();
  readonly #request: Readonly<Record<Outcome, HistogramSeries>> = {
    allowed: this.#answers.series("allowed"),
    denied: this.#answers.series("denied"),
    rejected: this.#answers.series("rejected"),
    failed: this.#answers.series("failed"),
  };
  #inFlight = 0;
  #connections = 0;
  #readings: Readings | undefined;
  #registry: Promise<Registry> | undefined;

  /** What Prometheus is answered from. */
  registry(): Promise<Registry> {
    this.#registry ??= this.#register().catch((error: unknown) => {
      this.#registry = undefined;
      throw error;
    });
    return this.#registry;
  }

  /** Connects the gauges whose values live elsewhere. */
  observe(readings: Readings): void {
    this.#readings = readings;
    this.#registry = undefined;
  }

  requestBegan(): void {
    this.#inFlight++;
  }

  requestEnded(operation: string, outcome: Outcome, seconds: number): void {
    this.#inFlight--;
    let outcomes = this.#requests.get(operation);
    if (outcomes === undefined) {
      outcomes = { allowed: 0, denied: 0, rejected: 0, failed: 0 };
      this.#requests.set(operation, outcomes);
    }
    outcomes[outcome]++;
    this.#request[outcome].observe(seconds);
  }

  decided(seconds: number): void {
    this.#decision.observe(seconds);
  }

  upstreamAnswered(operation: string, seconds: number): void {
    this.#upstream.series(operation).observe(seconds);
  }

  policyFault(code: string): void {
    count(this.#faults, code);
  }

  resourcesReloaded(outcome: "loaded" | "refused"): void {
    count(this.#reloads, outcome);
  }

  tableDescribed(outcome: "ok" | "refused" | "unavailable" | "unreadable"): void {
    count(this.#descriptions, outcome);
  }

  credentialsRefreshed(outcome: "ok" | "failed"): void {
    count(this.#refreshes, outcome);
  }

  connectionOpened(): void {
    this.#connections++;
  }

  connectionClosed(): void {
    this.#connections--;
  }

  async #register(): Promise<Registry> {
    // By its default alone: so it comes whether Node loads the package or it is built in.
    const { Counter, Gauge, Registry } = (await import("prom-client")).default;
    const registry = new Registry();
    const common = (name: MetricName): { name: string; help: string; labelNames: string[]; registers: Registry[] } => {
      const { help, labels } = METRICS[name];
      return { name, help, labelNames: [...labels], registers: [registry] };
    };
    const counter = (name: MetricName, collect: (counter: Counter) => void): void => {
      const made: Counter = new Counter({
        ...common(name),
        collect: () => {
          made.reset();
          collect(made);
        },
      });
    };
    const counts = (name: MetricName, counted: Counts): void =>
      counter(name, (made) => {
        for (const [value, times] of counted) made.labels(value).inc(times);
      });
    const gauge = (name: MetricName, collect: (gauge: Gauge) => void): void => {
      const made: Gauge = new Gauge({ ...common(name), collect: () => collect(made) });
    };

    counter("postern_requests_total", (made) => {
      for (const [operation, outcomes] of this.#requests) {
        for (const [outcome, times] of Object.entries(outcomes)) if (times > 0) made.inc({ operation, outcome }, times);
      }
    });
    counts("postern_policy_faults_total", this.#faults);
    counts("postern_resources_reloads_total", this.#reloads);
    counts("postern_table_descriptions_total", this.#descriptions);
    counts("postern_credentials_refreshes_total", this.#refreshes);
    for (const one of [this.#decisions, this.#upstream, this.#answers]) one.register(registry);
    gauge("postern_requests_in_flight", (made) => made.set(this.#inFlight));
    gauge("postern_connections", (made) => made.set(this.#connections));
    const readings = this.#readings;
    if (readings === undefined) return registry;
    gauge("postern_credentials_expiry_seconds", (made) => {
      made.reset();
      for (const { role, expiresInSeconds } of readings.credentials()) made.labels(role).set(expiresInSeconds);
    });
    gauge("postern_audit_queue_events", (made) => made.set(readings.audit().queue));
    gauge("postern_audit_healthy", (made) => made.set(readings.audit().healthy ? 1 : 0));
    const { cluster } = readings;
    if (cluster !== undefined) {
      gauge("postern_cluster_silence_seconds", (made) => made.set(cluster().silenceSeconds));
      gauge("postern_cluster_lost", (made) => made.set(cluster().lost ? 1 : 0));
    }
    gauge("postern_change_refused", (made) => made.set(readings.policy()?.refused === true ? 1 : 0));
    gauge("postern_policy_info", (made) => {
      made.reset();
      const policy = readings.policy();
      if (policy !== null) made.labels(policy.revision, policy.engine).set(1);
    });
    return registry;
  }
}

type MetricName = keyof typeof METRICS;

function histogram(name: MetricName): CheapHistogram {
  const { help, labels } = METRICS[name];
  return new CheapHistogram({ name, help, bounds: BUCKETS, label: labels[0] });
}

function count(counts: Counts, value: string): void {
  counts.set(value, (counts.get(value) ?? 0) + 1);
}
