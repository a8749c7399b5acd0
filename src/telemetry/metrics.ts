/** The gateway's metrics, in Prometheus' terms; docs/reference/metrics.md is made from the same table. */

import { Counter, Gauge, Registry } from "prom-client";
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
  policy(): { revision: string; engine: string; refused: boolean } | null;
}

/** One process's metrics. What a request touches is counted in plain numbers, which are put in Prometheus' form when asked for. */
export class Metrics {
  readonly registry: Registry = new Registry();
  /** Requests by operation, then by outcome. */
  readonly #requests = new Map<string, Record<Outcome, number>>();
  readonly #faults: Counter;
  readonly #reloads: Counter;
  readonly #refreshes: Counter;
  readonly #descriptions: Counter;
  readonly #decision: HistogramSeries;
  readonly #upstream: CheapHistogram;
  readonly #request: Readonly<Record<Outcome, HistogramSeries>>;
  #inFlight = 0;
  #connections = 0;

  constructor() {
    this.#counter("postern_requests_total", (counter) => {
      counter.reset();
      for (const [operation, outcomes] of this.#requests) {
        for (const [outcome, count] of Object.entries(outcomes))
          if (count > 0) counter.inc({ operation, outcome }, count);
      }
    });
    this.#faults = this.#counter("postern_policy_faults_total");
    this.#reloads = this.#counter("postern_resources_reloads_total");
    this.#descriptions = this.#counter("postern_table_descriptions_total");
    this.#refreshes = this.#counter("postern_credentials_refreshes_total");
    this.#decision = this.#histogram("postern_decision_seconds").series();
    this.#upstream = this.#histogram("postern_upstream_seconds");
    const request = this.#histogram("postern_request_seconds");
    this.#request = {
      allowed: request.series("allowed"),
      denied: request.series("denied"),
      rejected: request.series("rejected"),
      failed: request.series("failed"),
    };
    this.#gauge("postern_requests_in_flight", (gauge) => gauge.set(this.#inFlight));
    this.#gauge("postern_connections", (gauge) => gauge.set(this.#connections));
  }

  /** Connects the gauges whose values live elsewhere. */
  observe(readings: Readings): void {
    this.#gauge("postern_credentials_expiry_seconds", (gauge) => {
      gauge.reset();
      for (const { role, expiresInSeconds } of readings.credentials()) gauge.labels(role).set(expiresInSeconds);
    });
    this.#gauge("postern_audit_queue_events", (gauge) => gauge.set(readings.audit().queue));
    this.#gauge("postern_audit_healthy", (gauge) => gauge.set(readings.audit().healthy ? 1 : 0));
    this.#gauge("postern_change_refused", (gauge) => gauge.set(readings.policy()?.refused === true ? 1 : 0));
    this.#gauge("postern_policy_info", (gauge) => {
      gauge.reset();
      const policy = readings.policy();
      if (policy !== null) gauge.labels(policy.revision, policy.engine).set(1);
    });
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
    this.#faults.labels(code).inc();
  }

  resourcesReloaded(outcome: "loaded" | "refused"): void {
    this.#reloads.labels(outcome).inc();
  }

  tableDescribed(outcome: "ok" | "refused" | "unavailable" | "unreadable"): void {
    this.#descriptions.labels(outcome).inc();
  }

  credentialsRefreshed(outcome: "ok" | "failed"): void {
    this.#refreshes.labels(outcome).inc();
  }

  connectionOpened(): void {
    this.#connections++;
  }

  connectionClosed(): void {
    this.#connections--;
  }

  #counter(name: keyof typeof METRICS, collect?: (counter: Counter) => void): Counter {
    const counter: Counter = new Counter({
      ...this.#common(name),
      ...(collect === undefined ? {} : { collect: () => collect(counter) }),
    });
    return counter;
  }

  #gauge(name: keyof typeof METRICS, collect: (gauge: Gauge) => void): Gauge {
    const gauge: Gauge = new Gauge({ ...this.#common(name), collect: () => collect(gauge) });
    return gauge;
  }

  #histogram(name: keyof typeof METRICS): CheapHistogram {
    const { help, labels } = METRICS[name];
    return new CheapHistogram({ name, help, bounds: BUCKETS, label: labels[0], registry: this.registry });
  }

  #common(name: keyof typeof METRICS): { name: string; help: string; labelNames: string[]; registers: Registry[] } {
    const { help, labels } = METRICS[name];
    return { name, help, labelNames: [...labels], registers: [this.registry] };
  }
}
