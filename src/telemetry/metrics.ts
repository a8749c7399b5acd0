/** The gateway's metrics, in Prometheus' terms; docs/reference/metrics.md is made from the same table. */

import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** How a request ended, as the `outcome` label says it. */
export type Outcome = "allowed" | "denied" | "rejected" | "failed";

/** Every metric: its kind, labels and meaning. */
export const METRICS = {
  postern_requests_total: { kind: "counter", labels: ["operation", "outcome"], help: "Requests by operation and outcome" },
  postern_decision_seconds: { kind: "histogram", labels: [], help: "Time that policy took to decide" },
  postern_upstream_seconds: { kind: "histogram", labels: ["operation"], help: "Time from the first byte sent upstream to the head of the answer" },
  postern_request_seconds: { kind: "histogram", labels: ["outcome"], help: "Time from the head of a request to the end of its answer" },
  postern_requests_in_flight: { kind: "gauge", labels: [], help: "Requests that have begun and not ended" },
  postern_policy_faults_total: { kind: "counter", labels: ["code"], help: "Policy evaluations that ended in a fault and so in a denial" },
  postern_policy_info: { kind: "gauge", labels: ["revision", "engine"], help: "1 for the policy revision in force" },
  postern_resources_reloads_total: { kind: "counter", labels: ["outcome"], help: "Reloads of roles, users and databases" },
  postern_credentials_expiry_seconds: { kind: "gauge", labels: ["role"], help: "Seconds until the cached credentials of an AWS role expire" },
  postern_credentials_refreshes_total: { kind: "counter", labels: ["outcome"], help: "Calls of AssumeRole" },
  postern_audit_queue_events: { kind: "gauge", labels: [], help: "Audit events waiting to be written" },
  postern_audit_healthy: { kind: "gauge", labels: [], help: "1 while the audit log can be written" },
  postern_connections: { kind: "gauge", labels: [], help: "Open client connections" },
} as const satisfies Record<string, { kind: "counter" | "gauge" | "histogram"; labels: readonly string[]; help: string }>;

/** Two scales: decisions take microseconds, upstream calls milliseconds. */
const BUCKETS = [
  0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
  0.5, 1, 2.5, 5, 10,
];

/** Readings taken when metrics are asked for, not kept up to date between. */
export interface Readings {
  credentials(): Iterable<{ role: string; expiresInSeconds: number }>;
  audit(): { queue: number; healthy: boolean };
  policy(): { revision: string; engine: string } | null;
}

/** One process's metrics. */
export class Metrics {
  readonly registry: Registry = new Registry();
  readonly #requests = new Map<string, Counter.Internal>();
  readonly #upstream = new Map<string, Histogram.Internal<"operation">>();
  readonly #counters: Readonly<Record<"requests" | "faults" | "reloads" | "refreshes", Counter>>;
  readonly #upstreamHistogram: Histogram<"operation">;
  readonly #decision: Histogram;
  readonly #request: Readonly<Record<Outcome, Histogram.Internal<"outcome">>>;
  readonly #inFlight: Gauge;
  readonly #connections: Gauge;

  constructor() {
    this.#counters = {
      requests: this.#counter("postern_requests_total"),
      faults: this.#counter("postern_policy_faults_total"),
      reloads: this.#counter("postern_resources_reloads_total"),
      refreshes: this.#counter("postern_credentials_refreshes_total"),
    };
    this.#decision = this.#histogram("postern_decision_seconds");
    this.#upstreamHistogram = this.#histogram("postern_upstream_seconds");
    const request = this.#histogram("postern_request_seconds");
    this.#request = {
      allowed: request.labels("allowed"),
      denied: request.labels("denied"),
      rejected: request.labels("rejected"),
      failed: request.labels("failed"),
    };
    this.#inFlight = this.#gauge("postern_requests_in_flight");
    this.#connections = this.#gauge("postern_connections");
  }

  /** Connects the gauges whose values live elsewhere. */
  observe(readings: Readings): void {
    const expiry = this.#gauge("postern_credentials_expiry_seconds", (gauge) => {
      gauge.reset();
      for (const { role, expiresInSeconds } of readings.credentials()) gauge.labels(role).set(expiresInSeconds);
    });
    expiry.reset();
    this.#gauge("postern_audit_queue_events", (gauge) => gauge.set(readings.audit().queue));
    this.#gauge("postern_audit_healthy", (gauge) => gauge.set(readings.audit().healthy ? 1 : 0));
    this.#gauge("postern_policy_info", (gauge) => {
      gauge.reset();
      const policy = readings.policy();
      if (policy !== null) gauge.labels(policy.revision, policy.engine).set(1);
    });
  }

  requestBegan(): void {
    this.#inFlight.inc();
  }

  requestEnded(operation: string, outcome: Outcome, seconds: number): void {
    this.#inFlight.dec();
    const key = `${operation} ${outcome}`;
    let counter = this.#requests.get(key);
    if (counter === undefined) {
      counter = this.#counters.requests.labels(operation, outcome);
      this.#requests.set(key, counter);
    }
    counter.inc();
    this.#request[outcome].observe(seconds);
  }

  decided(seconds: number): void {
    this.#decision.observe(seconds);
  }

  upstreamAnswered(operation: string, seconds: number): void {
    let histogram = this.#upstream.get(operation);
    if (histogram === undefined) {
      histogram = this.#upstreamHistogram.labels(operation);
      this.#upstream.set(operation, histogram);
    }
    histogram.observe(seconds);
  }

  policyFault(code: string): void {
    this.#counters.faults.labels(code).inc();
  }

  resourcesReloaded(outcome: "loaded" | "refused"): void {
    this.#counters.reloads.labels(outcome).inc();
  }

  credentialsRefreshed(outcome: "ok" | "failed"): void {
    this.#counters.refreshes.labels(outcome).inc();
  }

  connectionOpened(): void {
    this.#connections.inc();
  }

  connectionClosed(): void {
    this.#connections.dec();
  }

  #counter(name: keyof typeof METRICS): Counter {
    const { help, labels } = METRICS[name];
    return new Counter({ name, help, labelNames: [...labels], registers: [this.registry] });
  }

  #histogram(name: keyof typeof METRICS): Histogram {
    const { help, labels } = METRICS[name];
    return new Histogram({ name, help, labelNames: [...labels], buckets: BUCKETS, registers: [this.registry] });
  }

  #gauge(name: keyof typeof METRICS, collect?: (gauge: Gauge) => void): Gauge {
    const { help, labels } = METRICS[name];
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [this.registry],
      ...(collect === undefined ? {} : { collect: () => collect(gauge) }),
    });
    return gauge;
  }
}
