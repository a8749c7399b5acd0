/** Who AWS takes this process for, and what time it is there. */

/** STS's answer to GetCallerIdentity. */
export interface CallerIdentity {
  readonly arn: string;
  /** STS's clock in milliseconds since the epoch; absent when it did not say. */
  readonly serverTime?: number;
}

/**
 * Asks STS of the region who signs with this process's own credentials. `AWS_ENDPOINT_URL_STS` is heeded.
 *
 * @throws whatever the SDK throws: its name is the AWS error code
 */
export async function callerIdentity(
  region: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<CallerIdentity> {
  const { STSClient, GetCallerIdentityCommand } = await import("@aws-sdk/client-sts");
  const endpoint = env["AWS_ENDPOINT_URL_STS"] ?? env["AWS_ENDPOINT_URL"];
  const client = new STSClient({ region, maxAttempts: 2, ...(endpoint === undefined ? {} : { endpoint }) });
  let serverTime = Number.NaN;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { headers?: Record<string, string> };
      serverTime = Date.parse(headers?.["date"] ?? "");
      return result;
    },
    { step: "deserialize", priority: "low", name: "readDate" },
  );
  try {
    const { Arn } = await client.send(new GetCallerIdentityCommand({}), { abortSignal: AbortSignal.timeout(10_000) });
    return { arn: Arn ?? "", ...(Number.isNaN(serverTime) ? {} : { serverTime }) };
  } finally {
    client.destroy();
  }
}
