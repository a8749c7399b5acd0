/** The tables of profiles, for the page and for the terminal. */

import type { FunctionShare, Share } from "./attribution.ts";
import { NARROWEST } from "./flame.ts";
import type { CellProfile } from "./measure.ts";

/** Below the project. */
export function chartName({ cell }: Pick<CellProfile, "cell">): string {
  return `flame-${cell.operation.toLowerCase()}.svg`;
}

/** Who spends the time of a request in each cell, the functions that spend most of it, and the drawings. */
export function profilePage(profiles: readonly CellProfile[], foot: string): string {
  const charts = profiles.map((profile) => {
    const file = `charts/${chartName(profile)}`;
    return `[![Where the time of a request goes: ${profile.title.replace(/^base: /, "")}](${file})](${file})`;
  });
  return [ownerTable(profiles), foot, ...profiles.map(functionTable), charts.join("\n\n")].join("\n\n");
}

/** Rows that are nowhere wide enough to be drawn are one. */
export function ownerTable(profiles: readonly CellProfile[]): string {
  const names = new Set(
    profiles.flatMap(({ owners }) => owners.filter(({ share }) => share >= NARROWEST).map(({ name }) => name)),
  );
  const shareOf = ({ owners }: CellProfile, name: string): number =>
    owners.find((owner) => owner.name === name)?.share ?? 0;
  const cell = (share: number, { mainThreadUs }: CellProfile): string =>
    `${percent(share)}, ${(share * mainThreadUs).toFixed(1)} µs`;
  const small = ({ owners }: CellProfile): number =>
    owners.filter(({ name }) => !names.has(name)).reduce((total, { share }) => total + share, 0);
  const rows = [
    ...[...names].map((name) => [name, ...profiles.map((profile) => cell(shareOf(profile, name), profile))]),
    ["everything else", ...profiles.map((profile) => cell(small(profile), profile))],
    ["**the main thread**", ...profiles.map(({ mainThreadUs }) => `**${mainThreadUs.toFixed(1)} µs**`)],
    ["other threads", ...profiles.map(({ cpuUs, mainThreadUs }) => `${(cpuUs - mainThreadUs).toFixed(1)} µs`)],
    ["**CPU of a request**", ...profiles.map(({ cpuUs }) => `**${cpuUs.toFixed(1)} µs**`)],
  ];
  return table(["", ...profiles.map(({ title }) => title)], rows);
}

function functionTable({ title, rooms, mainThreadUs }: CellProfile): string {
  const spent = ({ share }: Share): string => `${percent(share)}, ${(share * mainThreadUs).toFixed(1)} µs`;
  const named = ({ name, where }: FunctionShare): string => `\`${name}\` of ${where.replace(/^src\//, "")}`;
  const longest = Math.max(0, ...rooms.map(({ functions }) => functions.length));
  const rows = Array.from({ length: longest }, (_, at) =>
    rooms.flatMap(({ functions }) => {
      const one = functions[at];
      return one === undefined ? ["", ""] : [named(one), spent(one)];
    }),
  );
  return `The functions that spend most in the two largest rooms, ${title}:\n\n${table(
    rooms.flatMap(({ room }) => [room, ""]),
    rows,
  )}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
