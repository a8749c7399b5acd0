import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AggregatorRegistry } from "prom-client";
import { Metrics } from "../../../src/telemetry/metrics.ts";

function filled(): Metrics {
  const metrics = new Metrics();
  for (let at = 0; at < 3; at++) metrics.requestBegan();
  metrics.requestEnded("GetItem", "allowed", 0.002);
  metrics.requestEnded("DeleteTable", "denied", 0.000_3);
  metrics.decided(0.000_02);
  metrics.decided(20);
  metrics.upstreamAnswered("GetItem", 0.001);
  metrics.connectionOpened();
  return metrics;
}

describe("Metrics", () => {
  it("counts requests by operation and outcome, and those in flight", async () => {
    const text = await (await filled().registry()).metrics();
    assert.match(text, /^postern_requests_total\{operation="GetItem",outcome="allowed"\} 1$/m);
    assert.match(text, /^postern_requests_total\{operation="DeleteTable",outcome="denied"\} 1$/m);
    assert.match(text, /^postern_requests_in_flight 1$/m);
    assert.match(text, /^postern_connections 1$/m);
    assert.equal(await (await filled().registry()).metrics(), text, "reading changes nothing");
  });

  it("writes histograms as Prometheus reads them: cumulative buckets, +Inf, sum and count", async () => {
    const text = await (await filled().registry()).metrics();
    assert.match(text, /^# TYPE postern_decision_seconds histogram$/m);
    assert.match(text, /^postern_decision_seconds_bucket\{le="0.00001"\} 0$/m);
    assert.match(text, /^postern_decision_seconds_bucket\{le="0.000025"\} 1$/m);
    assert.match(text, /^postern_decision_seconds_bucket\{le="10"\} 1$/m);
    assert.match(text, /^postern_decision_seconds_bucket\{le="\+Inf"\} 2$/m);
    assert.match(text, /^postern_decision_seconds_sum 20.00002$/m);
    assert.match(text, /^postern_decision_seconds_count 2$/m);
    assert.match(
      text,
      /^postern_upstream_seconds_bucket\{le="0.001",operation="GetItem"\} 1$/m,
      "a bound is inclusive",
    );
  });

  it("adds up over worker processes", async () => {
    const answers = [
      await (await filled().registry()).getMetricsAsJSON(),
      await (await filled().registry()).getMetricsAsJSON(),
    ];
    const text = await AggregatorRegistry.aggregate(structuredClone(answers)).metrics();
    assert.match(text, /^postern_requests_total\{operation="GetItem",outcome="allowed"\} 2$/m);
    assert.match(text, /^postern_decision_seconds_count 4$/m);
    assert.match(text, /^postern_decision_seconds_bucket\{le="\+Inf"\} 4$/m);
  });

  it("reads credentials, audit and policy when asked, and forgets what is gone", async () => {
    const metrics = new Metrics();
    let roles = [{ role: "arn:a", expiresInSeconds: 30 }];
    metrics.observe({
      credentials: () => roles,
      audit: () => ({ queue: 4, healthy: false }),
      policy: () => ({ revision: "r1", engine: "direct", refused: true }),
    });
    const text = await (await metrics.registry()).metrics();
    assert.match(text, /^postern_credentials_expiry_seconds\{role="arn:a"\} 30$/m);
    assert.match(text, /^postern_audit_queue_events 4$/m);
    assert.match(text, /^postern_audit_healthy 0$/m);
    assert.match(text, /^postern_change_refused 1$/m);
    assert.match(text, /^postern_policy_info\{revision="r1",engine="direct"\} 1$/m);
    roles = [];
    assert.doesNotMatch(await (await metrics.registry()).metrics(), /arn:a/);
  });
});
