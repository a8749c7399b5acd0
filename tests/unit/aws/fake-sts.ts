/** An STS that grants what it is told to, in memory, and remembers what it was asked. */

import { AwsCredentials } from "../../../src/aws/aws-credentials.ts";
import type { AssumeRoleCall, Sts } from "../../../src/aws/sts.ts";

export class FakeSts implements Sts {
  isOverridden = false;
  now = Date.UTC(2026, 10, 22);
  random = 0.5;
  calls: AssumeRoleCall[] = [];
  ownCalls = 0;
  /** Thrown instead of an answer while set. */
  failure: Error | undefined;
  ownFailure: Error | undefined;
  /** Lifetime of what is granted, in seconds; default as asked. */
  lifetime: number | undefined;
  /** While set, answers wait for `release`. */
  #gate: Promise<void> | undefined;
  #open: (() => void) | undefined;

  readonly clock: { now: () => number; monotonic: () => number } = { now: () => this.now, monotonic: () => this.now };

  hold(): void {
    this.#gate = new Promise((resolve) => (this.#open = resolve));
  }

  release(): void {
    this.#open?.();
    this.#gate = undefined;
  }

  ownCredentials(): Promise<AwsCredentials> {
    this.ownCalls += 1;
    if (this.ownFailure !== undefined) return Promise.reject(this.ownFailure);
    return Promise.resolve(new AwsCredentials({ accessKeyId: `own-${this.ownCalls}`, secretAccessKey: "own-secret" }));
  }

  async assumeRole(call: AssumeRoleCall): Promise<AwsCredentials> {
    this.calls.push(call);
    await this.#gate;
    if (this.failure !== undefined) throw this.failure;
    return new AwsCredentials({
      accessKeyId: `key-${this.calls.length}`,
      secretAccessKey: `secret-${this.calls.length}`,
      sessionToken: `token-${this.calls.length}`,
      expiresAt: this.now + (this.lifetime ?? call.durationSeconds) * 1000,
    });
  }

  close(): void {}
}
