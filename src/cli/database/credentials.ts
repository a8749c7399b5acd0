/** `postern credentials`: keys for AWS SDKs, in the words that a profile's credential_process is to say. */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { Command, Option } from "commander";
import { PosternError } from "../../base/errors.ts";
import { quoted } from "../../identity/names.ts";
import { trustOf } from "../../identity/certificate-reader.ts";
import { newSessionCredentials, type SessionCredentials } from "../../identity/session-credentials.ts";
import { Door } from "../login/door.ts";
import { tlsOf } from "../login/door-of.ts";
import type { Choice, Profile } from "../login/profiles.ts";
import type { ClientSurroundings } from "../login/surroundings.ts";
import { chosenDbUser } from "./options.ts";
import { issueRoute, Login, verifyAgent } from "./route.ts";

/** As many as fit into a token beside the certificate of a user with many roles. */
const MAX_AGENTS = 16;

/** The `credentials` command. */
export function credentialsCommand(surroundings: () => ClientSurroundings): Command {
  return new Command("credentials")
    .description("print keys for AWS SDKs: what credential_process of an AWS profile runs")
    .argument("<NAME>", "the database: postern db ls")
    .option("--db-user <role>", "the AWS role to be: a name, a path or an ARN")
    .option("--proxy <host:port>", "of the cluster behind this proxy")
    .option("--cluster <name>", "of this cluster")
    .addOption(new Option("-f, --format <format>", "how to print").choices(["json"]).default("json"))
    .action(async (database: string, { proxy, cluster, dbUser }: Choice & { readonly dbUser?: string }) => {
      const around = surroundings();
      const options = { proxy, cluster, database, dbUser: chosenDbUser(dbUser) };
      const { credentials, expires } = await credentialsFor(options, around);
      // https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
      const answer = {
        Version: 1,
        AccessKeyId: credentials.accessKeyId,
        SecretAccessKey: credentials.secretAccessKey.reveal(),
        SessionToken: credentials.sessionToken.reveal(),
        Expiration: new Date(expires).toISOString(),
      };
      around.write(`${JSON.stringify(answer, null, 2)}\n`);
    })
    .addHelpText(
      "after",
      `
Examples:
  postern credentials --db-user=ExampleRole example-dynamodb
  postern db profile --db-user=ExampleRole example-dynamodb    print the AWS profile that runs it`,
    );
}

interface RouteOptions extends Choice {
  readonly database: string;
  readonly dbUser: string;
}

async function credentialsFor(
  options: RouteOptions,
  around: ClientSurroundings,
): Promise<{ readonly credentials: SessionCredentials; readonly expires: number }> {
  const { database, dbUser } = options;
  const login = new Login(await around.profiles.choose(options), around);
  const [route, shown] = await Promise.all([
    issueRoute({ database, dbUser }, login, around),
    agentsOf(database, login, around),
  ]);
  const credentials = newSessionCredentials({
    certificate: new X509Certificate(route.certificate).raw,
    privateKey: createPrivateKey(route.privateKey.reveal()),
    agents: await believed(shown, { database, trusted: route.trusted, profile: await login.profile() }, around),
  });
  return { credentials, expires: route.expires };
}

async function agentsOf(database: string, login: Login, around: ClientSurroundings): Promise<readonly string[]> {
  return await new Door(tlsOf(await login.profile(), around)).databaseAgents(database);
}

interface Believing {
  readonly database: string;
  /** PEM of those who vouch for the cluster's hosts, old and new ones where they are being changed. */
  readonly trusted: readonly string[];
  readonly profile: Profile;
}

/** The keys of those that are of this cluster and may serve it: the proxy may lie, and one agent that is not must not keep the others away. */
async function believed(
  shown: readonly string[],
  { database, trusted, profile }: Believing,
  around: ClientSurroundings,
): Promise<readonly KeyObject[]> {
  const keys: KeyObject[] = [];
  let cause: unknown;
  const trust = trustOf(profile.stated.cluster, { host: trusted });
  // Some of them, where there are many: others another time.
  for (const pem of shown.toSorted(() => Math.random() - 0.5)) {
    if (keys.length === MAX_AGENTS) break;
    try {
      const certificate = new X509Certificate(pem);
      await verifyAgent(certificate.raw, { trust, database }, around);
      keys.push(certificate.publicKey);
    } catch (error) {
      cause = error;
    }
  }
  if (keys.length > 0 || shown.length === 0) return keys;
  throw new PosternError(
    "agent_untrusted",
    `Cannot make keys for database ${quoted(database)}: what the proxy names as its agents are none of this cluster that may serve it`,
    { cause, hint: "log in again; if that does not help, ask whoever administers the cluster" },
  );
}
