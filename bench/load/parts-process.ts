/** A decision and a signature, each alone, in a process of its own: medians of rounds in which the numbers of roles alternate. */

import { AwsCredentials } from "../../src/aws/aws-credentials.ts";
import { Signer } from "../../src/aws/signer.ts";
import { systemClock } from "../../src/base/clock.ts";
import { accessesOf } from "../../src/dynamodb/accesses.ts";
import { operationOf } from "../../src/dynamodb/catalogue.ts";
import { parseRequest } from "../../src/dynamodb/request.ts";
import { loadBundle } from "../../src/policy/bundle.ts";
import type { PolicyInput } from "../../src/policy/input.ts";
import { PolicyDecisionPoint } from "../../src/policy/pdp.ts";
import { requestBytes } from "./operations.ts";
import { ACCOUNT, compiledRoles, DATABASE, DB_USER, rolesHeld, USUAL_WORLD } from "./roles.ts";
import { median } from "./statistics.ts";

/** Microseconds. */
export interface PartsResult {
  readonly decisions: readonly { readonly roles: number; readonly us: number; readonly rounds: readonly number[] }[];
  readonly signature: { readonly us: number; readonly rounds: readonly number[] };
}

const [, , bundlePath = "", roundsText = "15", timesText = "2000"] = process.argv;
const ROUNDS = Number(roundsText);
const TIMES = Number(timesText);
// Of a session, as the gateway has them: frozen all the way down.
const USER = Object.freeze({
  name: "user-0",
  roles: Object.freeze(rolesHeld(USUAL_WORLD)),
  traits: Object.freeze({ team: Object.freeze(["payments"]) }),
  mfa_verified: false,
});
const REGION = { partition: DATABASE.partition, region: DATABASE.region, accountId: ACCOUNT };

/** Many, so that nothing can be gained by remembering the last one. */
const BODIES = Array.from({ length: 64 }, (_, at) => {
  const text = requestBytes({ operation: "GetItem", size: 200, items: 1 }).toString("latin1");
  return Buffer.from(text.slice(text.indexOf("\r\n\r\n") + 4).replace("user#00000042", `user#000000${at + 10}`));
});
const operation = operationOf("DynamoDB_20120810.GetItem");
if (operation === undefined) throw new Error("The catalogue lacks an operation of the bench");

process.on("disconnect", () => process.exit());
process.send?.({
  decisions: await decisions([10, 100, 1_000, 10_000]),
  signature: await signature(),
} satisfies PartsResult);

async function decisions(counts: readonly number[]): Promise<PartsResult["decisions"]> {
  const bundle = await loadBundle(bundlePath);
  const subjects: { roles: number; pdp: PolicyDecisionPoint; rounds: number[] }[] = [];
  const inputs = BODIES.map((body, at) => question(body, at));
  for (const roles of counts) {
    const pdp = await PolicyDecisionPoint.load({ bundle, data: compiledRoles({ ...USUAL_WORLD, roles }) });
    for (const input of inputs) {
      const decision = pdp.decide(input);
      if (!decision.allow) throw new Error(`The bench's question is denied: ${JSON.stringify(decision.reasons)}`);
    }
    subjects.push({ roles, pdp, rounds: [] });
  }
  for (let round = -2; round < ROUNDS; round++) {
    for (const { pdp, rounds } of round % 2 === 0 ? subjects : [...subjects].reverse()) {
      const us = timed((time) => pdp.decide(inputs[time % inputs.length] ?? fail()));
      if (round >= 0) rounds.push(us);
    }
  }
  return subjects.map(({ roles, rounds }) => ({ roles, us: median(rounds), rounds }));
}

async function signature(): Promise<PartsResult["signature"]> {
  const signer = await Signer.create({ clock: systemClock });
  const credentials = new AwsCredentials({
    accessKeyId: "ASIABENCH",
    secretAccessKey: "bench",
    sessionToken: "t".repeat(800),
    expiresAt: Date.now() + 3_600_000,
  });
  const rounds: number[] = [];
  for (let round = -2; round < ROUNDS; round++) {
    const us = timed((time) =>
      signer.sign({
        method: "POST",
        host: "dynamodb.us-east-1.amazonaws.com",
        path: "/",
        region: "us-east-1",
        service: "dynamodb",
        headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "DynamoDB_20120810.GetItem" },
        body: BODIES[time % BODIES.length] ?? fail(),
        credentials,
      }),
    );
    if (round >= 0) rounds.push(us);
  }
  return { us: median(rounds), rounds };
}

/** Microseconds of CPU for one of many: time on the clock would be as much about what else the machine does. */
function timed(act: (time: number) => unknown): number {
  const before = process.cpuUsage();
  for (let time = 0; time < TIMES; time++) act(time);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / TIMES;
}

/** Labels, database user and ten rules in five roles. */
function question(body: Buffer, at: number): PolicyInput {
  return {
    version: 1,
    time: "2026-11-22T14:00:00.000Z",
    user: USER,
    client: { ip: "127.0.0.1", user_agent: "bench" },
    database: DATABASE,
    db_user: `arn:aws:iam::${ACCOUNT}:role/${DB_USER}`,
    request: {
      service: "dynamodb",
      operation: "GetItem",
      id: `bench-${at}`,
      accesses: accessesOf(parseRequest(operation ?? fail(), body), REGION),
    },
  };
}

function fail(): never {
  throw new Error("The bench is at fault");
}
