/** The fixture policy of tests/support/policy-fixture, compiled; and bundles of other Rego beside it. */

import { fileURLToPath } from "node:url";

import { readSources } from "../../scripts/lib/compile-policy.mjs";
import type { PolicyData } from "../../src/policy/data.ts";
import type { PolicyInput } from "../../src/policy/input.ts";
import { parseBundle, type PolicyBundle } from "../../src/policy/bundle.ts";
import { compileCached } from "./cached-policy.ts";

const directory = fileURLToPath(new URL("policy-fixture", import.meta.url));
const built = new Map<string, Promise<PolicyBundle>>();

/** Compiles the fixture with the answers that `input.request.id` then asks for, and with more Rego. Once for each pair. */
export function fixtureBundle(
  answers: Record<string, unknown> = {},
  rego: Record<string, string> = {},
): Promise<PolicyBundle> {
  const key = JSON.stringify([answers, rego]);
  const known = built.get(key) ?? compile(answers, rego);
  built.set(key, known);
  return known;
}

/** Roles that may use the tables named, exactly or by regular expression. */
export function fixtureData(roles: Record<string, { exact?: string[]; re?: string[] }>): PolicyData {
  const compiled = Object.entries(roles).map(([name, { exact = [], re = [] }]) => {
    const tables = { exact: Object.fromEntries(exact.map((table) => [table, true as const])), more: { re } };
    return [name, { allow: { rules: { index: "i0", list: [{ tables }] } } }] as const;
  });
  return { postern: { compiled: { version: 1, roles: Object.fromEntries(compiled), indexes: { i0: {} } } } };
}

/** A question about one table. `id` chooses an answer of the fixture. */
export function fixtureInput(roles: readonly string[], table: string, id = "plain"): PolicyInput {
  return {
    version: 1,
    time: "2026-11-22T14:00:00.000Z",
    user: { name: "alice", roles, traits: { team: ["payments"] }, mfa_verified: false },
    client: { ip: "127.0.0.1", user_agent: "Boto3/1.44" },
    database: {
      name: "orders-db",
      labels: { env: "dev" },
      region: "us-east-1",
      account_id: "123456789012",
      partition: "aws",
    },
    db_user: "arn:aws:iam::123456789012:role/ExampleRole",
    request: {
      service: "dynamodb",
      operation: "GetItem",
      id,
      accesses: [
        {
          action: "dynamodb:GetItem",
          level: "read",
          via: "GetItem",
          table,
          index: null,
          arn: `arn:aws:dynamodb:us-east-1:123456789012:table/${table}`,
          keys_known: true,
          leading_keys: ["ada#1"],
          own_keys: true,
          attributes_known: true,
          attributes: ["id", "total"],
          reads: ["id", "total"],
          writes: [],
          select: null,
          return_values: "NONE",
          whole_item: false,
          full_scan: false,
          consistent: false,
        },
      ],
    },
  };
}

async function compile(answers: Record<string, unknown>, rego: Record<string, string>): Promise<PolicyBundle> {
  const sources = [...(await readSources(directory)), ...Object.entries(rego).map(([name, text]) => ({ name, text }))];
  const ids = ["conflict", "slow", "large", ...Object.keys(answers)];
  const bundle = await compileCached({
    sources,
    data: { postern: { fixture: { ids, answers } } },
    revision: "fixture",
  });
  return parseBundle(bundle, "fixture");
}
