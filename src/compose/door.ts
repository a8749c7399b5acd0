/** The cluster's door: the API of the auth service, and the certificate that it shows. */

import type { Clock } from "../base/clock.ts";
import { messageOf, PosternError } from "../base/errors.ts";
import { formatAddress, type ListenAddress } from "../config/address.ts";
import type { Config } from "../config/config.ts";
import { type PublicAddress, publicAddressOf } from "../config/public-address.ts";
import type { EventSink } from "../control/administration.ts";
import { clusterApi } from "../control/api.ts";
import { Callers, type Connected } from "../control/callers.ts";
import { connectorLogins } from "../control/connector-logins.ts";
import { DoorIdentity, type ShownIdentity } from "../control/door-identity.ts";
import { Links } from "../control/links.ts";
import { Logins } from "../control/logins.ts";
import { Members } from "../control/members.ts";
import { Presence } from "../control/presence.ts";
import { RouteCallers } from "../control/route-callers.ts";
import { RouteCertificates } from "../control/route-certificates.ts";
import { quoted } from "../identity/names.ts";
import { Passkeys } from "../identity/passkeys.ts";
import { Passwords } from "../identity/passwords.ts";
import type { Principal } from "../identity/principal.ts";
import type { KeyRing } from "../identity/sealing.ts";
import type { PolicyBundle } from "../policy/bundle.ts";
import type { PassingOn, TakeoverHandler } from "../platform/ports.ts";
import type { Log } from "../telemetry/log.ts";
import { Administrators } from "./administrators.ts";
import { openDoorTunnels } from "./door-tunnels.ts";
import { namesInFiles } from "./kinds.ts";
import { joinServices } from "./joining.ts";
import { type DoorState, ShownDatabases } from "./shown-databases.ts";
import type { OpenCluster } from "./store.ts";

export interface DoorOptions {
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: Log;
  readonly version: string;
  /** Says where STS is, where it is not AWS's own. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The policy of administration. */
  readonly loadControl: () => Promise<PolicyBundle>;
  /** The policy in which roles are tried. */
  readonly loadPolicy: () => Promise<PolicyBundle>;
  /** What is in force. */
  readonly state: () => DoorState;
  /** Milliseconds between two looks at whether the certificate must be replaced; a minute when absent. */
  readonly lookEvery?: number;
}

/** An address at which the API is served, and by which service's configuration. */
export interface DoorPort {
  readonly service: "auth_service" | "proxy_service";
  readonly address: ListenAddress;
}

/** A door that is ready to be served. */
export interface ClusterDoor {
  /** One or two. */
  readonly ports: readonly [DoorPort, ...DoorPort[]];
  readonly maxConnections: number | undefined;
  readonly maxConnectionsPerAddress: number | undefined;
  /** What to show first. */
  readonly identity: ShownIdentity;
  /** Answers what came to one of the ports. */
  handle(request: Request, connected: Connected, service: DoorPort["service"]): Promise<Response>;
  /** What a new client knows the cluster by. */
  pins(): Promise<readonly string[]>;
  /** From now on calls `show` whenever something else is to be shown. */
  follow(show: (identity: ShownIdentity) => void): void;
  /** Whose connections stop being HTTP, and go to databases or come from their services. */
  readonly takeOver: TakeoverHandler;
  /** Requests of AWS SDKs. */
  readonly passOn: PassingOn;
  /** Lets what goes through it end, and ends what is left after a while. */
  drain(timeoutMs: number): Promise<void>;
}

const LOOK_EVERY_MS = 60_000;

/**
 * Opens the door of an open cluster.
 *
 * @throws PosternError `proxy_service_alone`, `public_addr_invalid`, `public_addr_unnamed`, and what keeps a
 * certificate from being issued
 */
export async function openDoor(
  config: Config,
  opened: OpenCluster | undefined,
  { events, clock, log, version, env, loadControl, loadPolicy, state, lookEvery = LOOK_EVERY_MS }: DoorOptions,
): Promise<ClusterDoor> {
  const { auth_service, proxy_service } = config;
  if (opened === undefined || auth_service === undefined) {
    throw new PosternError("proxy_service_alone", "Cannot start proxy_service: auth_service is not enabled beside it", {
      position: config.positionOf(["proxy_service", "enabled"]),
      hint: 'write auth_service: {enabled: "yes"}; in this version both run in one process',
    });
  }
  const { second_factor: secondFactor, local_auth: localAuth } = auth_service.authentication;
  const address = publicAddressOf(config);
  const { cluster, ring } = opened;
  const ports = portsOf(config);
  const role = ports[0].service === "proxy_service" ? "proxy" : "auth";
  const doorIdentity = new DoorIdentity({ cluster, ring, events, clock, role, names: namesOf(ports, address) });
  const passkeys =
    secondFactor === "webauthn" ? passkeysAt(config, address, { name: cluster.name, ring, clock }) : undefined;
  // One for all: how many are hashed at once is counted in it.
  const passwords = new Passwords();
  const judging = { cluster, ring, passwords, events, clock, secondFactor, localAuth, passkeys };
  const [logins, links] = [new Logins(judging), new Links(judging)];
  const taken = async (): Promise<ReadonlySet<string>> => usersAmong(await namesInFiles(config));
  const administrators = new Administrators({
    opened,
    events,
    clock,
    service: ports[0].service,
    version,
    loadControl,
    loadPolicy,
    taken: () => namesInFiles(config),
    publicAddress: proxy_service?.public_addr,
    passwords,
  });
  const closing = new AbortController();
  const callers = new Callers({ cluster, events, clock });
  const members = new Members({ cluster, events, clock });
  const presence = new Presence({ store: cluster.store, clock, log, version });
  const shownDatabases = new ShownDatabases(state, {
    served: () => [...tunnels.served(), ...presence.servedElsewhere()],
    lately: () => tunnels.lately(),
  });
  const isShown = (user: Principal, database: string): boolean => shownDatabases.isShown(user, database);
  const routeCallers = new RouteCallers({ cluster, events, clock });
  const tunnels = await openDoorTunnels({
    callers,
    members,
    routeCallers,
    store: cluster.store,
    presence,
    clock,
    log,
    isShown,
    lookEvery,
  });
  await presence.begin();
  const routes = new RouteCertificates({ cluster, ring, events, clock, isShown });
  const api = clusterApi({
    ...judging,
    ...address,
    ...connectorLogins({ ...judging, publicUrl: () => address.origin, taken, log }),
    logins,
    links,
    joining: joinServices({ cluster, ring, events, clock }, { env, log }),
    version,
    log,
    databasesOf: (user) => shownDatabases.documents(user),
    reaching: {
      callers,
      members,
      routes,
      log,
      isShown,
      sdkAgents: tunnels.sdkAgents,
      proxies: () => presence.proxies(),
      closing: closing.signal,
    },
    administratorOf: administrators.of.bind(administrators),
  });
  const identity = await doorIdentity.current();
  let shown = identity;
  let timer: NodeJS.Timeout | undefined;
  let lookNow = (): void => undefined;
  // Whoever has a certificate by the next authority is let in at once, not only at the next look.
  const unwatch = await cluster.store.watch(
    (changes) => {
      if (changes.some(({ kind }) => kind === "authority")) lookNow();
    },
    () => lookNow(),
  );
  return {
    ports,
    maxConnections: proxy_service?.max_connections,
    maxConnectionsPerAddress: proxy_service?.max_connections_per_address,
    identity,
    pins: () => cluster.pins(),
    handle: async (request, connected, service) =>
      api.fetch(request, { connected, isPageless: service === "auth_service" }),
    follow(show) {
      const look = async (): Promise<void> => {
        const next = await doorIdentity.current();
        if (next === shown) return;
        show(next);
        shown = next;
      };
      // One look after another: two at once would each make a certificate. What changes during one has another follow.
      let [looking, again] = [false, false];
      lookNow = () => {
        again = looking;
        if (looking) return;
        looking = true;
        void look()
          .catch((error: unknown) =>
            log.error({ error: messageOf(error) }, "Cannot renew the door's certificate; the one at hand serves on"),
          )
          .finally(() => {
            looking = false;
            if (again) lookNow();
          });
      };
      timer = setInterval(lookNow, lookEvery);
      timer.unref();
    },
    takeOver: tunnels.takeOver,
    passOn: tunnels.passOn,
    async drain(timeoutMs) {
      clearInterval(timer);
      lookNow = () => undefined;
      await unwatch();
      // Whoever listens for changes listens elsewhere from now on.
      closing.abort();
      // Agents need no tunnel to who is leaving.
      await presence.end();
      await tunnels.close(timeoutMs);
    },
  };
}

function usersAmong(names: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...names].flatMap((name) => (name.startsWith("user/") ? [name.slice("user/".length)] : [])));
}

/** Whether this configuration has the API served at all. */
export function hasDoor({ auth_service, proxy_service }: Config): boolean {
  return proxy_service?.enabled === true || (auth_service?.enabled === true && auth_service.listen_addr !== undefined);
}

/** The one at which users knock first. The same address is opened once. */
function portsOf({ auth_service, proxy_service }: Config): ClusterDoor["ports"] {
  const door = proxy_service?.enabled === true ? proxy_service.listen_addr : undefined;
  const own = auth_service?.listen_addr;
  const isOther = own !== undefined && (door === undefined || !isSame(own, door));
  const ports: DoorPort[] = [
    ...(door === undefined ? [] : [{ service: "proxy_service", address: door } as const]),
    ...(isOther ? [{ service: "auth_service", address: own } as const] : []),
  ];
  const [first, ...others] = ports;
  if (first === undefined) throw new PosternError("door_unavailable", "Cannot open a door: no address is configured");
  return [first, ...others];
}

/** Port 0 is another one each time. */
function isSame(one: ListenAddress, other: ListenAddress): boolean {
  const text = formatAddress(one);
  return text === formatAddress(other) && !text.endsWith(":0");
}

/** What the door is called: here, where it listens, and by others. */
function namesOf(ports: ClusterDoor["ports"], { host }: PublicAddress): readonly string[] {
  const names = ["localhost", "127.0.0.1", "::1"];
  for (const { address } of ports)
    if (address.kind === "tcp" && !["0.0.0.0", "::"].includes(address.host)) names.push(address.host);
  return [...new Set([...names, host])];
}

/** @throws PosternError `public_addr_unnamed` */
function passkeysAt(
  config: Config,
  { host, origin, isName }: PublicAddress,
  { name, ring, clock }: { readonly name: string; readonly ring: KeyRing; readonly clock: Clock },
): Passkeys {
  if (!isName) {
    throw new PosternError("public_addr_unnamed", `Cannot ask for passkeys at ${quoted(host)}: they belong to a name`, {
      position: config.positionOf(["auth_service", "authentication", "second_factor"]),
      hint: "write proxy_service.public_addr with the name of the door, or second_factor: otp",
    });
  }
  return new Passkeys({ party: { id: host, name, origin }, ring, clock });
}
