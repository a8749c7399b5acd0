/** A systemd unit for `postern start`, hardened as far as Node runs: no more of the machine than the configuration names. */

import { dirname } from "node:path";
import { PosternError } from "../../base/errors.ts";

/** What the unit is made of; every path is absolute. */
export interface UnitFacts {
  /** The runtime and the program that it runs. */
  readonly program: readonly string[];
  readonly configFile: string;
  /** A user of this machine; absent: one that systemd makes for as long as the service runs. */
  readonly user?: string | undefined;
  readonly diagnostics?: string | undefined;
  /** Directories that it writes: the data directory first. */
  readonly writes: readonly string[];
  /** Files and directories that it reads, besides its program. */
  readonly reads: readonly string[];
  /** Unix sockets that it listens on. */
  readonly sockets: readonly string[];
  /** TCP ports that it listens on. */
  readonly ports: readonly number[];
  /** Seconds after which requests in flight have ended, whatever they do. */
  readonly drainSeconds: number;
}

/** The unit's text. @throws PosternError `unit_path_invalid` for what could not stand on its line */
export function unitOf(facts: UnitFacts): string {
  const { program, configFile, user, diagnostics, drainSeconds } = facts;
  const command = [...program, "start", "-c", configFile];
  if (diagnostics !== undefined) command.push("--diag-addr", diagnostics);
  return `# Written by postern systemd. It belongs at /etc/systemd/system/postern.service; then
#   systemctl daemon-reload && systemctl enable --now postern
[Unit]
Description=Postern, access gateway for Amazon DynamoDB
Wants=network-online.target
After=network-online.target
# A cluster that is away for an hour is back in the second.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=${command.map(word).join(" ")}
# AWS_REGION and the like, NAME=value on a line each.
EnvironmentFile=-/etc/default/postern
${user === undefined ? "DynamicUser=yes\nUser=postern" : `User=${user}`}
Restart=always
RestartSec=5
# The parent lets requests end, those of its workers too; ${drainSeconds} seconds are theirs.
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec=${drainSeconds + STOP_MARGIN_SECONDS}
LimitNOFILE=65536
UMask=0077
${directoriesOf(facts)}

# What it may not do. Not here: MemoryDenyWriteExecute, for Node compiles as it runs, and asks for keys of memory (@pkey) then;
# ProcSubset=pid, for who holds the audit log is told by the machine's boot_id.
NoNewPrivileges=yes
${capabilitiesOf(facts.ports)}
ProtectSystem=strict
ProtectHome=${inside(readsOf(facts), HOMES) ? "read-only" : "yes"}
${inside(readsOf(facts), TEMPORARY) ? "# PrivateTmp is not here: the configuration names a path in /tmp." : "PrivateTmp=yes"}
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service @pkey
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`;
}

/** Beyond the draining: closing the audit log, and a disk that is slow. */
const STOP_MARGIN_SECONDS = 20;
const HOMES = ["/home", "/root", "/run/user"];
const TEMPORARY = ["/tmp", "/var/tmp"];

/** Whether the data directory is one that systemd makes, for a user that it makes. */
export function isStateDirectory(path: string): boolean {
  return /^\/var\/lib\/[^/]+$/.test(path);
}

/** True when one of the paths is below one of the places. */
export function inside(paths: readonly string[], places: readonly string[]): boolean {
  return paths.some((path) => places.some((place) => path.startsWith(`${place}/`)));
}

function readsOf({ program, configFile, reads, writes, sockets }: UnitFacts): readonly string[] {
  return [...program, configFile, ...reads, ...writes, ...sockets];
}

function directoriesOf({ writes, sockets }: UnitFacts): string {
  const lines: string[] = [];
  const others: string[] = [];
  const runtime = new Set<string>();
  for (const path of new Set(writes)) {
    if (isStateDirectory(path)) lines.push(`StateDirectory=${word(path.slice("/var/lib/".length))}`);
    else if (!writes.some((above) => path.startsWith(`${above}/`))) others.push(path);
  }
  for (const path of sockets) {
    const [, name] = /^\/run\/([^/]+)\/[^/]+$/.exec(path) ?? [];
    if (name === undefined) others.push(dirname(path));
    else runtime.add(name);
  }
  if (lines.length > 0) lines.push("StateDirectoryMode=0700");
  for (const name of runtime) lines.push(`RuntimeDirectory=${word(name)}`);
  for (const path of new Set(others)) lines.push(`ReadWritePaths=${word(path)}`);
  return lines.join("\n");
}

function capabilitiesOf(ports: readonly number[]): string {
  const low = ports.some((port) => port > 0 && port < 1024);
  return low
    ? "# A port below 1024.\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE"
    : "CapabilityBoundingSet=";
}

/** A word of a unit file: what systemd would expand or split is not, and what would be a line of its own is refused. */
function word(text: string): string {
  if (/\p{Cc}/u.test(text)) {
    throw new PosternError(
      "unit_path_invalid",
      `Cannot write a unit with ${JSON.stringify(text)}: it is not one line`,
      {
        hint: "name a path without control characters in the configuration",
      },
    );
  }
  const plain = text.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w./:@%$,+=[\]-]+$/.test(plain) ? plain : `"${plain.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}
