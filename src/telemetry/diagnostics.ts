/** What `--diag-addr` serves: health, readiness and metrics, as plain functions that any platform can put on a port. */

/** An answer of the diagnostics port. */
export interface DiagnosticsAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What readiness is made of: each part with `null` when it is ready, else why it is not. */
export type Readiness = Readonly<Record<string, string | null>>;

export interface DiagnosticsSources {
  readiness(): Readiness | Promise<Readiness>;
  /** Prometheus' text format. */
  metrics(): Promise<string>;
}

/** Every path there is, with its meaning; the documentation reads this table. */
export const DIAGNOSTICS = {
  "/healthz": "200 while the process can answer at all",
  "/readyz":
    "200 when policy, credentials, audit log and listeners are ready, and an agent has joined its cluster; 503 with the reasons otherwise",
  "/metrics": "metrics in Prometheus' text format",
} as const;

/** Answers one GET. */
export async function diagnose(sources: DiagnosticsSources, method: string, path: string): Promise<DiagnosticsAnswer> {
  if (method !== "GET" && method !== "HEAD") return json(405, { error: "use GET" });
  switch (path) {
    case "/healthz":
      return json(200, { status: "ok" });
    case "/readyz": {
      const parts = await sources.readiness();
      const ready = Object.values(parts).every((why) => why === null);
      return json(ready ? 200 : 503, { status: ready ? "ready" : "not ready", parts });
    }
    case "/metrics":
      return { status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: await sources.metrics() };
    default:
      return json(404, { error: `nothing at this path; there are ${Object.keys(DIAGNOSTICS).join(", ")}` });
  }
}

function json(status: number, value: object): DiagnosticsAnswer {
  return { status, contentType: "application/json", body: `${JSON.stringify(value)}\n` };
}
