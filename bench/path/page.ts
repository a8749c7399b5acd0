/** The tables and drawings of the way to a database, for the page and for the terminal. */

import { median } from "../load/statistics.ts";
import { type Bar, barsSvg } from "./bars.ts";
import type { ConnectionCost } from "./connections.ts";
import { type CellResult, figuresOf, type WayResult } from "./measure.ts";
import type { HopLayers, HopProfile } from "./profiles.ts";
import { type Hop, HOPS, type WayName } from "./ways.ts";

/** Below this share an owner is not told by name. */
const LEAST_TOLD = 0.01;

/** What each way carries and costs in each cell. Ratios are to the gateway by itself. */
export function pathTable(cells: readonly CellResult[], foot: string): string {
  const head = [
    "",
    "requests/s",
    "×",
    "CPU of a request",
    "×",
    ...HOPS.map((hop) => `of it ${hop}`),
    "median",
    "99 of 100",
  ];
  const rows = cells.flatMap(({ cell, ways }) => [
    [`**${cell.title}**`, ...head.slice(1).map(() => "")],
    ...ways.map((way) =>
      rowOf(
        way,
        ways.find((one) => one.way === "gateway"),
      ),
    ),
  ]);
  return `${table(head, rows)}\n\n${foot}`;
}

function rowOf(way: WayResult, yardstick: WayResult | undefined): string[] {
  const own = figuresOf(way);
  const by = yardstick === undefined ? undefined : figuresOf(yardstick);
  const hasCpu = way.hops.length > 0;
  const ratio = (value: number, other: number | undefined): string =>
    other === undefined || way === yardstick ? "" : `${(value / other).toFixed(2)} ×`;
  return [
    way.way,
    own.perSecond.toFixed(0),
    ratio(own.perSecond, by?.perSecond),
    hasCpu ? us(own.cpuUs) : "",
    hasCpu ? ratio(own.cpuUs, by?.cpuUs) : "",
    ...HOPS.map((hop) => {
      const found = way.hops.find((one) => one.hop === hop);
      return found === undefined ? "" : us(found.cpuUs);
    }),
    us(own.p50),
    us(own.p99),
  ];
}

/** What it takes to open a connection and send one request. */
export function connectionsTable(costs: readonly ConnectionCost[]): string {
  const rows = costs.map(({ way, ms, hops }) => [
    way,
    `${median(ms).toFixed(1)} ms`,
    ...HOPS.map((hop) => {
      const found = hops.find((one) => one.hop === hop);
      return found === undefined ? "" : `${(found.cpuUs / 1000).toFixed(1)} ms`;
    }),
  ]);
  return table(["a connection for one request", "takes", ...HOPS.map((hop) => `CPU ${hop}`)], rows);
}

/** Where the processor was in each hop: microseconds of a request in the first cell. */
export function layersTable(layers: readonly HopLayers[], { ways }: Pick<CellResult, "ways">, foot: string): string {
  const names = layers[0]?.layers.map(({ layer }) => layer) ?? [];
  const rows = names.map((name) => [
    name,
    ...layers.map(({ way, hop, layers: own }) =>
      (cpuOf(ways, way, hop).cpuUs * (own.find(({ layer }) => layer === name)?.share ?? 0)).toFixed(1),
    ),
  ]);
  const sums = layers.map(({ way, hop }) => `**${cpuOf(ways, way, hop).cpuUs.toFixed(1)}**`);
  return `${table(["µs", ...layers.map(columnOf)], [...rows, ["**all**", ...sums]])}\n\n${foot}`;
}

/** Whose code it was, in each hop: microseconds of a request in the first cell; then the functions that spent most. */
export function profileTables(profiles: readonly HopProfile[], { ways }: Pick<CellResult, "ways">): string {
  const shareOf = ({ owners }: HopProfile, name: string): number =>
    owners.find((owner) => owner.name === name)?.share ?? 0;
  const usOf = ({ way, hop }: HopProfile, share: number): string =>
    (cpuOf(ways, way, hop).mainThreadUs * share).toFixed(1);
  const names = [...new Set(profiles.flatMap(({ owners }) => owners.map(({ name }) => name)))]
    .filter((name) => profiles.some((profile) => shareOf(profile, name) >= LEAST_TOLD))
    .toSorted((one, other) => totalOf(other) - totalOf(one));
  function totalOf(name: string): number {
    return profiles.reduce(
      (total, profile) => total + shareOf(profile, name) * cpuOf(ways, profile.way, profile.hop).mainThreadUs,
      0,
    );
  }
  const rows = names.map((name) => [name, ...profiles.map((profile) => usOf(profile, shareOf(profile, name)))]);
  const rest = profiles.map((profile) =>
    usOf(profile, 1 - names.reduce((total, name) => total + shareOf(profile, name), 0)),
  );
  const sums = profiles.map((profile) => `**${usOf(profile, 1)}**`);
  const owners = table(
    ["µs", ...profiles.map(columnOf)],
    [...rows, ["everything else", ...rest], ["**the main thread**", ...sums]],
  );
  const functions = profiles
    .filter(({ way }) => way !== "gateway")
    .map((profile) => {
      const told = profile.functions.map(
        ({ name, where, share }) => `\`${name}\` of ${where.replace(/^(?:src\/|node:)/, "")} ${usOf(profile, share)}`,
      );
      return `- ${columnOf(profile)}: ${told.join(", ")}`;
    });
  return `${owners}\n\nThe functions that spend most by themselves, in microseconds of a request:\n\n${functions.join("\n")}`;
}

/** What a request costs each process, in every cell. */
export function costChart(cells: readonly CellResult[], foot: string): string {
  return barsSvg({
    title: "What a request costs on its way to a database",
    subtitle:
      "CPU of Postern's processes, µs of a request under full load on 16 connections; each operation on a scale of its own",
    unit: "µs",
    groups: cells.map(({ cell, ways }) => ({
      title: cell.title,
      bars: ways
        .filter(({ hops }) => hops.length > 0)
        .map(({ way, hops }): Bar => ({
          label: way,
          parts: hops.map(({ hop, cpuUs }) => ({ name: hop, value: cpuUs })),
        })),
    })),
    foot,
  });
}

/** On which layer each hop spends it. */
export function layersChart(layers: readonly HopLayers[], { cell, ways }: CellResult, foot: string): string {
  return barsSvg({
    title: "What each hop does with its time",
    subtitle: `${cell.title}: CPU, µs of a request, by the layer on which the processor was`,
    unit: "µs",
    groups: [
      {
        title: "",
        bars: layers.map((one) => ({
          label: columnOf(one),
          parts: one.layers.map(({ layer, share }) => ({
            name: layer,
            value: cpuOf(ways, one.way, one.hop).cpuUs * share,
          })),
        })),
      },
    ],
    foot,
  });
}

function columnOf({ way, hop }: { readonly way: WayName; readonly hop: Hop }): string {
  return way === hop || way === "gateway" ? hop : `${way}: ${hop}`;
}

function cpuOf(ways: readonly WayResult[], way: WayName, hop: Hop): { cpuUs: number; mainThreadUs: number } {
  const found = ways.find((one) => one.way === way)?.hops.find((one) => one.hop === hop);
  return found ?? { cpuUs: Number.NaN, mainThreadUs: Number.NaN };
}

/** How much of the machine others took, of each round. */
export function foreignShares(cells: readonly CellResult[]): number[] {
  return cells.flatMap(({ ways }) => ways.flatMap(({ rounds }) => rounds.map(({ foreignShare }) => foreignShare)));
}

/** For the terminal: the raw rounds of each way, and what did not count. */
export function rawLines({ cell, ways }: CellResult): string {
  const lines = ways.flatMap(({ way, rounds, hops, steady, refused }) => [
    `  ${way}: req/s ${rounds.map(({ perSecond }) => perSecond.toFixed(0)).join(" ")} · CPU ${rounds.map(({ cpuUs }) => cpuUs.toFixed(0)).join(" ")}`,
    ...hops.map(({ hop, rounds: own }) => `    ${hop}: CPU ${own.map((one) => one.toFixed(1)).join(" ")}`),
    `    driver ${median(rounds.map(({ driverShare }) => driverShare)).toFixed(2)} of a core · single requests ${steady.map(({ p50, p99 }) => `${p50.toFixed(0)}/${p99.toFixed(0)}`).join(" ")}`,
    ...refused.map((why) => `    a round does not count: ${why.split("\n", 1)[0]}`),
  ]);
  return `${cell.title}\n${lines.join("\n")}\n`;
}

function us(value: number): string {
  return Number.isNaN(value) ? "" : `${value.toFixed(0)} µs`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}
