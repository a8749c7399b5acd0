/** The calls to AWS KMS that keep the cluster's sealing keys: bounded, with the process's own credentials. */

import type { KMSClient } from "@aws-sdk/client-kms";
import { isLoopback } from "./endpoints.ts";
import { AwsError } from "./errors.ts";

export interface KmsOptions {
  /** ARN, id or alias of the KMS key; nothing that another one wrapped is opened. */
  readonly keyId: string;
  readonly region: string;
  /** For an emulator; absent: AWS's. */
  readonly endpoint?: string | undefined;
  readonly timeouts?: { readonly connect: number; readonly attempt: number; readonly total: number };
}

type Context = Readonly<Record<string, string>>;

/** KMS through the AWS SDK, which is loaded at the first call. By default 2 s to connect, 5 s an attempt, 10 s in all. */
export class SdkKms {
  readonly #options: KmsOptions;
  #client: Promise<KMSClient> | undefined;

  /** @throws AwsError `endpoint_invalid` for one that is reached in the clear and not on this machine: the answers are keys */
  constructor(options: KmsOptions) {
    const { endpoint } = options;
    if (endpoint !== undefined && !isPrivate(endpoint)) {
      throw new AwsError(
        "endpoint_invalid",
        `Cannot ask KMS at ${JSON.stringify(endpoint)}: plain HTTP leaves this machine`,
        {
          hint: "write https://…, or http://127.0.0.1:PORT for an emulator",
        },
      );
    }
    this.#options = options;
  }

  /** A new key of 32 bytes, plain and wrapped. Rejects with what the SDK throws. */
  async generateDataKey(context: Context): Promise<{ readonly plain: Uint8Array; readonly wrapped: Uint8Array }> {
    const { GenerateDataKeyCommand } = await import("@aws-sdk/client-kms");
    const command = new GenerateDataKeyCommand({ ...this.#about(context), KeySpec: "AES_256" });
    const { Plaintext: plain, CiphertextBlob: wrapped } = await (await this.#kms()).send(command, this.#bound());
    return { plain: present(plain), wrapped: present(wrapped) };
  }

  async encrypt(plain: Uint8Array, context: Context): Promise<Uint8Array> {
    const { EncryptCommand } = await import("@aws-sdk/client-kms");
    const command = new EncryptCommand({ ...this.#about(context), Plaintext: plain });
    return present((await (await this.#kms()).send(command, this.#bound())).CiphertextBlob);
  }

  async decrypt(wrapped: Uint8Array, context: Context): Promise<Uint8Array> {
    const { DecryptCommand } = await import("@aws-sdk/client-kms");
    const command = new DecryptCommand({ ...this.#about(context), CiphertextBlob: wrapped });
    return present((await (await this.#kms()).send(command, this.#bound())).Plaintext);
  }

  #about(context: Context): { KeyId: string; EncryptionContext: Record<string, string> } {
    return { KeyId: this.#options.keyId, EncryptionContext: { ...context } };
  }

  #bound(): { abortSignal: AbortSignal } {
    return { abortSignal: AbortSignal.timeout(this.#timeouts().total) };
  }

  #timeouts(): NonNullable<KmsOptions["timeouts"]> {
    return this.#options.timeouts ?? { connect: 2000, attempt: 5000, total: 10_000 };
  }

  #kms(): Promise<KMSClient> {
    const { region, endpoint } = this.#options;
    const { connect, attempt } = this.#timeouts();
    this.#client ??= import("@aws-sdk/client-kms").then(
      ({ KMSClient: Client }) =>
        new Client({
          region,
          maxAttempts: 2,
          requestHandler: { connectionTimeout: connect, requestTimeout: attempt, throwOnRequestTimeout: true },
          ...(endpoint === undefined ? {} : { endpoint }),
        }),
    );
    return this.#client;
  }
}

function isPrivate(endpoint: string): boolean {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
}

/** Of the client's own memory: whoever overwrites it must not meet the SDK's. */
function present(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined || bytes.length === 0) throw new Error("KMS answered without a key");
  return Uint8Array.from(bytes);
}
