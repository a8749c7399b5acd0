/** A client that writes whatever bytes it is given, and reads answers one after another: for requests no library would send. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** One answer, its body freed from chunks. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; a repeated header's last value. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The body as JSON, or `{}`. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** Answers that broke off, or bytes that are none, are told from a connection that ended between two answers. */
export type RawEnd = "closed" | "broken";

const NEWLINE = "\r\n";

/** One connection to a port of loopback. */
export class RawClient {
  readonly socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #over = false;
  #wake: (() => void) | undefined;
  /** Resolves when the connection has closed. */
  readonly closed: Promise<void>;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#over = true;
        this.#wake?.();
        resolve();
      });
    });
    socket.on("error", () => undefined);
    socket.on("end", () => {
      this.#over = true;
      this.#wake?.();
    });
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Bytes that have come and were not read yet. */
  get received(): Buffer {
    return this.#received;
  }

  /** Writes, and waits while the peer does not read; what it refuses to take is dropped. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.#over || this.socket.destroyed) return;
    const data = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        this.socket.off("close", settle);
        resolve();
      };
      this.socket.once("close", settle);
      this.socket.write(data, settle);
    });
  }

  /** Waits until `enough` says so of the bytes received, or nothing more can come. */
  async until(enough: (received: Buffer) => boolean): Promise<boolean> {
    for (;;) {
      if (enough(this.#received)) return true;
      if (this.#over) return false;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next answer that is not an interim one. */
  async answer(): Promise<RawAnswer | RawEnd> {
    for (;;) {
      const headed = await this.until((received) => received.includes(NEWLINE + NEWLINE));
      if (!headed) return this.#received.length === 0 ? "closed" : "broken";
      const end = this.#received.indexOf(NEWLINE + NEWLINE);
      const [line = "", ...fields] = this.#received.subarray(0, end).toString("latin1").split(NEWLINE);
      const status = Number(/^HTTP\/1\.1 ([0-9]{3}) /.exec(line)?.[1] ?? Number.NaN);
      if (Number.isNaN(status)) return "broken";
      this.#received = this.#received.subarray(end + 4);
      if (status < 200) continue;
      const headers = Object.fromEntries(fields.map((field) => splitField(field)));
      const body = await this.#body(headers);
      if (body === undefined) return "broken";
      return { status, headers, body, json: jsonOf(body) };
    }
  }

  /** The next answer; fails when there is none. */
  async mustAnswer(): Promise<RawAnswer> {
    const answer = await this.answer();
    if (typeof answer === "string")
      throw new Error(`The connection ${answer === "closed" ? "closed" : "broke off"} without an answer`);
    return answer;
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #body(headers: Readonly<Record<string, string>>): Promise<string | undefined> {
    if (headers["transfer-encoding"] === "chunked") {
      let body = "";
      for (;;) {
        if (!(await this.until((received) => received.includes(NEWLINE)))) return undefined;
        const end = this.#received.indexOf(NEWLINE);
        const size = Number.parseInt(this.#received.subarray(0, end).toString("latin1"), 16);
        if (!(await this.until((received) => received.length >= end + size + 4))) return undefined;
        body += this.#received.subarray(end + 2, end + 2 + size).toString("latin1");
        this.#received = this.#received.subarray(end + size + 4);
        if (size === 0) return body;
      }
    }
    const length = Number(headers["content-length"] ?? 0);
    if (!(await this.until((received) => received.length >= length))) return undefined;
    const body = this.#received.subarray(0, length).toString("latin1");
    this.#received = this.#received.subarray(length);
    return body;
  }
}

/** A request's bytes: `POST /` unless told otherwise, with a Content-Length unless `headers` name another framing. */
export function requestBytes(options: {
  readonly line?: string;
  readonly headers?: readonly string[];
  readonly operation?: string;
  readonly body?: string | Uint8Array;
  /** Names of default headers to leave out, in lower case. */
  readonly without?: readonly string[];
}): Buffer {
  const { line = "POST / HTTP/1.1", headers = [], operation = "GetItem", body = "", without = [] } = options;
  const content = typeof body === "string" ? Buffer.from(body, "utf8") : Buffer.from(body);
  const framed = headers.some((header) => /^(?:content-length|transfer-encoding)\s*:/i.test(header));
  const fields = [
    "Host: 127.0.0.1:8000",
    `X-Amz-Target: DynamoDB_20120810.${operation}`,
    "Content-Type: application/x-amz-json-1.0",
    ...(framed ? [] : [`Content-Length: ${content.length}`]),
  ].filter((field) => !without.includes((field.split(":", 1)[0] ?? "").toLowerCase()));
  const head = [line, ...fields, ...headers].map((text) => text + NEWLINE).join("");
  return Buffer.concat([Buffer.from(head + NEWLINE, "latin1"), content]);
}

/** The body in chunks of HTTP. */
export function chunked(
  pieces: readonly (string | Uint8Array)[],
  options: { extension?: string; trailer?: string } = {},
): Buffer {
  const { extension = "", trailer = "" } = options;
  const parts: Buffer[] = [];
  for (const piece of pieces) {
    const bytes = Buffer.from(piece as string);
    parts.push(
      Buffer.from(`${bytes.length.toString(16)}${extension}${NEWLINE}`, "latin1"),
      bytes,
      Buffer.from(NEWLINE),
    );
  }
  parts.push(Buffer.from(`0${NEWLINE}${trailer}${NEWLINE}`, "latin1"));
  return Buffer.concat(parts);
}

function splitField(field: string): readonly [string, string] {
  const colon = field.indexOf(":");
  return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
}

function jsonOf(body: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(body, "latin1").toString("utf8")) as Record<string, unknown>;
  } catch {
    return {};
  }
}
