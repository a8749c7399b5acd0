/** Profiles as people and programs read them. */

import { printable } from "../../base/printable.ts";
import { jsonText } from "../plain-text.ts";
import { goDuration } from "./go-duration.ts";
import type { Profile } from "./profiles.ts";

/** The profiles, the current one first and marked. */
export function renderProfiles(active: Profile | undefined, others: readonly Profile[], now: number): string {
  const blocks = others.map((profile) => block(profile, " ", now));
  if (active !== undefined) blocks.unshift(block(active, ">", now));
  return blocks.join("\n");
}

/** The profiles as JSON; roles are always there. */
export function profilesJson(active: Profile | undefined, others: readonly Profile[]): string {
  const value = { ...(active === undefined ? {} : { active: shown(active) }), profiles: others.map(shown) };
  return jsonText(value, 2);
}

const LABEL_WIDTH = 20;

function block({ proxy, stated }: Profile, mark: string, now: number): string {
  const { user, cluster, expires } = stated;
  const at = `${new Date(expires).toISOString().slice(0, 19).replace("T", " ")} +0000 UTC`;
  // In whole minutes, as long as there is one.
  const left = expires - now;
  const rounded = left < 60_000 ? left : Math.round(left / 60_000) * 60_000;
  const rows: readonly (readonly [string, string])[] = [
    ["Profile URL:", `https://${proxy.text}`],
    ["Logged in as:", user.name],
    ["Cluster:", cluster],
    ["Roles:", user.roles.join(", ")],
    ["Valid until:", `${at} ${left > 0 ? `[valid for ${goDuration(rounded)}]` : "[EXPIRED]"}`],
  ];
  return rows
    .map(
      ([label, text], at) => `${at === 0 ? mark : " "} ${label.padEnd(LABEL_WIDTH)}${printable(text)}`.trimEnd() + "\n",
    )
    .join("");
}

function shown({ proxy, stated }: Profile): Record<string, unknown> {
  const { user, cluster, expires } = stated;
  return {
    profile_url: `https://${proxy.text}`,
    username: user.name,
    cluster,
    roles: user.roles,
    traits: user.traits,
    databases: [],
    // Whole seconds, which is what certificates count in and what jq's fromdate reads.
    valid_until: `${new Date(expires).toISOString().slice(0, 19)}Z`,
  };
}
