/** A histogram that costs a comparison and three additions an observation; it is read by prom-client's registry. */

import type { Registry } from "prom-client";

/** One series of a histogram: the counts of one combination of labels. */
export class HistogramSeries {
  readonly #bounds: readonly number[];
  /** Observations at or below each bound and above the one before it; the last is for those above all. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let at = 0;
    while (at < this.#bounds.length && value > (this.#bounds[at] ?? 0)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  /** The values that Prometheus' text format has for it. */
  values(name: string, labels: Readonly<Record<string, string>>): HistogramValue[] {
    let total = 0;
    const buckets = [...this.#counts].map((count, at) => {
      total += count;
      return { metricName: `${name}_bucket`, labels: { le: this.#bounds[at] ?? "+Inf", ...labels }, value: total };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: total },
    ];
  }
}

interface HistogramValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/**
 * A histogram with at most one label. prom-client's own takes a microsecond for each observation, mostly to hash labels.
 * bench: load/postern, three observations a request.
 */
export class CheapHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = "histogram" as const;
  readonly aggregator = "sum" as const;
  readonly #bounds: readonly number[];
  readonly #label: string | undefined;
  readonly #series = new Map<string, HistogramSeries>();

  constructor(options: { name: string; help: string; bounds: readonly number[]; label: string | undefined }) {
    this.name = options.name;
    this.help = options.help;
    this.#bounds = options.bounds;
    this.#label = options.label;
  }

  /** Lets a registry read it. */
  register(registry: Registry): void {
    // The registry asks a metric for its name and for `get()`; its declared type wants a class of prom-client's own.
    registry.registerMetric(this as never);
  }

  /** The series of a label value; keep it, looking it up costs more than observing. */
  series(value: string = ""): HistogramSeries {
    let series = this.#series.get(value);
    if (series === undefined) {
      series = new HistogramSeries(this.#bounds);
      this.#series.set(value, series);
    }
    return series;
  }

  get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    const values = [...this.#series].flatMap(([value, series]) =>
      series.values(name, this.#label === undefined ? {} : { [this.#label]: value }),
    );
    return Promise.resolve({ name, help, type, aggregator, values });
  }

  reset(): void {
    this.#series.clear();
  }
}
