/**
 * A stand-in for DynamoDB and STS in a process of its own, which costs as little as it can: raw sockets, one prepared answer
 * for every request, and a count of what came. Over TCP and, with a certificate, over TLS.
 */

import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { crc32 } from "node:zlib";
import { answerBody, GATEWAY_KEY, type Shape } from "./operations.ts";

/** What the bench tells it. */
export type UpstreamQuestion =
  | { readonly tls: { readonly cert: string; readonly key: string } }
  | { readonly answer: Shape }
  | "counts";

export interface UpstreamPorts {
  readonly http: number;
  readonly https: number;
  readonly sts: number;
}

export interface UpstreamCounts {
  readonly served: number;
  /** Those that a way had signed in the gateway's name. */
  readonly signed: number;
  readonly cpu: NodeJS.CpuUsage;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const SIGNATURE = Buffer.from(`Credential=${GATEWAY_KEY}/`);

let answer: Buffer = Buffer.alloc(0);
let served = 0;
let signed = 0;

/** Counts the requests of a connection and answers each when it is whole. */
function serve(socket: Socket): void {
  let kept: Buffer | undefined;
  let missing = -1;
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    let rest = kept === undefined ? chunk : Buffer.concat([kept, chunk]);
    kept = undefined;
    for (;;) {
      if (missing < 0) {
        const end = rest.indexOf(HEAD_END);
        if (end < 0) {
          if (rest.length > 0) kept = Buffer.from(rest);
          return;
        }
        const length = /\r\ncontent-length: *(\d+)/i.exec(rest.toString("latin1", 0, end));
        if (length === null) {
          socket.destroy();
          return;
        }
        missing = Number(length[1]);
        if (rest.subarray(0, end).includes(SIGNATURE)) signed++;
        rest = rest.subarray(end + 4);
      }
      if (rest.length < missing) {
        missing -= rest.length;
        return;
      }
      rest = rest.subarray(missing);
      missing = -1;
      served++;
      socket.write(answer);
      if (rest.length === 0) return;
    }
  });
}

function answerTo(shape: Shape): Buffer {
  const body = answerBody(shape);
  const head = [
    "HTTP/1.1 200 OK",
    "server: Server",
    "content-type: application/x-amz-json-1.0",
    `content-length: ${body.length}`,
    "x-amzn-requestid: BENCHBENCHBENCHBENCHBENCHBENCHBENCHBENCHBENCHBENCH00",
    // Node has it from 20.15 on; without it, an answer is one without the header.
    ...(typeof crc32 === "function" ? [`x-amz-crc32: ${crc32(body)}`] : []),
  ];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]);
}

/** AssumeRole for whoever asks, with a session token as long as real ones are. */
function credentials(): string {
  const expiration = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d+/, "");
  return (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>' +
    `<AccessKeyId>${GATEWAY_KEY}</AccessKeyId><SecretAccessKey>bench</SecretAccessKey>` +
    `<SessionToken>${"t".repeat(800)}</SessionToken><Expiration>${expiration}</Expiration>` +
    "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
  );
}

const sts = createHttpServer((request, response) => {
  request.resume();
  request.once("end", () => {
    response.writeHead(200, { "content-type": "text/xml" });
    response.end(credentials());
  });
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port;
}

process.on("disconnect", () => process.exit());
process.on("message", (question: UpstreamQuestion) => {
  if (question === "counts") {
    process.send?.({ served, signed, cpu: process.cpuUsage() } satisfies UpstreamCounts);
  } else if ("answer" in question) {
    answer = answerTo(question.answer);
    process.send?.(answerBody(question.answer).length);
  } else {
    const { cert, key } = question.tls;
    void Promise.all([
      listen(createServer(serve)),
      listen(createTlsServer({ cert, key }, serve)),
      listen(sts as Server),
    ]).then(([http, https, stsPort]) => process.send?.({ http, https, sts: stsPort } satisfies UpstreamPorts));
  }
});
