/** Understands requests of 16 MB in a process of its own, whose heap the test bounds; prints what came of each. */

import { Buffer } from "node:buffer";
import process from "node:process";
import { understand } from "../../../src/dynamodb/accesses.ts";
import { OPERATIONS } from "../../../src/dynamodb/catalogue.ts";
import { NO_SCHEMAS } from "../../../src/dynamodb/key-schema.ts";
import { parseRequest } from "../../../src/dynamodb/request.ts";
import { redactedBody } from "../../../src/dynamodb/redact.ts";
import { RequestError } from "../../../src/dynamodb/request-error.ts";
import { PLACE } from "./support.ts";

/** As much as the gateway takes: the part repeated between head and tail. */
function bodyOf(head: string, part: string, tail: string): Buffer {
  const body = Buffer.alloc(16 * 1024 * 1024, " ");
  const count = Math.floor((body.length - head.length - tail.length) / (part.length + 1));
  body.write(head);
  body.fill(`${part},`, head.length, head.length + count * (part.length + 1));
  body.write(tail, head.length + count * (part.length + 1) - 1);
  return body;
}

const outcomes: string[] = [];
for (const [name, head, part, tail] of JSON.parse(process.argv[2] ?? "") as [string, string, string, string][]) {
  const operation = OPERATIONS.find((each) => each.name === name);
  if (operation === undefined) throw new Error(`There is no operation ${name}`);
  try {
    const request = parseRequest(operation, bodyOf(head, part, tail));
    const { accesses } = understand(request, PLACE, NO_SCHEMAS);
    const copy = JSON.stringify(redactedBody(request, (text) => text.slice(0, 1)));
    outcomes.push(`understood: ${accesses.length}, kept: ${copy.length <= 8192}`);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    outcomes.push(error.message);
  }
}
process.stdout.write(JSON.stringify(outcomes));
