/** Wires the rooms into a gateway: configuration in, services out, and what is reloaded while it runs. */

import process from "node:process";
import { Recorder } from "./audit/recorder.ts";
import { settleStreams } from "./audit/settle.ts";
import { createRedaction } from "./audit/redaction.ts";
import { auditDirectoryOf } from "./audit/files.ts";
import { CredentialSource } from "./aws/credentials.ts";
import { Signer } from "./aws/signer.ts";
import { reportingSts } from "./aws/reporting-sts.ts";
import { SdkSts } from "./aws/sts.ts";
import { type Clock, systemClock } from "./base/clock.ts";
import { keyFromFile } from "./base/key-file.ts";
import { messageOf, PosternError } from "./base/errors.ts";
import { type ActiveState, stateOf } from "./compose/active-state.ts";
import type { AgentResources } from "./compose/agent-resources.ts";
import { type ClusterDoor, hasDoor, openDoor } from "./compose/door.ts";
import { listenersOf } from "./compose/listeners.ts";
import { RegisteredDatabases } from "./compose/registered-databases.ts";
import { firstResources, merged, validateResources } from "./compose/sources.ts";
import { openClusterOf } from "./compose/store.ts";
import type { ReadableStore } from "./compose/fed-store.ts";
import { readStore, StoreFollower, type StoredSet } from "./compose/store-follower.ts";
import { keepCluster } from "./compose/upkeep.ts";
import type { Config } from "./config/config.ts";
import { requireDataDirectory } from "./config/data-directory.ts";
import { formatProblem } from "./config/problem.ts";
import type { Resources } from "./config/resources.ts";
import { type Closer, watchPath } from "./config/watch-path.ts";
import { watchResources } from "./config/watch-resources.ts";
import { BodyBudget } from "./gateway/body-budget.ts";
import type { FixedListener } from "./gateway/listener.ts";
import type { Upstream } from "./gateway/ports.ts";
import type { GatewayServices } from "./gateway/services.ts";
import { Seals } from "./gateway/seals.ts";
import { TableSchemas } from "./gateway/table-schemas.ts";
import type { PolicyBundle } from "./policy/bundle.ts";
import { compileAhead, type PolicyFault } from "./policy/pdp.ts";
import type { Readiness } from "./telemetry/diagnostics.ts";
import type { Log } from "./telemetry/log.ts";
import { Metrics } from "./telemetry/metrics.ts";

export interface ComposeOptions {
  readonly upstream: Upstream;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads the policy that the configuration names, or the built-in one. Called again when its files change. */
  readonly loadPolicy: () => Promise<PolicyBundle>;
  /** Reads the policy of administration. */
  readonly loadControl: () => Promise<PolicyBundle>;
  /** The name of this process's audit chain; each worker has its own. */
  readonly stream?: string;
  readonly version: string;
  readonly clock?: Clock;
  /** Whether this process serves the cluster's door, where the configuration enables it. */
  readonly door?: boolean;
  /** What an agent is told of its cluster's resources. */
  readonly fed?: Pick<AgentResources, "lostFor"> & { readonly store: ReadableStore & { readonly silence: number } };
}

/** A gateway that is ready to serve, without its listeners. */
export interface OpenGateway {
  readonly services: GatewayServices;
  readonly listeners: readonly FixedListener[];
  readonly door: ClusterDoor | undefined;
  /** Why the last change of policy or resources was refused; `null` when what the files say is in force. */
  readonly refusedChange: string | null;
  /** Each part with `null`, or why it is not ready. */
  readiness(): Promise<Readiness>;
  /** Ends reloading, records the stop and closes what was opened. Listeners must have drained before. */
  close(reason: string): Promise<void>;
}

/**
 * Opens everything that a gateway needs.
 *
 * @throws PosternError the first thing that keeps it from being ready: a configuration, resource, policy or audit error
 */
export async function openGateway(config: Config, options: ComposeOptions): Promise<OpenGateway> {
  const { log, env } = options;
  const clock = options.clock ?? systemClock;
  const metrics = new Metrics();
  const audit = auditDirectoryOf(config.postern.data_dir);
  const bundle = await options.loadPolicy();
  compileAhead(bundle);
  const files = await firstResources(config, clock);
  // A worker's stream is its own to settle; alone, this process answers for all that earlier ones left.
  if (options.stream === undefined) await settleAudit(config, clock);
  const recorder = await Recorder.open({
    directory: audit,
    ...(options.stream === undefined ? {} : { stream: options.stream }),
    mode: config.postern.audit.mode,
    fsync: config.postern.audit.fsync,
    clock,
    onFault: (error) =>
      log.error({ error: error.message }, "The audit log cannot be written: requests are denied until it can"),
    onRecovered: (faultedMs) => log.warn({ faulted_ms: faultedMs }, "The audit log can be written again"),
  });
  const stopped: (() => Promise<void> | void)[] = [];
  try {
    const hasCluster = config.auth_service?.enabled === true;
    const opened = hasCluster ? await openClusterOf(config, { clock, env, events: recorder }) : undefined;
    const followed = opened?.cluster.store ?? options.fed?.store;
    const follower = followed === undefined ? undefined : await StoreFollower.open(followed);
    if (follower !== undefined) stopped.push(() => follower.close());
    if (opened !== undefined) stopped.push(await keepCluster(opened, { events: recorder, clock, log }));
    const redact = createRedaction(config.postern.data_dir, config.postern.audit.redact);
    const credentials = new CredentialSource({
      sts: reportingSts(new SdkSts({ env }), (outcome) => metrics.credentialsRefreshed(outcome)),
      clock,
      random: Math.random,
      env,
      onRefreshFailure: (error, role) => {
        log.warn({ role, error: error.message }, "Cannot renew the credentials of an AWS role; those at hand serve on");
      },
    });
    const signer = await Signer.create({ clock });
    if (signer.difference !== undefined)
      log.warn({ difference: signer.difference }, "Signing goes the SDK's way, which costs more");

    const stored = follower?.current;
    const registered = new RegisteredDatabases(config, log);
    const sources = { bundle, files, stored, resources: merged(files, stored, { clock, registered }) };
    const reloader = new Reloader(config, sources, { clock, log, metrics, recorder, registered });
    await reloader.activate({ bundle, files, stored });
    const services: GatewayServices = {
      state: () => reloader.state,
      recorder,
      credentials,
      signer,
      seals: new Seals(keyFromFile(config.postern.data_dir, "seal", "shard iterators and tokens given out before end")),
      schemas: new TableSchemas({ clock }),
      upstream: options.upstream,
      redact,
      bodies: new BodyBudget(),
      clock,
      metrics,
      log,
      ...(options.fed === undefined ? {} : { lostFor: options.fed.lostFor }),
    };
    const { fed } = options;
    metrics.observe({
      ...(fed === undefined
        ? {}
        : { cluster: () => ({ silenceSeconds: fed.store.silence / 1000, lost: fed.lostFor() !== undefined }) }),
      credentials: () =>
        credentials
          .ages()
          .map(({ roleArn, secondsToExpiry }) => ({ role: roleArn, expiresInSeconds: secondsToExpiry })),
      audit: () => ({ queue: recorder.queueLength, healthy: recorder.healthy }),
      policy: () => ({
        revision: reloader.state.policy.revision,
        engine: reloader.state.policy.engine,
        refused: reloader.refused !== null,
      }),
    });
    stopped.push(...reloader.watch(options.loadPolicy));
    if (follower !== undefined) reloader.follow(follower);
    const { version } = options;
    const state = (): ActiveState => reloader.state;
    const opensDoor = options.door === true && hasDoor(config);
    const shown = { ...options, events: recorder, clock, state };
    const door = opensDoor ? await openDoor(config, opened, shown) : undefined;
    const served = door?.ports.map(({ service }) => service) ?? [];
    const running = [...(config.db_service.enabled ? ["db_service"] : []), ...served];
    for (const service of running)
      await recorder.record({ event: "postern.service.start", code: "PSV01I", service, version });
    return {
      services,
      listeners: listenersOf(config, reloader.state),
      door,
      get refusedChange() {
        return reloader.refused;
      },
      async readiness() {
        const probe = await credentials.probe(config.db_service.enabled ? reloader.state.databases.values() : []);
        return {
          // A refused change does not make it unready: the last good state decides, and every replica has the same files.
          policy: null,
          credentials: probe.ready ? null : "the gateway's own AWS credentials cannot be had",
          audit: recorder.healthy ? null : "the audit log cannot be written",
        };
      },
      async close(reason) {
        await Promise.all(stopped.map(async (stop) => stop()));
        for (const service of running)
          await recorder
            .record({ event: "postern.service.stop", code: "PSV02I", service, reason })
            .catch(() => undefined);
        await recorder.close();
        credentials.close();
        await options.upstream.close();
      },
    };
  } catch (error) {
    await Promise.all(stopped.map(async (stop) => stop()));
    await recorder.close().catch(() => undefined);
    throw error;
  }
}

/** Ends the audit streams of processes that are no more: intents without an event become events of unknown outcome. */
export async function settleAudit(config: Config, clock: Clock = systemClock): Promise<void> {
  const { mode, fsync } = config.postern.audit;
  requireDataDirectory(config);
  await settleStreams({ directory: auditDirectoryOf(config.postern.data_dir), mode, fsync, clock });
}

/** Policy, people and databases of a configuration, as `openGateway` would put them in force, without opening anything else. */
export async function loadSources(
  config: Config,
  loadPolicy: () => Promise<PolicyBundle>,
): Promise<{ state: ActiveState; warnings: Resources["warnings"] }> {
  const bundle = await loadPolicy();
  const files = await firstResources(config, systemClock);
  const stored = config.auth_service?.enabled === true ? await storedNow(config) : undefined;
  const registered = new RegisteredDatabases(config, { warn: () => undefined });
  const resources = merged(files, stored, { clock: systemClock, registered });
  const state = await stateOf(config, { bundle, resources }, { clock: systemClock, onFault: () => undefined });
  return { state, warnings: resources.warnings };
}

async function storedNow(config: Config): Promise<StoredSet> {
  const { store } = (await openClusterOf(config, { clock: systemClock, env: process.env })).cluster;
  try {
    return await readStore(store);
  } finally {
    await store.close();
  }
}

/** What decides: a bundle and the resources that are its data. */
interface Sources {
  readonly bundle: PolicyBundle;
  readonly resources: Resources;
  readonly files: Resources;
  readonly stored: StoredSet | undefined;
}

/** What may change by itself. */
type SourceChange = Partial<Omit<Sources, "resources">>;

interface ReloaderServices {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly recorder: Recorder;
  readonly registered: RegisteredDatabases;
}

/** Keeps one consistent state in force: a change is prepared beside it, tried, and swapped in whole, or refused whole. */
class Reloader {
  readonly #config: Config;
  readonly #services: ReloaderServices;
  #sources: Sources;
  #state: ActiveState | undefined;
  /** Why the last change was refused; `null` when it was not. */
  refused: string | null = null;
  /** Changes one after another: each builds on what the one before it left. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(config: Config, sources: Sources, services: ReloaderServices) {
    this.#config = config;
    this.#sources = sources;
    this.#services = services;
  }

  get state(): ActiveState {
    if (this.#state === undefined) throw new PosternError("policy_unavailable", "No policy is in force");
    return this.#state;
  }

  /** Prepares what changed and swaps it in. @throws PosternError when it cannot be used; what was in force stays */
  activate(change: SourceChange): Promise<void> {
    const activated = this.#last.then(async () => {
      const next = { ...this.#sources, ...change };
      const changed = "files" in change || "stored" in change;
      const sources = changed ? { ...next, resources: merged(next.files, next.stored, this.#services) } : next;
      this.#state = await stateOf(this.#config, sources, {
        clock: this.#services.clock,
        onFault: (fault) => this.#faulted(fault),
      });
      this.#sources = sources;
      this.refused = null;
      const { recorder, log } = this.#services;
      const { policy, directory, databases } = this.#state;
      log.info(
        {
          revision: policy.revision,
          engine: policy.engine,
          roles: directory.roles().length,
          users: directory.users().length,
          databases: databases.size,
        },
        "Policy and resources are in force",
      );
      const source = this.#config.policy.bundle ?? "built-in";
      const activation = [
        recorder.record({ event: "postern.policy.activated", code: "PPO01I", revision: policy.revision, source }),
      ];
      if (changed) {
        for (const warning of change.files?.warnings ?? []) log.warn({}, formatProblem(warning));
        const counts = {
          role: directory.roles().length,
          user: directory.users().length,
          lock: directory.locks().length,
          db: databases.size,
        };
        const loaded = {
          revision: sources.resources.digest,
          source: change.stored === undefined ? (this.#config.postern.resources ?? "built-in") : "store",
          counts,
        };
        activation.push(recorder.record({ event: "postern.resources.loaded", code: "PRS01I", ...loaded }));
      }
      // What is in force is in force: without a record of it nothing is forwarded, and no lock may wait for one.
      await Promise.all(activation).catch((error: unknown) => {
        log.error(
          { revision: policy.revision, error: messageOf(error) },
          "A change of policy or resources could not be recorded",
        );
      });
    });
    this.#last = activated.catch(() => undefined);
    return activated;
  }

  /** Watches the files behind what is in force; returns what ends it. */
  watch(loadPolicy: () => Promise<PolicyBundle>): (() => Promise<void> | void)[] {
    const closers: Closer[] = [];
    const { resources } = this.#config.postern;
    if (resources !== undefined) {
      closers.push(
        watchResources(resources, {
          current: this.#sources.files,
          clock: this.#services.clock,
          validate: (next) => validateResources(this.#config, next),
          onChange: async (next) => {
            await this.activate({ files: next });
            this.#services.metrics.resourcesReloaded("loaded");
          },
          onError: (error) => {
            this.#services.metrics.resourcesReloaded("refused");
            this.#refuse("resources", resources, error);
          },
        }),
      );
    }
    const { bundle } = this.#config.policy;
    if (bundle !== undefined) {
      closers.push(
        watchPath(bundle, async () => {
          try {
            await this.activate({ bundle: await loadPolicy() });
          } catch (error) {
            this.#refuse("policy", bundle, error);
          }
        }),
      );
    }
    return closers.map((closer) => () => closer.close());
  }

  /** Puts what is in the store in force, now and whenever it changes. */
  follow(follower: StoreFollower): void {
    const { metrics } = this.#services;
    follower.start(
      async (stored) => {
        await this.activate({ stored });
        metrics.resourcesReloaded("loaded");
      },
      (error) => {
        metrics.resourcesReloaded("refused");
        this.#refuse("resources", "store", error);
      },
    );
  }

  #faulted({ code, message, revision }: PolicyFault): void {
    this.#services.metrics.policyFault(code);
    this.#services.log.error({ code, revision, error: message }, "A policy evaluation failed; the request was denied");
  }

  #refuse(what: "resources" | "policy", source: string, error: unknown): void {
    const reason = messageOf(error);
    this.refused = reason.split("\n", 1)[0] ?? reason;
    this.#services.log.error({ source, error: reason }, `The changed ${what} cannot be used; what was in force stays`);
    const { recorder } = this.#services;
    const recorded =
      what === "resources"
        ? recorder.record({ event: "postern.resources.refused", code: "PRS01E", source, reason })
        : recorder.record({ event: "postern.policy.refused", code: "PPO01E", revision: "", source, reason });
    recorded.catch(() => undefined);
  }
}
