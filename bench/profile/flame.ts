/** Draws stacks as a flame graph that hangs down: callers above, what they call below, as wide as the time it took. */

import { escapeXml, FAINT, FONT, INK, text } from "../growth/svg.ts";
import { type Owner, ownerShares, type PlacedFrame, type PlacedStack, WASM } from "./attribution.ts";

/** Narrower frames are not drawn, and nothing below them. */
export const NARROWEST = 0.003;

const WIDTH = 1000;
const MARGIN = 12;
const INNER = WIDTH - 2 * MARGIN;
const TOP = 66;
const ROW = 18;
/** About what a character of a label takes. */
const CHARACTER = 6.3;
const LEGEND_ROW = 20;
const LEGEND_COLUMNS = 3;

/** Light, so that dark labels are read on all of them. */
const COLOURS: Readonly<Record<string, string>> = {
  gateway: "#8fc1ff",
  policy: "#cdb4ff",
  [WASM.name]: "#b18cf5",
  dynamodb: "#86d39d",
  audit: "#ffcf70",
  aws: "#ffab85",
  platform: "#74d0cf",
  base: "#cfdf7f",
  identity: "#f3aed0",
  telemetry: "#e0bfa0",
  "garbage collection": "#f08f8f",
  "Node: writing to sockets": "#a7b2be",
  "Node: event loop, reading from sockets": "#bcc6d0",
  "Node: sockets and streams": "#d0d7de",
  "Node: HTTP/1.1": "#b9c4b0",
  "Node: HTTP/2": "#c3b9d6",
  "Node: hashes and random numbers": "#d9b8b8",
  "Node: files": "#cabf9f",
  "Node: buffers": "#dde3c8",
  "Node: promises, timers, the rest": "#e4e8ec",
};
const OTHERS: Readonly<Record<Owner["kind"], string>> = {
  room: "#d9d2ef",
  policy: "#b18cf5",
  package: "#f2e3b3",
  node: "#e4e8ec",
};

export interface FlameOptions {
  readonly title: string;
  readonly subtitle: string;
  readonly foot: string;
  /** Microseconds of a request that the whole width stands for. */
  readonly wholeUs: number;
}

interface Branch {
  readonly frame: Pick<PlacedFrame, "name" | "where" | "owner">;
  count: number;
  readonly below: Map<string, Branch>;
}

/** The whole file. */
export function flameSvg(stacks: readonly PlacedStack[], options: FlameOptions): string {
  const all: Owner = { kind: "node", name: "all" };
  const root: Branch = { frame: { name: "all", where: "", owner: all }, count: 0, below: new Map() };
  for (const stack of stacks) grow(root, stack);
  const frames: string[] = [];
  const depth = draw(root, { x: MARGIN, level: 0, root, wholeUs: options.wholeUs, frames });
  const legendTop = TOP + (depth + 1) * ROW + 14;
  const { entries, rows } = legend(stacks, legendTop);
  const height = legendTop + rows * LEGEND_ROW + 26;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="${FONT}" role="img">`,
    `<title>${escapeXml(options.title)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(MARGIN, 28, options.title, { size: 17, weight: 600 }),
    text(MARGIN, 49, options.subtitle, { size: 12, fill: FAINT }),
    ...frames,
    ...entries,
    text(MARGIN, height - 12, options.foot, { size: 10, fill: FAINT }),
    "</svg>",
    "",
  ].join("\n");
}

/** Adds a stack. Functions of Node, of a package or of the policy that call each other are one frame. */
function grow(root: Branch, { frames, count }: PlacedStack): void {
  root.count += count;
  let branch = root;
  for (const { name, where, owner } of frames) {
    const whole = owner.kind !== "room";
    if (whole && branch !== root && branch.frame.owner.name === owner.name) continue;
    const frame = whole ? { name: owner.name, where: "", owner } : { name, where, owner };
    const key = `${frame.name}\n${frame.where}`;
    const next = branch.below.get(key) ?? { frame, count: 0, below: new Map() };
    next.count += count;
    branch.below.set(key, next);
    branch = next;
  }
}

interface Drawing {
  readonly x: number;
  readonly level: number;
  readonly root: Branch;
  readonly wholeUs: number;
  readonly frames: string[];
}

/** Draws a frame and what is below it, the widest to the left. @returns the deepest level that was drawn */
function draw({ frame, count, below }: Branch, drawing: Drawing): number {
  const { x, level, root, wholeUs, frames } = drawing;
  const share = count / root.count;
  const width = share * INNER;
  const y = TOP + level * ROW;
  const { name, where, owner } = frame;
  const told = `${(share * 100).toFixed(1)} %, ${(share * wholeUs).toFixed(1)} µs of a request`;
  frames.push(
    `<g><title>${escapeXml(`${name}${where === "" ? "" : ` (${where})`}: ${told}`)}</title>`,
    `<rect x="${x.toFixed(2)}" y="${y}" width="${width.toFixed(2)}" height="${ROW - 1}" fill="${colourOf(owner)}" stroke="#ffffff" stroke-width="0.5"/>`,
  );
  const label = cut(name, Math.floor((width - 6) / CHARACTER));
  if (label !== "") frames.push(text(Number((x + 3).toFixed(2)), y + 12.5, label, { size: 11, fill: INK }));
  frames.push("</g>");
  let deepest = level;
  let left = x;
  const children = [...below].sort(([one, a], [other, b]) => b.count - a.count || (one < other ? -1 : 1));
  for (const [, child] of children) {
    if (child.count / root.count < NARROWEST) continue;
    deepest = Math.max(deepest, draw(child, { ...drawing, x: left, level: level + 1 }));
    left += (child.count / root.count) * INNER;
  }
  return deepest;
}

/** Every owner that is wide enough to be seen, with its share. */
function legend(stacks: readonly PlacedStack[], top: number): { entries: string[]; rows: number } {
  const owners = ownerShares(stacks).filter(({ share }) => share >= NARROWEST);
  const rows = Math.ceil(owners.length / LEGEND_COLUMNS);
  const entries = owners.flatMap(({ name, kind, share }, at) => {
    const x = MARGIN + Math.floor(at / rows) * (INNER / LEGEND_COLUMNS);
    const y = top + (at % rows) * LEGEND_ROW;
    return [
      `<rect x="${x}" y="${y}" width="12" height="12" fill="${colourOf({ name, kind })}"/>`,
      text(x + 18, y + 10.5, `${name} ${(share * 100).toFixed(1)} %`, { size: 11 }),
    ];
  });
  return { entries, rows };
}

function colourOf({ name, kind }: Owner): string {
  return name === "all" ? "#f3f5f7" : (COLOURS[name] ?? OTHERS[kind]);
}

/** As much of a name as fits; nothing when that would tell nothing. */
function cut(name: string, characters: number): string {
  if (name.length <= characters) return name;
  return characters < 4 ? "" : `${name.slice(0, characters - 1)}…`;
}
