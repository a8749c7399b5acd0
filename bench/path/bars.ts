/** A writer of stacked bars in SVG: groups of bars that lie, each made of named parts, with a legend. */

import { escapeXml, FAINT, FONT, INK, linearTicks, text } from "../growth/svg.ts";

export interface Bar {
  readonly label: string;
  readonly parts: readonly { readonly name: string; readonly value: number }[];
}

export interface BarChart {
  readonly title: string;
  readonly subtitle: string;
  readonly unit: string;
  readonly groups: readonly { readonly title: string; readonly bars: readonly Bar[] }[];
  readonly foot: string;
}

const WIDTH = 860;
const MARGIN = { left: 190, right: 76, top: 70 };
const BAR = 20;
const GAP = 6;
const HEADING = 26;
const COLUMNS = 4;
const COLOURS = ["#8fc1ff", "#86d39d", "#ffcf70", "#cdb4ff", "#f3aed0", "#ffab85", "#74d0cf", "#c6ccd3", "#e0bfa0"];

/** The whole file. Each group has a scale of its own: what is compared is within one. */
export function barsSvg({ title, subtitle, unit, groups, foot }: BarChart): string {
  const names = [...new Set(groups.flatMap(({ bars }) => bars.flatMap(({ parts }) => parts.map(({ name }) => name))))];
  const colourOf = (name: string): string => COLOURS[names.indexOf(name) % COLOURS.length] ?? INK;
  const drawn: string[] = [];
  let y = MARGIN.top;
  for (const [at, name] of names.entries()) {
    const x = MARGIN.left + (at % COLUMNS) * ((WIDTH - MARGIN.left) / COLUMNS);
    const top = y + Math.floor(at / COLUMNS) * 18;
    drawn.push(`<rect x="${x}" y="${top}" width="11" height="11" fill="${colourOf(name)}"/>`);
    drawn.push(text(x + 16, top + 10, name, { fill: FAINT }));
  }
  y += Math.ceil(names.length / COLUMNS) * 18 + 12;
  for (const { title: heading, bars } of groups) {
    const most = Math.max(...bars.map(sumOf));
    const scale = (WIDTH - MARGIN.left - MARGIN.right) / (linearTicks([most]).at(-1) ?? most);
    if (heading !== "") {
      drawn.push(text(MARGIN.left, y + 14, heading, { weight: 600 }));
      y += HEADING;
    }
    for (const bar of bars) {
      drawn.push(text(MARGIN.left - 9, y + 14, bar.label, { anchor: "end" }));
      let x = MARGIN.left;
      for (const { name, value } of bar.parts) {
        const width = value * scale;
        const told = escapeXml(`${name}: ${rounded(value)} ${unit}`);
        drawn.push(
          `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colourOf(name)}" stroke="#ffffff" stroke-width="0.5"><title>${told}</title></rect>`,
        );
        if (width > 34) drawn.push(text(Number((x + 5).toFixed(1)), y + 14, rounded(value), { size: 11 }));
        x += width;
      }
      drawn.push(text(Number((x + 7).toFixed(1)), y + 14, rounded(sumOf(bar)), { weight: 600 }));
      y += BAR + GAP;
    }
    y += 10;
  }
  const height = y + 30;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="${FONT}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(20, 30, title, { size: 17, weight: 600 }),
    text(20, 51, subtitle, { size: 12, fill: FAINT }),
    ...drawn,
    text(20, height - 12, foot, { size: 10, fill: FAINT }),
    "</svg>",
    "",
  ].join("\n");
}

function sumOf({ parts }: Bar): number {
  return parts.reduce((total, { value }) => total + value, 0);
}

function rounded(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}
