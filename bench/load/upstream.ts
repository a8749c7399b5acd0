/** The upstream as the bench holds it: started once, told what to answer, asked what it saw. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { toolPath } from "./build.ts";
import { type TlsIdentity, tlsIdentity } from "./certificate.ts";
import type { Shape } from "./operations.ts";
import { ask, type Child, startScript, temporaryDirectory } from "./processes.ts";
import type { UpstreamCounts, UpstreamPorts, UpstreamQuestion } from "./upstream-process.ts";

export class Upstream {
  readonly ports: UpstreamPorts;
  readonly tls: TlsIdentity;
  /** Where the CA's certificate lies, for programs that read it from a file. */
  readonly caFile: string;
  readonly #child: Child;

  static async start(): Promise<Upstream> {
    const child = startScript(toolPath("upstream-process"), []);
    const tls = tlsIdentity();
    const question: UpstreamQuestion = { tls };
    return new Upstream(child, tls, await ask<UpstreamPorts>(child, question));
  }

  constructor(child: Child, tls: TlsIdentity, ports: UpstreamPorts) {
    this.#child = child;
    this.tls = tls;
    this.ports = ports;
    this.caFile = join(temporaryDirectory().path, "ca.pem");
    writeFileSync(this.caFile, tls.ca);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Where it is reached. */
  origin(tls: boolean): string {
    return tls ? `https://localhost:${this.ports.https}` : `http://127.0.0.1:${this.ports.http}`;
  }

  /** Chooses the answer to every request from now on. @returns the bytes of its body */
  async answerWith(shape: Shape): Promise<number> {
    return await ask<number>(this.#child, { answer: shape } satisfies UpstreamQuestion);
  }

  async counts(): Promise<UpstreamCounts> {
    return await ask<UpstreamCounts>(this.#child, "counts" satisfies UpstreamQuestion);
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}
