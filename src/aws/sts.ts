/** Calls to AWS itself for credentials: our own through the SDK's provider chain, a role's through STS AssumeRole. */

import type { STSClient, STSClientConfig } from "@aws-sdk/client-sts";
import { AwsCredentials } from "./aws-credentials.ts";
import { AwsError } from "./errors.ts";
import { credentialsError, stsError } from "./sts-errors.ts";

/** One AssumeRole. */
export interface AssumeRoleCall {
  /** Signs the call. */
  readonly credentials: AwsCredentials;
  readonly region: string;
  readonly fips: boolean;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly durationSeconds: number;
  readonly externalId: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly sourceIdentity: string | undefined;
}

/** What credentials are made from. */
export interface Sts {
  /** True when an STS endpoint is configured, so that even an emulator's roles are assumed there. */
  readonly isOverridden: boolean;
  /** @throws AwsError `credentials_missing`. */
  ownCredentials(): Promise<AwsCredentials>;
  /** @throws AwsError with a code of STS. */
  assumeRole(call: AssumeRoleCall): Promise<AwsCredentials>;
  close(): void;
}

/** Own credentials as the SDK's provider chain gives them. */
export type OwnCredentials = () => Promise<{
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}>;

/** What an `SdkSts` is made of. */
export interface SdkStsOptions {
  /** The process environment; `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL` are read. The SDK reads the rest itself. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Makes the chain of own credentials; default the SDK's: environment, profile, SSO, process, web identity, container, IMDS. */
  readonly ownChain?: (() => Promise<OwnCredentials>) | undefined;
  readonly timeouts?: StsTimeouts | undefined;
}

/** Bounds in milliseconds: to connect, for one attempt's answer, and for a whole call of at most two attempts. */
export interface StsTimeouts {
  readonly connect: number;
  readonly attempt: number;
  readonly total: number;
}

/** STS through the AWS SDK, which is loaded at the first call. By default 2 s to connect, 5 s an attempt, 10 s in all. */
export class SdkSts implements Sts {
  readonly isOverridden: boolean;
  readonly #endpoint: string | undefined;
  readonly #timeouts: StsTimeouts;
  readonly #makeChain: () => Promise<OwnCredentials>;
  #chain: Promise<OwnCredentials> | undefined;
  #handler: STSClientConfig["requestHandler"];
  #first: STSClient | undefined;

  constructor(options: SdkStsOptions) {
    this.#endpoint = configuredEndpoint(options.env);
    this.isOverridden = this.#endpoint !== undefined;
    this.#timeouts = options.timeouts ?? { connect: 2000, attempt: 5000, total: 10_000 };
    this.#makeChain = options.ownChain ?? sdkChain;
  }

  async ownCredentials(): Promise<AwsCredentials> {
    try {
      this.#chain ??= this.#makeChain();
      const chain = await this.#chain;
      const { accessKeyId, secretAccessKey, sessionToken, expiration } = await within(this.#timeouts.total, chain());
      return new AwsCredentials({ accessKeyId, secretAccessKey, sessionToken, expiresAt: expiration?.getTime() });
    } catch (error) {
      this.#chain = undefined;
      throw credentialsError(error);
    }
  }

  async assumeRole(call: AssumeRoleCall): Promise<AwsCredentials> {
    const { STSClient, AssumeRoleCommand } = await import("@aws-sdk/client-sts");
    const client = new STSClient(this.#config(call));
    // The first client makes the connection pool that all share; a client itself is cheap and carries one call.
    this.#first ??= client;
    this.#handler ??= client.config.requestHandler;
    try {
      const command = new AssumeRoleCommand({
        RoleArn: call.roleArn,
        RoleSessionName: call.sessionName,
        DurationSeconds: call.durationSeconds,
        ...(call.externalId === undefined ? {} : { ExternalId: call.externalId }),
        ...(call.sourceIdentity === undefined ? {} : { SourceIdentity: call.sourceIdentity }),
        ...(Object.keys(call.tags).length === 0
          ? {}
          : { Tags: Object.entries(call.tags).map(([Key, Value]) => ({ Key, Value })) }),
      });
      const { Credentials } = await client.send(command, { abortSignal: AbortSignal.timeout(this.#timeouts.total) });
      const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = Credentials ?? {};
      if (
        isAbsent(AccessKeyId) ||
        isAbsent(SecretAccessKey) ||
        isAbsent(SessionToken) ||
        Expiration === undefined ||
        Number.isNaN(Expiration.getTime())
      ) {
        throw new AwsError(
          "sts_response_invalid",
          `Cannot assume role "${call.roleArn}": the answer of STS lacks credentials`,
        );
      }
      return new AwsCredentials({
        accessKeyId: AccessKeyId,
        secretAccessKey: SecretAccessKey,
        sessionToken: SessionToken,
        expiresAt: Expiration.getTime(),
      });
    } catch (thrown) {
      const error = stsError(thrown, call);
      // A key file may have been rotated: the next attempt reads it anew.
      if (error.code === "credentials_rejected") this.#chain = undefined;
      throw error;
    }
  }

  close(): void {
    this.#first?.destroy();
    this.#first = undefined;
    this.#handler = undefined;
  }

  #config(call: AssumeRoleCall): STSClientConfig {
    const { accessKeyId, secretAccessKey, sessionToken } = call.credentials;
    const { connect, attempt } = this.#timeouts;
    return {
      region: call.region,
      credentials: {
        accessKeyId,
        secretAccessKey: secretAccessKey.reveal(),
        ...(sessionToken === undefined ? {} : { sessionToken: sessionToken.reveal() }),
      },
      maxAttempts: 2,
      requestHandler: this.#handler ?? {
        connectionTimeout: connect,
        requestTimeout: attempt,
        throwOnRequestTimeout: true,
      },
      // The SDK refuses FIPS or dual stack together with an endpoint of one's own, even when they come from elsewhere.
      ...(this.#endpoint === undefined
        ? call.fips
          ? { useFipsEndpoint: true }
          : {}
        : { endpoint: this.#endpoint, useFipsEndpoint: false, useDualstackEndpoint: false }),
    };
  }
}

/** Where STS is by the environment; undefined: where AWS has it. */
export function configuredEndpoint(env: Readonly<Record<string, string | undefined>>): string | undefined {
  if (env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] === "true") return undefined;
  const own = env["AWS_ENDPOINT_URL_STS"];
  const endpoint = isAbsent(own) ? env["AWS_ENDPOINT_URL"] : own;
  return isAbsent(endpoint) ? undefined : endpoint;
}

async function sdkChain(): Promise<OwnCredentials> {
  const { fromNodeProviderChain } = await import("@aws-sdk/credential-providers");
  return fromNodeProviderChain({ ignoreCache: true });
}

/** A provider that never answers (a hung credential_process) is one that fails. */
async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Environments and XML have empty texts where they have nothing. */
function isAbsent(text: string | undefined): text is "" | undefined {
  return text === undefined || text === "";
}
