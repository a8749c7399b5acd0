/** A small STS over HTTP that verifies every signature by an implementation of its own, for tests of the real client. */

import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** One verified call: its parameters, and the key that signed it. */
export interface StsCall {
  readonly accessKeyId: string;
  readonly region: string;
  readonly token: string | undefined;
  readonly parameters: Readonly<Record<string, string>>;
}

export class HttpSts {
  readonly calls: StsCall[] = [];
  /** Secrets by access key id; what it grants is added. */
  readonly secrets = new Map<string, string>();
  /** Answered instead while set; `hang` never answers. */
  failure:
    | { readonly status: number; readonly code: string; readonly message: string }
    | "hang"
    | "garbage"
    | undefined;
  attempts = 0;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<HttpSts> {
    const server = createServer();
    const sts = new HttpSts(server);
    server.on("request", (request: IncomingMessage, response) => {
      sts.attempts += 1;
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (sts.failure === "hang") return;
        const { status, body } = sts.#answer(request, Buffer.concat(chunks));
        response.writeHead(status, { "content-type": "text/xml" }).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return sts;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(request: IncomingMessage, body: Buffer): { readonly status: number; readonly body: string } {
    const signed = this.#verified(request, body);
    if (signed === undefined)
      return failed(
        403,
        "SignatureDoesNotMatch",
        `expected: x-amz-security-token:${String(request.headers["x-amz-security-token"])}`,
      );
    const parameters = Object.fromEntries(new URLSearchParams(body.toString("utf8")));
    this.calls.push({ ...signed, parameters });
    if (this.failure === "garbage")
      return { status: 200, body: "<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>" };
    if (this.failure !== undefined && this.failure !== "hang")
      return failed(this.failure.status, this.failure.code, this.failure.message);
    const key = `GRANTED${this.calls.length}`;
    this.secrets.set(key, `secret-of-${key}`);
    const expiration = new Date(Date.now() + Number(parameters["DurationSeconds"]) * 1000).toISOString();
    return {
      status: 200,
      body: `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>${key}</AccessKeyId>
        <SecretAccessKey>secret-of-${key}</SecretAccessKey><SessionToken>token-of-${key}</SessionToken><Expiration>${expiration}</Expiration></Credentials>
        </AssumeRoleResult></AssumeRoleResponse>`,
    };
  }

  /** Signature Version 4, read from AWS's description of it; shares nothing with what it verifies. */
  #verified(request: IncomingMessage, body: Buffer): Omit<StsCall, "parameters"> | undefined {
    const match =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/sts\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
        request.headers.authorization ?? "",
      );
    if (match === null) return undefined;
    const [, accessKeyId = "", day = "", region = "", list = "", signature] = match;
    const secret = this.secrets.get(accessKeyId);
    const token = request.headers["x-amz-security-token"] as string | undefined;
    if (secret === undefined || (accessKeyId.startsWith("GRANTED") && token !== `token-of-${accessKeyId}`))
      return undefined;
    if (!list.split(";").includes("host")) return undefined;
    const lines = list.split(";").map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
    const canonical = [
      request.method,
      "/",
      "",
      lines.join(""),
      list,
      createHash("sha256").update(body).digest("hex"),
    ].join("\n");
    const scope = `${day}/${region}/sts/aws4_request`;
    const toSign = [
      "AWS4-HMAC-SHA256",
      request.headers["x-amz-date"],
      scope,
      createHash("sha256").update(canonical).digest("hex"),
    ].join("\n");
    let key: string | Buffer = `AWS4${secret}`;
    for (const part of [day, region, "sts", "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
    if (createHmac("sha256", key).update(toSign).digest("hex") !== signature) return undefined;
    return { accessKeyId, region, token };
  }
}

function failed(status: number, code: string, message: string): { readonly status: number; readonly body: string } {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error>`;
  return {
    status,
    body: `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${error}<RequestId>r</RequestId></ErrorResponse>`,
  };
}
