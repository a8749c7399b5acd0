import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { accessesOf } from "../../../src/dynamodb/accesses.ts";
import { ACTIONS, type AccessRule, type Operation, OPERATIONS } from "../../../src/dynamodb/catalogue.ts";
import { MEMBERS } from "../../../src/dynamodb/catalogue/members.ts";
import { MODEL } from "../../../src/dynamodb/model.ts";
import type { Model, Shape } from "../../../src/dynamodb/model-types.ts";
import { parseRequest } from "../../../src/dynamodb/request.ts";
import { Validators } from "../../../src/dynamodb/validator.ts";
import { unannotated } from "../../../scripts/lib/unannotated.ts";
import { arn, PLACE } from "./support.ts";

/** Requests of every operation with what policy is told of them, reviewed by hand. */
interface Claim {
  readonly operation: string;
  /** Upstream host, level and data class of the operation. */
  readonly kind: string;
  readonly request: object;
  /** For each access: action, resource, effects, and what is known or true of it. */
  readonly told: readonly string[];
}
const CLAIMS = JSON.parse(readFileSync(new URL("claims.json", import.meta.url), "utf8")) as readonly Claim[];

/** What is told of a request when its operation is this row; a sentence when it is refused. */
function toldBy(operation: Operation, request: object): readonly string[] {
  try {
    return accessesOf(parseRequest(operation, Buffer.from(JSON.stringify(request))), PLACE).map((access) => {
      const bare = (action: string): string => action.replace("dynamodb:", "");
      const flags = [
        access.keys_known ? "keys" : "",
        access.attributes_known ? "attributes" : "",
        access.own_keys === null ? "whose?" : access.own_keys ? "" : "others'",
        access.whole_item ? "whole" : "",
        access.full_scan ? "scan" : "",
      ].filter((flag) => flag !== "");
      return [
        bare(access.action),
        access.arn.replace(arn(""), ""),
        access.effects.map(bare).join("+") || "-",
        flags.join(" ") || "-",
      ].join(" ");
    });
  } catch (error) {
    return [`refused: ${(error as Error).message}`];
  }
}

/** Whether every claim about the operation holds for this row. */
function holds(operation: Operation): boolean {
  const kind = `${operation.service} ${operation.level} ${operation.dataClass}`;
  return CLAIMS.filter((claim) => claim.operation === operation.name).every(
    (claim) => claim.kind === kind && JSON.stringify(toldBy(operation, claim.request)) === JSON.stringify(claim.told),
  );
}

/** Every small mistake that somebody could make in a rule. */
function mutantsOf(rule: AccessRule, at: number, operation: Operation): [string, Operation][] {
  const named = `${operation.name}.rules[${at}]`;
  const withRule = (...rules: AccessRule[]): Operation => ({
    ...operation,
    rules: [...operation.rules.slice(0, at), ...rules, ...operation.rules.slice(at + 1)],
  });
  const without = (field: keyof AccessRule): Operation => {
    const { [field]: _, ...rest } = rule;
    return withRule(rest as AccessRule);
  };
  const names = [...ACTIONS.keys()];
  const neighbour = names[(names.indexOf(rule.action) + 1) % names.length] ?? "";
  const found: [string, Operation][] = [[`${named} dropped`, withRule()]];
  if (rule.kind !== "statement")
    found.push([`${named} is about ${neighbour}`, withRule({ ...rule, action: neighbour })]);
  if (rule.kind !== "none") found.push([`${named} looks elsewhere`, withRule({ ...rule, at: "Nowhere" })]);
  for (const field of ["effects", "index", "of", "when", "or", "optional"] as const) {
    if (rule[field] !== undefined) found.push([`${named} without ${field}`, without(field)]);
  }
  for (const effect of rule.effects ?? []) {
    found.push([
      `${named} without the effect ${effect}`,
      withRule({ ...rule, effects: (rule.effects ?? []).filter((each) => each !== effect) }),
    ]);
  }
  return found;
}

/** Mistakes that change nothing, and why. */
const EQUIVALENT: ReadonlyMap<RegExp, string> = new Map([
  [
    /^(?:Execute|BatchExecute).*rules\[\d\] (?:dropped|looks elsewhere)$/,
    "the four rules of a statement have one place; the statement decides the action",
  ],
]);

describe("the catalogue", () => {
  it("has claims about every operation, and they hold", () => {
    assert.deepEqual(
      OPERATIONS.filter(({ name }) => !CLAIMS.some(({ operation }) => operation === name)).map(({ name }) => name),
      [],
    );
    for (const operation of OPERATIONS) {
      for (const claim of CLAIMS.filter((each) => each.operation === operation.name)) {
        assert.deepEqual(
          toldBy(operation, claim.request),
          claim.told,
          `${claim.operation} ${JSON.stringify(claim.request)}`,
        );
        assert.equal(`${operation.service} ${operation.level} ${operation.dataClass}`, claim.kind);
      }
    }
  });

  it("cannot be changed anywhere without a claim that fails", () => {
    const survivors: string[] = [];
    let mutants = 0;
    for (const operation of OPERATIONS) {
      const all = operation.rules.flatMap((rule, at) => mutantsOf(rule, at, operation));
      all.push([
        `${operation.name} at another host`,
        { ...operation, service: operation.service === "streams" ? "dynamodb" : "streams" },
      ]);
      all.push([
        `${operation.name} of another class`,
        { ...operation, dataClass: operation.dataClass === "metadata" ? "admin" : "metadata" },
      ]);
      for (const [what, mutant] of all) {
        mutants += 1;
        if (holds(mutant) && ![...EQUIVALENT.keys()].some((pattern) => pattern.test(what))) survivors.push(what);
      }
    }
    assert.deepEqual(survivors, []);
    assert.ok(mutants > 400, String(mutants));
  });
});

/** The model with some shapes replaced. */
function doctored(shapes: Readonly<Record<string, Shape>>, inputs: Readonly<Record<string, string>> = {}): Model {
  return { inputs: { ...MODEL.inputs, ...inputs }, shapes: { ...MODEL.shapes, ...shapes } };
}

function structure(name: string): Extract<Shape, { t: "structure" }> {
  const shape = MODEL.shapes[name];
  assert.ok(shape?.t === "structure");
  return shape;
}

describe("annotations", () => {
  it("cover the model exactly", () => {
    assert.deepEqual(unannotated(MODEL), []);
  });

  it("notice whatever a newer model adds, and whatever it drops", () => {
    const item = structure("GetItemInput");
    const update = structure("CreateReplicationGroupMemberAction");
    const { Key: _, ...fewer } = item.of;
    const cases: [Model, RegExp][] = [
      [
        doctored({}, { "DynamoDB_20120810.ReadEverything": "GetItemInput" }),
        /^operation DynamoDB_20120810.ReadEverything/,
      ],
      [
        doctored({ GetItemInput: { ...item, of: { ...item.of, AlsoFrom: "TableArn" } } }),
        /^member GetItemInput.AlsoFrom/,
      ],
      [
        doctored({ CreateReplicationGroupMemberAction: { ...update, of: { ...update.of, ShareWith: "String" } } }),
        /^member CreateReplicationGroupMemberAction.ShareWith/,
      ],
      [doctored({ Fresh: { t: "structure", of: { Table: "TableArn" } } }), /^member Fresh.Table/],
      [doctored({ ReturnValue: { t: "string", enum: ["NONE", "EVERYTHING"] } }), /^value ReturnValue=EVERYTHING/],
      [doctored({ GetItemInput: { ...item, of: fewer } }), /^member GetItemInput.Key is no longer/],
    ];
    for (const [model, words] of cases) {
      const [first, ...more] = unannotated(model);
      assert.match(first ?? "", words);
      assert.deepEqual(more, []);
    }
  });

  it("keep what they do not cover from being accepted, though the model has it", () => {
    const item = structure("GetItemInput");
    const { shapes } = doctored({
      GetItemInput: { ...item, of: { ...item.of, AlsoFrom: "TableArn" } },
      Select: { t: "string", enum: ["COUNT", "EVERYTHING"] },
      Fresh: { t: "structure", of: { Table: "TableArn" } },
    });
    const validators = new Validators(shapes);
    const get = new Map<string, never>(
      Object.entries({ TableName: "orders", Key: new Map([["pk", new Map([["S", "a"]])]]) }) as never,
    );
    assert.equal(validators.of("GetItemInput")(get), undefined);
    assert.notEqual(validators.of("GetItemInput")(new Map([...get, ["AlsoFrom", "payroll" as never]])), undefined);
    assert.notEqual(validators.of("Select")("EVERYTHING"), undefined);
    assert.equal(validators.of("Select")("COUNT"), undefined);
    assert.notEqual(validators.of("Fresh")(new Map([["Table", "payroll"]])), undefined);
  });

  it("call a resource what an access rule names, and nothing else", () => {
    const ruled = new Set<string>();
    for (const operation of OPERATIONS) {
      for (const { kind, at, or, index } of operation.rules) {
        if (kind === "none" || kind === "statement") continue;
        for (const path of [at, or, index]) if (path !== undefined) ruled.add(memberAt(operation, path));
      }
    }
    const called = Object.entries(MEMBERS).flatMap(([name, meanings]) =>
      `${meanings.resource ?? ""} ${meanings.external ?? ""}`
        .split(" ")
        .filter((member) => member !== "" && !/^(?:S3Prefix|S3KeyPrefix|S3BucketOwner)$/.test(member))
        .map((member) => `${name}.${member}`),
    );
    assert.deepEqual(called.toSorted(), [...ruled].toSorted());
  });
});

/** `Structure.member` at the end of a path of the operation table. */
function memberAt(operation: Operation, path: string): string {
  let name = MODEL.inputs[operation.target] ?? "";
  const steps = path.split(".");
  for (const [at, step] of steps.entries()) {
    const member = step.replace("[]", "");
    if (at === steps.length - 1 || steps[at + 1] === "*key") return `${name}.${member}`;
    name = structure(name).of[member] ?? "";
    const shape = MODEL.shapes[name];
    if (shape?.t === "list") name = shape.of;
  }
  return "";
}
