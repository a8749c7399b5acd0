/** What a policy must pass before it is put in force: it denies an empty question, and both evaluation paths agree. */

import { messageOf, PosternError } from "../base/errors.ts";
import { type PolicyData, patternsOf, rolesWithPatterns } from "./data.ts";
import type { Engine, EnginePath } from "./engine.ts";
import { EvaluationFault } from "./evaluation-fault.ts";
import type { PolicyInput } from "./input.ts";
import { effectOf } from "./pdp-answer.ts";

/** Evaluates one path; what it throws is compared as well. */
export type Evaluate = (input: object) => unknown;

/**
 * Asks the policy an empty question, to which only a denial of the right shape is an acceptable answer.
 *
 * @throws PosternError `policy_allows_nothing_asked` or `policy_self_test_failed`.
 */
export function requireDenial(evaluate: Evaluate): void {
  let resultSet: unknown;
  try {
    resultSet = evaluate({});
  } catch (cause) {
    throw failedTest(`it failed on an empty input: ${messageOf(cause)}`, cause);
  }
  const effect = effectOf(resultSet, 0);
  if (effect === "deny") return;
  if (effect === undefined) throw failedTest("its decision on an empty input is undefined or of the wrong shape");
  throw new PosternError("policy_allows_nothing_asked", "Cannot load the policy: it allows an empty input", {
    hint: "let decision be a denial unless something in input was proven",
  });
}

/**
 * Which path to take: ours when it answers every input as the npm package does, else the package's. Ours is asked twice: the
 * second time it finds the shared documents where an evaluation left them.
 */
export function choosePath(ours: Evaluate, theirs: Evaluate, inputs: readonly object[]): EnginePath {
  const agree = inputs.every((input) => {
    const expected = outcome(theirs, input);
    return outcome(ours, input) === expected && outcome(ours, input) === expected;
  });
  return agree ? "direct" : "fallback";
}

/**
 * Lets the policy compile every regular expression of the roles. One that RE2 refuses would be undefined in an
 * evaluation, which in a deny means that nothing is denied.
 *
 * @throws PosternError `role_pattern_invalid` or `policy_self_test_failed`.
 */
export function requirePatterns(engine: Engine, entrypoint: number, data: PolicyData): void {
  const patterns = patternsOf(data);
  if (patterns.length === 0) return;
  const resultSet = engine.evaluate({ patterns }, entrypoint, { fuel: LOAD_FUEL });
  const invalid = Array.isArray(resultSet) ? (resultSet as { result?: unknown }[])[0]?.result : undefined;
  if (!Array.isArray(invalid)) throw failedTest("it cannot tell which patterns are valid");
  if (invalid.length === 0) return;
  const names = new Set(invalid.map(String));
  // As they were written: patterns are wrapped when they are compiled.
  const written = new Set([...names].map((pattern) => pattern.replace(/^\^\(\?:(.*)\)\$$/s, "$1")));
  const shown = [...written]
    .sort()
    .slice(0, 3)
    .map((pattern) => `"${pattern}"`);
  const roles = rolesWithPatterns(data, names)
    .slice(0, 3)
    .map((role) => `"${role}"`);
  throw new PosternError(
    "role_pattern_invalid",
    `Cannot load role ${roles.join(", ")}: ${shown.join(", ")} is not a regular expression that RE2 accepts`,
    { hint: "RE2 has no look-around and no back-references; see its syntax" },
  );
}

/** Questions to compare the paths with: for some of the roles, for none, and of the wrong shape. */
export function smokeInputs(data: PolicyData): object[] {
  const roles = sample(Object.keys(data.postern.compiled.roles), 6);
  const questions = [[], roles, ["no-such-role"], ...roles.map((role) => [role])].flatMap((held) => [
    question(held, "GetItem", "read"),
    question(held, "BatchWriteItem", "write"),
  ]);
  return [
    ...questions,
    {},
    [],
    { version: "1" },
    { ...questions[0], user: null },
    { ...questions[0], request: { accesses: {} } },
  ];
}

/** For checks at load, whose work grows with the roles: a hundred times the default for a decision. */
const LOAD_FUEL = 50_000_000_000n;

function outcome(evaluate: Evaluate, input: object): string {
  try {
    return JSON.stringify(evaluate(input));
  } catch (thrown) {
    return thrown instanceof EvaluationFault ? thrown.code : "threw";
  }
}

function sample(names: readonly string[], count: number): string[] {
  const step = Math.max(1, Math.ceil(names.length / count));
  return names.filter((_, index) => index % step === 0);
}

function question(roles: readonly string[], operation: string, level: "read" | "write"): PolicyInput {
  const table = 'self-test ✓ "\\';
  const account = "123456789012";
  return {
    version: 1,
    time: "2026-01-01T00:00:00.000Z",
    // Frozen, as those of real questions are, so that they are shared.
    user: Object.freeze({ name: "self-test", roles, traits: { db_users: ["SelfTest"] }, mfa_verified: false }),
    client: { ip: "127.0.0.1", user_agent: "postern" },
    database: Object.freeze({
      name: "self-test",
      labels: { env: "dev" },
      region: "us-east-1",
      account_id: account,
      partition: "aws",
    }),
    db_user: `arn:aws:iam::${account}:role/SelfTest`,
    request: {
      service: "dynamodb",
      operation,
      id: "00000000-0000-4000-8000-000000000000",
      accesses: [
        {
          action: `dynamodb:${operation}`,
          level,
          via: operation,
          table,
          index: null,
          arn: `arn:aws:dynamodb:us-east-1:${account}:table/${table}`,
          keys_known: true,
          leading_keys: ["a#1"],
          own_keys: true,
          attributes_known: true,
          attributes: ["id"],
          reads: level === "read" ? ["id"] : [],
          writes: level === "write" ? ["id"] : [],
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

function failedTest(reason: string, cause?: unknown): PosternError {
  return new PosternError(
    "policy_self_test_failed",
    `Cannot load the policy: ${reason}`,
    cause === undefined ? {} : { cause },
  );
}
