/** Starts the real parts that scripts/peers.mjs installs, each fresh, on a free port of loopback. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  CreateUserCommand,
  IAMClient,
  PutRolePolicyCommand,
} from "@aws-sdk/client-iam";

const root = fileURLToPath(new URL("../../", import.meta.url));
const execute = promisify(execFile);

/** Where each part is installed, `null` where it is not. */
export interface PeerPaths {
  /** A folder with pom.xml and lib/. */
  readonly dynamodbLocal: string | null;
  readonly motoServer: string | null;
  readonly python: string | null;
  readonly awsCli: string | null;
  readonly kubernetesValidate: string | null;
  /** A folder with moto's `tests`, made for its `python`. */
  readonly motoTests: string | null;
  /** The script of dynamodb-admin. */
  readonly dynamodbAdmin: string | null;
  readonly chromium: string | null;
}

/** A part that runs. */
export interface Peer {
  readonly url: string;
  close(): Promise<void>;
}

/** An access key of moto's IAM. */
export interface PeerKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Moto with one user and one role that the user may assume. */
export interface Moto extends Peer {
  readonly key: PeerKey;
  readonly userArn: string;
  readonly roleArn: string;
  /** A role that trusts somebody else. */
  readonly foreignRoleArn: string;
}

/** Names of parts that a test may need. */
export type PeerName = keyof PeerPaths | "java";

/** Asks where the parts are. */
export async function peerPaths(): Promise<PeerPaths> {
  const { stdout } = await execute(process.execPath, [join(root, "scripts/peers.mjs"), "--paths"]);
  return JSON.parse(stdout) as PeerPaths;
}

/**
 * Why a test that needs these parts must be skipped, or `false`: made for `it(name, { skip: await missing("java") }, …)`.
 *
 * @throws Error when a part is missing and POSTERN_REQUIRE_PEERS=1 says that none may be.
 */
export async function missing(...names: readonly PeerName[]): Promise<string | false> {
  const paths = await peerPaths();
  const absent: string[] = [];
  for (const name of names) {
    if (name === "java" ? !(await hasJava()) : paths[name] === null) absent.push(name);
  }
  if (absent.length === 0) return false;
  const reason = `${absent.join(", ")} not installed: node scripts/peers.mjs installs what is missing`;
  if (process.env["POSTERN_REQUIRE_PEERS"] === "1") throw new Error(`Cannot run without peers: ${reason}`);
  return reason;
}

/** Starts DynamoDB Local, empty and in memory; tables live in region `ddblocal`, account `000000000000`. */
export async function startDynamoDbLocal(): Promise<Peer> {
  const { dynamodbLocal } = await peerPaths();
  if (dynamodbLocal === null) throw new Error("Cannot start DynamoDB Local: it is not installed");
  const lib = join(dynamodbLocal, "lib");
  const start = async (port: number): Promise<Peer> => {
    const main = "software.amazon.dynamodb.services.local.main.ServerRunner";
    const flags = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", String(port)];
    // One collector thread: the machine is shared with the clients that it serves.
    const child = spawn("java", ["-XX:+UseSerialGC", `-Djava.library.path=${lib}`, "-cp", `${lib}/*`, main, ...flags], {
      cwd: dynamodbLocal,
      stdio: ["ignore", "ignore", "pipe"],
    });
    return started(child, `http://127.0.0.1:${port}`, async (url) => {
      // Unsigned: DynamoDB Local answers 400, which shows that it lives.
      const answer = await fetch(url, { method: "POST", signal: AbortSignal.timeout(2000) });
      await answer.arrayBuffer();
      return answer.status === 400;
    });
  };
  return onFreePort(start);
}

/**
 * Starts moto with a user, an access key, a role that trusts the user and one that does not.
 *
 * @param options `verify`: whether moto checks signatures and permissions of what comes after
 */
export async function startMoto(options: { readonly verify: boolean }): Promise<Moto> {
  const { motoServer } = await peerPaths();
  if (motoServer === null) throw new Error("Cannot start moto: it is not installed");
  const peer = await onFreePort(async (port) => {
    const child = spawn(motoServer, ["-H", "127.0.0.1", "-p", String(port)], {
      // What Python keeps in sets comes in the same order from every server.
      env: { ...process.env, PYTHONHASHSEED: "0" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    return started(child, `http://127.0.0.1:${port}`, async (url) => {
      const answer = await fetch(`${url}/moto-api/data.json`, { signal: AbortSignal.timeout(2000) });
      await answer.arrayBuffer();
      return answer.ok;
    });
  });
  try {
    const identities = await createIdentities(peer.url);
    const answer = await fetch(`${peer.url}/moto-api/reset-auth`, {
      method: "POST",
      headers: { "content-type": "text/plain" },
      body: options.verify ? "0" : "inf",
    });
    if (!answer.ok) throw new Error(`Cannot switch moto's checks: it answered ${answer.status}`);
    await answer.arrayBuffer();
    return { ...peer, ...identities };
  } catch (error) {
    await peer.close();
    throw error;
  }
}

async function createIdentities(endpoint: string): Promise<Omit<Moto, keyof Peer>> {
  const iam = new IAMClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "setup", secretAccessKey: "setup" },
  });
  try {
    const user = await iam.send(new CreateUserCommand({ UserName: "postern-agent" }));
    const userArn = user.User?.Arn ?? "";
    const key = await iam.send(new CreateAccessKeyCommand({ UserName: "postern-agent" }));
    const policy = await iam.send(
      new CreatePolicyCommand({ PolicyName: "assume", PolicyDocument: document(["sts:AssumeRole", "sts:TagSession"]) }),
    );
    await iam.send(new AttachUserPolicyCommand({ UserName: "postern-agent", PolicyArn: policy.Policy?.Arn ?? "" }));
    const role = await createRole(iam, "ExampleRole", userArn);
    const foreign = await createRole(iam, "ForeignRole", "arn:aws:iam::999999999999:user/other");
    return {
      key: { accessKeyId: key.AccessKey?.AccessKeyId ?? "", secretAccessKey: key.AccessKey?.SecretAccessKey ?? "" },
      userArn,
      roleArn: role,
      foreignRoleArn: foreign,
    };
  } finally {
    iam.destroy();
  }
}

async function createRole(iam: IAMClient, name: string, trusted: string): Promise<string> {
  const trust = {
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: { AWS: trusted }, Action: ["sts:AssumeRole", "sts:TagSession"] }],
  };
  const role = await iam.send(
    new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) }),
  );
  await iam.send(
    new PutRolePolicyCommand({ RoleName: name, PolicyName: "tables", PolicyDocument: document(["dynamodb:*"]) }),
  );
  return role.Role?.Arn ?? "";
}

function document(actions: readonly string[]): string {
  // Moto compares no table ARNs, so that anything narrower would refuse everything.
  return JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: actions, Resource: "*" }] });
}

async function hasJava(): Promise<boolean> {
  return execute("java", ["-version"]).then(
    () => true,
    () => false,
  );
}

/** Between choosing a port and its use somebody else may take it: then another is tried. */
async function onFreePort(start: (port: number) => Promise<Peer>): Promise<Peer> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => {
      resolve();
    });
  });
  return port;
}

async function started(child: ChildProcess, url: string, isUp: (url: string) => Promise<boolean>): Promise<Peer> {
  let errors = "";
  let ended = false;
  child.stderr?.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString("utf8")).slice(-4000);
  });
  const exit = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true;
      resolve();
    };
    child.once("close", end);
    child.once("error", (error) => {
      errors += error.message;
      end();
    });
  });
  const close = async (): Promise<void> => {
    process.off("exit", kill);
    kill();
    await exit;
  };
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  // A test run that dies must not leave servers behind.
  process.once("exit", kill);
  const deadline = Date.now() + 60_000;
  while (!ended && Date.now() < deadline) {
    if (await isUp(url).catch(() => false)) return { url, close };
    await sleep(50);
  }
  await close();
  throw new Error(`Cannot start ${child.spawnfile}: ${errors.trim() || "no answer within 60 s"}`);
}
