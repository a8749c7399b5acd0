/** The examinations of `postern doctor`, in the order in which a request would meet what they look at. */

import { CredentialSource } from "../../aws/credentials.ts";
import { roleArn } from "../../aws/arn.ts";
import { type Database, upstreamFor } from "../../aws/database.ts";
import { callerIdentity } from "../../aws/caller-identity.ts";
import { othersIn, trustPolicyOf } from "../../aws/trust-policy.ts";
import { SdkSts } from "../../aws/sts.ts";
import { systemClock } from "../../base/clock.ts";
import { messageOf, PosternError } from "../../base/errors.ts";
import { loadSources } from "../../compose.ts";
import type { Config } from "../../config/config.ts";
import { requireDataDirectory } from "../../config/data-directory.ts";
import type { PositionedProblem } from "../../config/problem.ts";
import { policySource } from "../start/policy-source.ts";
import { type Finding, fail, failed, ok, warn } from "./findings.ts";
import { examineListeners } from "./listeners.ts";

/** Most seconds between this machine's clock and AWS's: SigV4 refuses more than five minutes, DynamoDB is told the time of signing. */
const SKEW = { warn: 30, fail: 240 };

/** Examines everything that a configuration needs. Yields findings as they are made. */
export async function* examine(config: Config, env: NodeJS.ProcessEnv): AsyncGenerator<Finding, void, undefined> {
  yield ok("configuration", config.file);
  yield examineDataDirectory(config);
  let databases: ReadonlyMap<string, Database>;
  try {
    const sources = await loadSources(config, policySource(config));
    databases = sources.state.databases;
    yield ok(
      "policy",
      `revision ${sources.state.policy.revision}, evaluated ${sources.state.policy.engine === "direct" ? "directly" : "through the npm package (slower)"}`,
    );
    yield ok(
      "resources",
      `${sources.state.directory.users().length} users, ${sources.state.directory.roles().length} roles, ${databases.size} databases`,
    );
    for (const warning of [...config.warnings, ...sources.warnings]) yield warned(warning);
    yield* examineListeners(config, sources.state.directory, databases);
  } catch (error) {
    yield failed("policy and resources", error);
    return;
  }
  yield* examineAws(config, databases, env);
}

function warned({ file, line, column, message, hint }: PositionedProblem): Finding {
  return warn(`${file}:${line}:${column}`, message, hint ?? "correct it, or leave it out");
}

function examineDataDirectory(config: Config): Finding {
  try {
    requireDataDirectory(config);
    return ok("data directory", config.postern.data_dir);
  } catch (error) {
    return failed("data directory", error, "make it a directory that this user can write");
  }
}

async function* examineAws(
  config: Config,
  databases: ReadonlyMap<string, Database>,
  env: NodeJS.ProcessEnv,
): AsyncGenerator<Finding, void, undefined> {
  const sts = new SdkSts({ env });
  const credentials = new CredentialSource({ sts, clock: systemClock, random: Math.random, env });
  try {
    const probe = await credentials.probe(databases.values());
    const needed = [...databases.values()].some((database) => !database.emulator) || sts.isOverridden;
    let own: string | undefined;
    if (!probe.ready) {
      yield failed("own AWS credentials", probe.error);
    } else if (needed) {
      const region = env["AWS_REGION"] ?? [...databases.values()][0]?.region ?? "us-east-1";
      const identity = await examineOwnIdentity(region, env);
      own = identity.arn;
      yield* identity.findings;
    }
    for (const database of databases.values()) yield await examineEndpoint(database);
    for (const { user, dbUser, database } of chosenRoles(config, databases)) {
      let arn: string;
      try {
        arn = roleArn(dbUser, database);
      } catch (error) {
        yield failed(`AWS role ${dbUser}`, error, "name a role of the database's account");
        continue;
      }
      if (!probe.ready && (!database.emulator || sts.isOverridden)) {
        yield warn(`AWS role ${arn}`, "not tried: the gateway has no AWS credentials", "mend those, and ask again");
        continue;
      }
      try {
        await credentials.credentialsFor({ database, roleArn: arn, user, session: {} });
        yield ok(
          `AWS role ${arn}`,
          database.emulator && !sts.isOverridden ? "an emulator's roles need no STS" : `assumed for "${user}"`,
        );
      } catch (error) {
        yield failed(
          `AWS role ${arn}`,
          error,
          REMEDIES.get(codeOf(error)) ?? "look into the gateway's network and STS",
        );
      }
      if (own !== undefined && (!database.emulator || sts.isOverridden))
        yield await examineTrust(arn, own, database.region);
    }
  } finally {
    credentials.close();
  }
}

/** Where the failure itself names no remedy. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ["sts_unreachable", "let the gateway reach STS of the region"],
  ["sts_throttled", "ask again in a minute"],
  ["sts_busy", "ask again in a minute"],
]);

function codeOf(error: unknown): string {
  return error instanceof PosternError ? error.code : "";
}

/** Every (AWS role, database) that listeners choose, once. */
function chosenRoles(
  config: Config,
  databases: ReadonlyMap<string, Database>,
): { user: string; dbUser: string; database: Database }[] {
  const chosen = new Map<string, { user: string; dbUser: string; database: Database }>();
  for (const { user, database: name, db_user: dbUser } of config.db_service.listeners) {
    const database = databases.get(name);
    if (database !== undefined) chosen.set(`${name} ${dbUser}`, { user, dbUser, database });
  }
  return [...chosen.values()];
}

/** Who the gateway is, and whether its clock agrees with STS's. */
async function examineOwnIdentity(
  region: string,
  env: NodeJS.ProcessEnv,
): Promise<{ arn: string | undefined; findings: Finding[] }> {
  try {
    const { arn, serverTime } = await callerIdentity(region, env);
    const findings = [ok("own AWS identity", arn)];
    if (serverTime !== undefined) findings.push(clockFinding(Math.abs(Date.now() - serverTime) / 1000));
    return { arn, findings };
  } catch (error) {
    const remedy = "let the gateway reach STS of the region, and check its credentials";
    return {
      arn: undefined,
      findings: [fail("STS", `it did not say who the gateway is (${nameAndMessage(error)})`, remedy)],
    };
  }
}

/** Whether others than the gateway may assume a role. */
async function examineTrust(arn: string, own: string, region: string): Promise<Finding> {
  const subject = `trust of ${arn}`;
  try {
    const others = othersIn(await trustPolicyOf(arn, region), own);
    return others.length === 0
      ? ok(subject, "only the gateway may assume it")
      : warn(
          subject,
          `${others.join(", ")} may assume it too, and so go round the gateway`,
          "trust the gateway's own role or user alone",
        );
  } catch (error) {
    const remedy = "allow the gateway iam:GetRole on it, or look yourself: only the gateway should be trusted";
    return warn(subject, `it cannot be read (${nameAndMessage(error)})`, remedy);
  }
}

function nameAndMessage(error: unknown): string {
  return error instanceof Error && error.name !== "Error" ? `${error.name}: ${error.message}` : messageOf(error);
}

function clockFinding(seconds: number): Finding {
  const message = `${seconds.toFixed(0)} s apart from AWS`;
  const remedy = "let the machine keep time with NTP: AWS refuses signatures that are five minutes off";
  if (seconds >= SKEW.fail) return fail("clock", message, remedy);
  return seconds >= SKEW.warn ? warn("clock", message, remedy) : ok("clock", message);
}

/** Whether anything answers HTTP at a database's endpoint; DynamoDB greets an unsigned GET. */
async function examineEndpoint(database: Database): Promise<Finding> {
  const { origin } = upstreamFor(database, "dynamodb");
  const subject = `database ${database.name}`;
  try {
    const response = await fetch(origin, { redirect: "manual", signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return ok(subject, `${origin} answers`);
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
    return fail(subject, `${origin} does not answer (${cause})`, "check uri and region, and let the gateway reach it");
  }
}
