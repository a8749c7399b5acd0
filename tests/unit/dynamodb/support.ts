/** What the tests of this room share. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type Access, accessesOf, type Place } from "../../../src/dynamodb/accesses.ts";
import { OPERATIONS } from "../../../src/dynamodb/catalogue.ts";
import { type DynamoRequest, parseRequest } from "../../../src/dynamodb/request.ts";
import { RequestError, type RequestErrorType } from "../../../src/dynamodb/request-error.ts";

export const PLACE: Place = { partition: "aws", region: "us-east-1", accountId: "123456789012" };
export const EMULATOR: Place = { ...PLACE, aliases: [{ region: "ddblocal", accountId: "000000000000" }] };

/** The canonical ARN of something in PLACE. */
export function arn(rest: string): string {
  return `arn:aws:dynamodb:us-east-1:123456789012:${rest}`;
}

/** The request of an operation by its name; `body` is JSON text or a value. */
export function request(name: string, body: unknown): DynamoRequest {
  const operation = OPERATIONS.find((each) => each.name === name);
  assert.ok(operation, name);
  return parseRequest(operation, Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
}

export function accesses(name: string, body: unknown, place: Place = PLACE): readonly Access[] {
  return accessesOf(request(name, body), place);
}

/** Accesses in short: action, ARN, effects. */
export function brief(name: string, body: unknown, place: Place = PLACE): string[] {
  return accesses(name, body, place).map((access) =>
    [
      access.action,
      access.arn.replace(arn(""), ""),
      access.effects.map((effect) => effect.replace("dynamodb:", "")).join("+"),
    ]
      .join(" ")
      .replace("dynamodb:", "")
      .trimEnd(),
  );
}

/** The request is refused, either when it is parsed or when its accesses are derived. */
export function refused(
  name: string,
  body: unknown,
  type: RequestErrorType,
  message: RegExp,
  parameter?: string,
  place: Place = PLACE,
): void {
  assert.throws(
    () => accesses(name, body, place),
    (error) => {
      assert.ok(error instanceof RequestError, String(error));
      assert.equal(error.type, type, error.message);
      assert.match(error.message, message);
      if (parameter !== undefined) assert.equal(error.parameter, parameter);
      return true;
    },
    `${name} ${JSON.stringify(body)}`,
  );
}
