/** Runs every real client against an endpoint and compares what it met with what DynamoDB answers. */

import { deepEqual, equal } from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { peerPaths } from "../../support/peers.ts";
import { runAwsCli } from "./aws-cli.ts";
import { runJsSdk } from "./js-sdk.ts";
import { type ClientOptions, type ClientReport, expected } from "./report.ts";

const execute = promisify(execFile);

/** The clients, in the order in which they run. */
export const clientNames = ["js-sdk", "boto3", "aws-cli", "java-sdk"] as const;

/** One of {@link clientNames}. */
export type ClientName = (typeof clientNames)[number];

/** How to run the clients; every field may be absent. */
export interface RunOptions {
  readonly clients?: readonly ClientName[];
  readonly region?: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  /** Where tables are created; absent: the endpoint under test. */
  readonly createEndpoint?: string;
  /** Begins the name of each client's table; absent: `clients-`. */
  readonly tablePrefix?: string;
}

/** Runs the clients one after the other, each with a table of its own, and returns their reports. */
export async function runClients(endpoint: string, options: RunOptions = {}): Promise<ClientReport[]> {
  const reports: ClientReport[] = [];
  for (const client of options.clients ?? clientNames) {
    reports.push(
      await runClient(client, {
        endpoint,
        createEndpoint: options.createEndpoint ?? endpoint,
        region: options.region ?? "us-east-1",
        accessKeyId: options.accessKeyId ?? "AKIACLIENT",
        secretAccessKey: options.secretAccessKey ?? "client-secret",
        table: `${options.tablePrefix ?? "clients-"}${client}`,
      }),
    );
  }
  return reports;
}

/**
 * Asserts that a report shows what DynamoDB answers, except for steps that policy denies.
 *
 * @param denied names of steps that must end with a typed AccessDeniedException, sent exactly once
 */
export function assertReport(report: ClientReport, denied: readonly string[] = []): void {
  deepEqual(Object.keys(report.steps), Object.keys(expected), `${report.client} took other steps`);
  for (const [name, wanted] of Object.entries(expected)) {
    const outcome = report.steps[name];
    const at = `${report.client} ${name}: ${JSON.stringify(outcome)}`;
    if (outcome === undefined) throw new Error(at);
    if (denied.includes(name)) {
      equal("error" in outcome ? outcome.error : undefined, "AccessDeniedException", at);
      if ("error" in outcome) equal(outcome.status ?? 400, 400, at);
      equal(report.attempts[name] ?? 1, 1, `${at} was retried`);
    } else if (isError(wanted)) {
      equal("error" in outcome ? outcome.error : undefined, wanted.error, at);
    } else if (name === "create_table") {
      equal("value" in outcome && String(wanted).split("|").includes(String(outcome.value)), true, at);
    } else {
      deepEqual("value" in outcome ? outcome.value : outcome, wanted, at);
    }
  }
}

async function runClient(client: ClientName, options: ClientOptions): Promise<ClientReport> {
  switch (client) {
    case "js-sdk":
      return runJsSdk(options);
    case "boto3": {
      const script = fileURLToPath(new URL("boto3_client.py", import.meta.url));
      return parse(await execute(installed((await peerPaths()).python), [script, JSON.stringify(options)]));
    }
    case "aws-cli":
      return runAwsCli(installed((await peerPaths()).awsCli), options);
    case "java-sdk": {
      const source = fileURLToPath(new URL("JavaClient.java", import.meta.url));
      const jars = `${installed((await peerPaths()).dynamodbLocal)}/lib/*`;
      const { endpoint, createEndpoint, region, accessKeyId, secretAccessKey, table } = options;
      const args = [endpoint, createEndpoint ?? endpoint, region, accessKeyId, secretAccessKey, table];
      return parse(await execute("java", ["-cp", jars, source, ...args]));
    }
  }
}

function parse({ stdout }: { readonly stdout: string }): ClientReport {
  return JSON.parse(stdout) as ClientReport;
}

function installed(path: string | null): string {
  if (path === null) throw new Error("Cannot run the client: node scripts/peers.mjs installs it");
  return path;
}

function isError(wanted: unknown): wanted is { readonly error: string } {
  return typeof wanted === "object" && wanted !== null && "error" in wanted;
}
