/** Runs moto's own tests of DynamoDB, with its DynamoDB clients led to given endpoints, and tells what each test sent, got and came to. */

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { peerPaths } from "../../support/peers.ts";

/** The regions in which the suite makes tables. */
export const REGIONS: readonly string[] = [
  "us-east-1",
  "us-east-2",
  "us-west-1",
  "us-west-2",
  "eu-west-1",
  "eu-west-2",
  "eu-west-3",
  "eu-central-1",
  "ap-northeast-3",
  "ap-south-1",
];

/** One HTTP request and its answer. */
export interface Exchange {
  readonly region: string;
  /** The `X-Amz-Target`. */
  readonly operation: string;
  readonly request: string;
  /** Absent where no answer came; `broken` names the error then. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly response?: string;
  /** Whether `x-amz-crc32` is right; null where it cannot be told. */
  readonly checksum?: boolean | null;
  readonly broken?: string;
}

/** One test of the suite. */
export interface Case {
  readonly test: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly failure: {
    readonly when: string;
    readonly kind: string;
    readonly message: string;
    readonly line: string;
  } | null;
  readonly exchanges: readonly Exchange[];
}

export interface SuiteOptions {
  /** Where DynamoDB's clients go, by region. */
  readonly endpoints: Readonly<Record<string, string>>;
  /** The moto where all the other clients go, and which is emptied before each test. */
  readonly moto: string;
  /** A DynamoDB beside moto whose tables go before each test. */
  readonly emptied?: string;
  /** Files or folders of the suite; absent: all that is about DynamoDB. Classes share tables, so no less than a file is the same alone. */
  readonly tests?: readonly string[];
}

const PLUGIN = fileURLToPath(new URL(".", import.meta.url));
const ALL = ["tests/test_dynamodb", "tests/test_dynamodbstreams"];
const LONGEST_MS = 600_000;

/** Runs the suite in a process of its own. */
export async function runSuite(options: SuiteOptions): Promise<Case[]> {
  const { python, motoTests } = await peerPaths();
  if (python === null || motoTests === null) throw new Error("Cannot run moto's tests: they are not installed");
  const directory = await mkdtemp(join(tmpdir(), "postern-transparency-"));
  try {
    const out = join(directory, "cases.jsonl");
    const plugins = ["-p", "recorder", "-p", "no:cacheprovider", "-W", "ignore", "--tb=no", "-q"];
    const { code, said } = await run(python, ["-m", "pytest", ...plugins, ...(options.tests ?? ALL)], motoTests, {
      POSTERN_RECORDER: JSON.stringify({
        endpoints: options.endpoints,
        services: ["dynamodb", "dynamodbstreams"],
        emptied: options.emptied ?? null,
        out,
      }),
      TEST_SERVER_MODE: "true",
      TEST_SERVER_MODE_ENDPOINT: options.moto,
      PYTHONPATH: PLUGIN,
      PYTHONHASHSEED: "0",
      PYTHONDONTWRITEBYTECODE: "1",
      AWS_ACCESS_KEY_ID: "AKIACLIENT",
      AWS_SECRET_ACCESS_KEY: "client-secret",
      AWS_CONFIG_FILE: "/dev/null",
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    });
    // 0: all passed, 1: some failed; which is for the comparison to say.
    if (code !== 0 && code !== 1) throw new Error(`pytest ended with ${code}:\n${said}`);
    const lines = (await readFile(out, "utf8")).split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as Case);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function run(
  program: string,
  args: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): Promise<{ code: number | string; said: string }> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  const child = spawn(program, args, {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: LONGEST_MS,
    killSignal: "SIGKILL",
  });
  let said = "";
  const collect = (chunk: Buffer): void => {
    said = (said + chunk.toString("utf8")).slice(-4_000);
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", kill);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, signal) => resolve({ code: code ?? String(signal), said }));
    });
  } finally {
    process.off("exit", kill);
  }
}
