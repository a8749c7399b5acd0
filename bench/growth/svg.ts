/** A writer of line charts in SVG, as much as growth needs: axes with ticks and units, series with their names, a foot. */

import type { Point } from "../load/statistics.ts";

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** What the points are medians of. */
  readonly raw?: readonly Point[];
  /** A dashed line without marks, for comparison. */
  readonly guide?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xScale: "log" | "linear";
  readonly yScale: "log" | "linear";
  readonly xTicks: readonly { readonly at: number; readonly label: string }[];
  readonly series: readonly Series[];
  readonly foot: string;
}

const SIZE = { width: 760, height: 430 };
const MARGIN = { left: 76, right: 150, top: 74, bottom: 92 };
export const INK = "#1f2328";
export const FAINT = "#59636e";
const GRID = "#e4e7eb";
const COLOURS = ["#0b62d6", "#b35900", "#1a7f37", "#8250df"];
const GUIDE = "#9aa4af";
export const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";
/** Names at the ends of lines are moved until they are so far apart. */
const LINE_HEIGHT = 16;

/** The whole file. */
export function svgOf(chart: Chart): string {
  const values = chart.series.flatMap(({ points, raw, guide }) => (guide === true ? [] : [...points, ...(raw ?? [])]));
  const yTicks = chart.yScale === "log" ? logTicks(values.map(({ y }) => y)) : linearTicks(values.map(({ y }) => y));
  const x = scaleOf(chart.xScale, extent(values.map((point) => point.x)), [
    MARGIN.left + 14,
    SIZE.width - MARGIN.right - 14,
  ]);
  const y = scaleOf(chart.yScale, extent(yTicks), [SIZE.height - MARGIN.bottom, MARGIN.top]);
  const right = SIZE.width - MARGIN.right;
  const bottom = SIZE.height - MARGIN.bottom;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" width="${SIZE.width}" height="${SIZE.height}" font-family="${FONT}" role="img">`,
    `<title>${escapeXml(chart.title)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(MARGIN.left, 30, chart.title, { size: 17, weight: 600 }),
    text(MARGIN.left, 51, chart.subtitle, { size: 12, fill: FAINT }),
    ...yTicks.flatMap((at) => [
      line(MARGIN.left, y(at), right, y(at), GRID),
      text(MARGIN.left - 9, y(at) + 4, grouped(at), { anchor: "end", fill: FAINT }),
    ]),
    ...chart.xTicks.flatMap(({ at, label }) => [
      line(x(at), bottom, x(at), bottom + 5, FAINT),
      text(x(at), bottom + 20, label, { anchor: "middle", fill: FAINT }),
    ]),
    line(MARGIN.left, bottom, right, bottom, FAINT),
    text((MARGIN.left + right) / 2, bottom + 43, chart.xLabel, { anchor: "middle" }),
    `<g transform="translate(20 ${(MARGIN.top + bottom) / 2}) rotate(-90)">${text(0, 0, chart.yLabel, { anchor: "middle" })}</g>`,
    clipped(chart.series.map((series, at) => drawn(series, colourOf(series, at), x, y)).join("\n")),
    ...endNames(chart.series, y, right + 4),
    text(MARGIN.left, SIZE.height - 16, chart.foot, { size: 10, fill: FAINT }),
    "</svg>",
    "",
  ].join("\n");
}

export function escapeXml(value: string): string {
  return value
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&apos;");
}

/** Round values from zero to above the largest, five or so of them. */
export function linearTicks(values: readonly number[]): number[] {
  const most = Math.max(...values, Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= most / 5) ?? 10) * power;
  const count = Math.ceil(most / step);
  return Array.from({ length: count + 1 }, (_, at) => Number((at * step).toPrecision(6)));
}

/** Values of 1, 2 and 5 times powers of ten, from below the smallest to above the largest. */
export function logTicks(values: readonly number[]): number[] {
  const [least, most] = extent(values);
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++)
    for (const factor of [1, 2, 5]) all.push(Number((factor * 10 ** power).toPrecision(6)));
  const first = all.findLastIndex((tick) => tick <= least);
  const last = all.findIndex((tick) => tick >= most);
  const within = all.slice(Math.max(0, first), last < 0 ? all.length : last + 1);
  // Too many for the height: powers of ten alone, with the ends.
  return within.length <= 10
    ? within
    : within.filter((tick, at) => at === 0 || at === within.length - 1 || Math.log10(tick) % 1 === 0);
}

type Scale = (value: number) => number;

function scaleOf(
  kind: "log" | "linear",
  [least, most]: readonly [number, number],
  [from, to]: [number, number],
): Scale {
  const along = kind === "log" ? Math.log10 : (value: number): number => value;
  const span = along(most) - along(least);
  return (value) => Number((from + (span === 0 ? 0.5 : (along(value) - along(least)) / span) * (to - from)).toFixed(1));
}

function drawn({ points, raw = [], guide = false }: Series, colour: string, x: Scale, y: Scale): string {
  const path = points.map((point, at) => `${at === 0 ? "M" : "L"}${x(point.x)} ${y(point.y)}`).join("");
  if (guide) return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5" stroke-dasharray="5 5"/>`;
  const dot = (point: Point, radius: number, opacity: number): string =>
    `<circle cx="${x(point.x)}" cy="${y(point.y)}" r="${radius}" fill="${colour}" fill-opacity="${opacity}"/>`;
  return [
    `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...raw.map((point) => dot(point, 2.5, 0.3)),
    ...points.map((point) => dot(point, 4, 1)),
  ].join("\n");
}

/** A guide may leave the plot; nothing of it is drawn there. */
function clipped(content: string): string {
  const { left, right, top, bottom } = MARGIN;
  const width = SIZE.width - left - right;
  const height = SIZE.height - top - bottom;
  return [
    `<clipPath id="plot"><rect x="${left}" y="${top - 6}" width="${width}" height="${height + 6}"/></clipPath>`,
    `<g clip-path="url(#plot)">`,
    content,
    "</g>",
  ].join("\n");
}

function endNames(series: readonly Series[], y: Scale, at: number): string[] {
  const [top, bottom] = [MARGIN.top, SIZE.height - MARGIN.bottom];
  const names = series
    .map((one, index) => ({
      name: one.name,
      colour: colourOf(one, index),
      y: Math.min(bottom, Math.max(top, y(one.points.at(-1)?.y ?? 0))) + 4,
    }))
    .sort((one, other) => one.y - other.y);
  for (let index = 1; index < names.length; index++) {
    const [above, below] = [names[index - 1], names[index]];
    if (above !== undefined && below !== undefined) below.y = Math.max(below.y, above.y + LINE_HEIGHT);
  }
  return names.map(({ name, colour, y: height }) => text(at, height, name, { fill: colour, weight: 600 }));
}

function colourOf({ guide }: Series, at: number): string {
  return guide === true ? GUIDE : (COLOURS[at % COLOURS.length] ?? INK);
}

interface TextStyle {
  readonly size?: number;
  readonly weight?: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly fill?: string;
}

export function text(x: number, y: number, value: string, style: TextStyle = {}): string {
  const { size = 12, weight = 400, anchor = "start", fill = INK } = style;
  return `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${fill}">${escapeXml(value)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, stroke: string): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${stroke}"/>`;
}

function extent(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

function grouped(value: number): string {
  return value.toLocaleString("en");
}
