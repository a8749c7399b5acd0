/** `postern start`: runs the services that a configuration enables, until told to stop. */

import { Command } from "commander";
import { formatAddress, parseAddress, type ListenAddress } from "../../config/address.ts";
import type { Config } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import { formatProblem } from "../../config/problem.ts";
import { resolveDatabase } from "../../aws/database.ts";
import { serveDiagnostics } from "../../platform/node-diagnostics.ts";
import { removeStaleSocket } from "../../platform/node-server.ts";
import { answerParent, startWorkers, workerNumber } from "../../platform/node-workers.ts";
import { onStopSignal } from "../../platform/node-signals.ts";
import type { DiagnosticsSources } from "../../telemetry/diagnostics.ts";
import { createLog, type Log } from "../../telemetry/log.ts";
import { settleAudit } from "../../compose.ts";
import { hasDoor } from "../../compose/door.ts";
import { isAgent } from "../../compose/membership.ts";
import { messageOf, PosternError } from "../../base/errors.ts";
import { CommandError } from "../command-error.ts";
import { configurationWithoutFile, DEFAULT_DOOR, noteDoor } from "../default-configuration.ts";
import { firstLook } from "./first-look.ts";
import { environmentFor, firstUserName, greeting, programName } from "./greeting.ts";
import { DRAIN_MS, runGateway, type RunningGateway } from "./run-gateway.ts";

const EXAMPLES = `
Examples:
  postern start                                      a cluster of your own, on this machine
  postern start -c postern.yaml
  postern start -c postern.yaml --diag-addr 127.0.0.1:3000
  AWS_PROFILE=gateway postern start -c /etc/postern.yaml
`;

export function startCommand(): Command {
  return new Command("start")
    .description("run the services that a configuration enables; without one, a cluster of your own")
    .option("-c, --config <file>", "configuration file")
    .option("--listen <host:port>", `without a file: where the door listens (default: ${DEFAULT_DOOR})`)
    .option("--diag-addr <host:port>", "serve /healthz, /readyz and /metrics there")
    .action(async ({ config: file, listen, diagAddr }: StartOptions) => {
      const diagnostics = diagAddr === undefined ? undefined : diagnosticsAddress(diagAddr);
      if (file === undefined) return await startWithoutFile(listen, diagnostics);
      if (listen !== undefined) {
        throw new CommandError(2, "Cannot start with both --config and --listen", {
          hint: "write proxy_service.listen_addr in the file",
        });
      }
      await start(readConfig(file), diagnostics);
    })
    .addHelpText("after", EXAMPLES);
}

interface StartOptions {
  readonly config?: string;
  readonly listen?: string;
  readonly diagAddr?: string;
}

/** Loads a configuration as `start` would use it. @throws ConfigError with every problem and its place */
export function readConfig(file: string): Config {
  return loadConfig(file, { env: process.env, validateDatabase: resolveDatabase });
}

/** A cluster of this user's own: made, or gone on with. */
async function startWithoutFile(listen: string | undefined, diagnostics: ListenAddress | undefined): Promise<void> {
  const config = configurationWithoutFile(process.env, listen);
  await start(config, diagnostics, async ({ gateway, addresses: [door = ""] }) => {
    try {
      noteDoor(config, door);
    } catch (error) {
      process.stderr.write(`postern: warning: links that postern ctl makes may lead elsewhere: ${messageOf(error)}\n`);
    }
    const [pin = ""] = (await gateway.door?.pins()) ?? [];
    const hasUsers = gateway.services.state().directory.users().length > 0;
    const told = { dataDirectory: config.postern.data_dir, door, pin, hasUsers, user: firstUserName() };
    process.stderr.write(greeting({ ...told, program: programName(), environment: environmentFor(process.env) }));
  }).catch((error: unknown) => {
    throw withoutFile(error, config);
  });
}

/** What is wrong, with a remedy that needs no file. */
function withoutFile(error: unknown, { postern: { data_dir } }: Config): unknown {
  if (!(error instanceof PosternError)) return error;
  if (error.code === "listen_failed") {
    return new PosternError(error.code, error.message, {
      cause: error,
      hint: "stop that program, or take another port: postern start --listen 127.0.0.1:3081",
    });
  }
  if (error.code === "audit_locked") {
    return new PosternError(error.code, `Cannot start: a cluster is running in "${data_dir}" already`, {
      cause: error,
      hint: "use that one, or set POSTERN_DATA_DIR to another directory",
    });
  }
  return error;
}

type OnReady = (running: RunningGateway) => Promise<void>;

async function start(config: Config, diagnostics: ListenAddress | undefined, onReady?: OnReady): Promise<void> {
  const log = createLog(config.postern.log);
  for (const warning of config.warnings) log.warn({}, formatProblem(warning));
  const opensDoor = hasDoor(config);
  if (!config.db_service.enabled && !opensDoor) {
    throw new CommandError(1, `Nothing to start: no service is enabled in "${config.file}"`, {
      hint: 'write db_service: {enabled: "yes"}',
    });
  }
  if (config.db_service.enabled && config.db_service.listeners.length === 0 && !opensDoor && !isAgent(config)) {
    throw new CommandError(1, `Nothing to listen on: db_service has no listeners in "${config.file}"`, {
      hint: "add listeners: [{address, user, database, db_user}] under db_service, or postern.proxy_server to join a cluster",
    });
  }
  // Whatever the service creates is its own: audit files, sockets, keys.
  process.umask(0o077);
  const worker = workerNumber();
  if (worker === undefined && config.db_service.enabled) {
    for (const { address } of config.db_service.listeners) {
      if (address.kind === "unix") await removeStaleSocket(address.path);
    }
  }
  const where = diagnostics ?? config.postern.diag_addr;
  if (config.postern.workers > 1 && worker === undefined) await superviseWorkers(config, where, log);
  else await serveAlone(config, worker === undefined ? where : undefined, { log, worker, onReady });
}

async function serveAlone(
  config: Config,
  where: ListenAddress | undefined,
  { log, worker, onReady }: { log: Log; worker: number | undefined; onReady: OnReady | undefined },
): Promise<void> {
  const stopped = onStopSignal();
  let running: RunningGateway | undefined;
  const diagnostics = await diagnosticsAt(where, log, {
    readiness: () => running?.readiness() ?? { service: "starting" },
    metrics: async () => (await running?.gateway.services.metrics.registry())?.metrics() ?? "",
  });
  try {
    running = await runGateway(config, { log, env: process.env, worker });
    const { gateway } = running;
    const ready = running.readiness.bind(running);
    const letGo = worker === undefined ? undefined : answerParent(() => gateway.services.metrics.registry(), ready);
    if (worker === undefined) log.info({ addresses: running.addresses }, "Ready");
    await onReady?.(running);
    // Now, when no request waits, rather than when metrics are first asked for.
    if (where !== undefined) gateway.services.metrics.registry().catch(() => undefined);
    // Finding credentials may take seconds. Of workers, who all would say the same, one speaks.
    if (config.db_service.enabled && (worker === undefined || worker === 1)) {
      firstLook(gateway, log).catch((error: unknown) => log.error({ error: messageOf(error) }, "Cannot look at AWS"));
    }
    await running.stop(await stopped);
    letGo?.();
  } finally {
    await diagnostics?.close();
  }
}

async function superviseWorkers(config: Config, where: ListenAddress | undefined, log: Log): Promise<void> {
  const stopped = onStopSignal();
  await settleAudit(config);
  const workers = startWorkers(config.postern.workers, (number, how) =>
    log.error({ worker: number, how }, "A worker died; another takes its place"),
  );
  const diagnostics = await diagnosticsAt(where, log, workers);
  const reason = await stopped;
  const killed = await workers.drain(DRAIN_MS + 5_000);
  await diagnostics?.close();
  if (killed > 0) log.error({ killed }, "Workers that did not stop in time were killed");
  log.info({ reason }, "All workers have stopped");
}

async function diagnosticsAt(
  where: ListenAddress | undefined,
  log: Log,
  sources: DiagnosticsSources,
): Promise<{ close(): Promise<void> } | undefined> {
  if (where === undefined) return undefined;
  if (where.kind === "unix")
    throw new CommandError(2, `Cannot serve diagnostics on "${formatAddress(where)}": it needs host:port`);
  const serving = await serveDiagnostics(where.host, where.port, sources);
  log.info({ address: serving.address }, "Diagnostics");
  return serving;
}

function diagnosticsAddress(text: string): ListenAddress {
  const result = parseAddress(text);
  if ("address" in result) return result.address;
  throw new CommandError(
    2,
    `Cannot serve diagnostics on "${text}": ${result.fault}`,
    result.hint === undefined ? {} : { hint: result.hint },
  );
}
