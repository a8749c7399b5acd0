/**
 * The in-process DynamoDB: dynalite, called without a socket, so that the only way to it from outside is through the door
 * that checks signatures. It lacks transactions, streams, PartiQL, TTL changes and backups.
 */

import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import type { Server } from "node:http";
import process from "node:process";
import { Readable } from "node:stream";
import dynalite from "dynalite";
import { PosternError } from "../base/errors.ts";
import type { Answer } from "./loopback-server.ts";

/** Where the tables claim to be. */
export interface TablesOptions {
  readonly region: string;
  readonly accountId: string;
  /** How long tables take to become active or to go, in milliseconds. */
  readonly tableMs: number;
}

/** Passes requests to dynalite and collects its answers. */
export class Tables {
  readonly #server: Server;

  constructor(options: TablesOptions) {
    this.#server = withEnvironment({ AWS_ACCOUNT_ID: options.accountId, AWS_REGION: options.region }, () =>
      dynalite({ createTableMs: options.tableMs, deleteTableMs: options.tableMs, updateTableMs: options.tableMs }),
    );
  }

  /** Performs one request as DynamoDB would; `headers` need no signature that holds, only one that parses. */
  async answer(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
    body: Uint8Array,
  ): Promise<Answer> {
    const request = Object.assign(Readable.from(body.byteLength === 0 ? [] : [Buffer.from(body)]), {
      method,
      url,
      headers,
    });
    return new Promise((resolve) => {
      this.#server.emit("request", request, new CollectedResponse(resolve));
    });
  }

  /** Performs one operation for the sandbox itself. */
  async call(operation: string, input: unknown): Promise<unknown> {
    const answer = await this.answer(
      "POST",
      "/",
      { ...ownHeaders, "x-amz-target": `DynamoDB_20120810.${operation}` },
      Buffer.from(JSON.stringify(input)),
    );
    const text = Buffer.from(answer.body).toString("utf8");
    if (answer.status !== 200) {
      throw new PosternError("sandbox_seed_failed", `Cannot perform ${operation} in the sandbox: ${text}`);
    }
    return JSON.parse(text) as unknown;
  }
}

const ownHeaders = {
  "content-type": "application/x-amz-json-1.0",
  "x-amz-date": "20000101T000000Z",
  authorization: "AWS4-HMAC-SHA256 Credential=sandbox, SignedHeaders=host, Signature=none",
};

/** The part of a server's response that dynalite writes to. */
class CollectedResponse extends EventEmitter {
  statusCode = 200;
  contentType: string | undefined = undefined;
  readonly #headers: Record<string, string> = {};
  readonly #resolve: (answer: Answer) => void;

  constructor(resolve: (answer: Answer) => void) {
    super();
    this.#resolve = resolve;
  }

  setHeader(name: string, value: string | number): void {
    this.#headers[name.toLowerCase()] = String(value);
  }

  end(body: string | Uint8Array = ""): void {
    this.#resolve({ status: this.statusCode, headers: this.#headers, body: Buffer.from(body) });
  }
}

/** Dynalite reads its account and region from the environment while it is made, and offers no other way. */
function withEnvironment<Value>(values: Readonly<Record<string, string>>, make: () => Value): Value {
  const before = Object.fromEntries(Object.keys(values).map((name) => [name, process.env[name]]));
  Object.assign(process.env, values);
  try {
    return make();
  } finally {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
