import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it, mock } from "node:test";
import { inspect } from "node:util";
import { AwsCredentials } from "../../../src/aws/aws-credentials.ts";
import { CredentialSource } from "../../../src/aws/credentials.ts";
import { resolveDatabase } from "../../../src/aws/database.ts";
import { AwsError } from "../../../src/aws/errors.ts";
import { type AssumeRoleCall, type OwnCredentials, SdkSts } from "../../../src/aws/sts.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { HttpSts } from "./http-sts.ts";

const ROLE = "arn:aws:iam::123456789012:role/Example";
const own = new AwsCredentials({ accessKeyId: "OWN", secretAccessKey: "own-secret" });
const call: AssumeRoleCall = {
  credentials: own,
  region: "eu-west-1",
  fips: false,
  roleArn: ROLE,
  sessionName: "alice@example.com",
  durationSeconds: 900,
  externalId: undefined,
  tags: {},
  sourceIdentity: undefined,
};

describe("SdkSts", () => {
  let server: HttpSts;
  let sts: SdkSts;
  before(async () => {
    server = await HttpSts.start();
  });
  after(() => server.stop());
  beforeEach(() => {
    server.failure = undefined;
    server.calls.length = 0;
    server.attempts = 0;
    server.secrets.set("OWN", "own-secret");
    sts?.close();
    sts = new SdkSts({ env: { AWS_ENDPOINT_URL_STS: server.url } });
  });
  after(() => sts.close());

  const failure = async (over: Partial<AssumeRoleCall> = {}): Promise<AwsError> => {
    try {
      await sts.assumeRole({ ...call, ...over });
    } catch (error) {
      if (error instanceof AwsError) return error;
      throw error;
    }
    return assert.fail("it did not fail");
  };

  it("assumes a role with a signature that an independent verifier takes", async () => {
    const credentials = await sts.assumeRole(call);
    assert.equal(credentials.accessKeyId, "GRANTED1");
    assert.equal(credentials.secretAccessKey.reveal(), "secret-of-GRANTED1");
    assert.equal(credentials.sessionToken?.reveal(), "token-of-GRANTED1");
    assert.ok(Math.abs(credentials.expiresAt - Date.now() - 900_000) < 60_000);
    const [seen] = server.calls;
    assert.deepEqual([seen?.accessKeyId, seen?.region], ["OWN", "eu-west-1"]);
    assert.deepEqual(seen?.parameters, {
      Action: "AssumeRole",
      Version: "2011-06-15",
      RoleArn: ROLE,
      RoleSessionName: "alice@example.com",
      DurationSeconds: "900",
    });
  });

  it("sends external id, tags and source identity when there are any", async () => {
    await sts.assumeRole({
      ...call,
      externalId: "ext-1",
      tags: { team: "pay", "postern:user": "zoë" },
      sourceIdentity: "alice",
    });
    const parameters = server.calls[0]?.parameters ?? {};
    assert.equal(parameters["ExternalId"], "ext-1");
    assert.equal(parameters["SourceIdentity"], "alice");
    assert.deepEqual(
      [
        parameters["Tags.member.1.Key"],
        parameters["Tags.member.1.Value"],
        parameters["Tags.member.2.Key"],
        parameters["Tags.member.2.Value"],
      ],
      ["team", "pay", "postern:user", "zoë"],
    );
  });

  it("chains: the second role's call is signed with the first one's credentials and token", async () => {
    const first = await sts.assumeRole(call);
    await sts.assumeRole({ ...call, credentials: first });
    assert.deepEqual([server.calls[1]?.accessKeyId, server.calls[1]?.token], ["GRANTED1", "token-of-GRANTED1"]);
  });

  const answers: [string, number, string, boolean, number][] = [
    ["AccessDenied", 403, "sts_access_denied", false, 1],
    ["ExpiredToken", 403, "credentials_rejected", true, 1],
    ["InvalidClientTokenId", 403, "credentials_rejected", true, 1],
    ["ValidationError", 400, "sts_rejected", false, 1],
    ["PackedPolicyTooLarge", 400, "sts_rejected", false, 1],
    ["RegionDisabledException", 403, "sts_rejected", false, 1],
    ["Throttling", 400, "sts_throttled", true, 2],
    ["InternalFailure", 500, "sts_unreachable", true, 2],
    ["ServiceUnavailable", 503, "sts_unreachable", true, 2],
  ];
  for (const [code, status, expected, retryable, attempts] of answers) {
    it(`calls ${code} ${expected}, after ${attempts} of at most two attempts`, async () => {
      server.failure = { status, code, message: "User: arn:aws:iam::999999999999:user/ops is not authorized" };
      // The SDK waits a random part of a second between two attempts: here none of it.
      const chance = mock.method(Math, "random", () => 0);
      const error = await failure().finally(() => chance.mock.restore());
      assert.deepEqual([error.code, error.retryable, server.attempts], [expected, retryable, attempts]);
      assert.match(error.message, new RegExp(`"${ROLE}" as "alice@example.com" in eu-west-1: .*${code}`));
      assert.doesNotMatch(`${error.message} ${error.hint}`, /999999999999/, "what STS says is for the cause alone");
    });
  }

  it("keeps what STS said in the cause, for our log", async () => {
    server.failure = { status: 403, code: "AccessDenied", message: "User: x is not authorized" };
    const error = await failure();
    assert.ok(error.cause instanceof Error);
    assert.match(error.cause.message, /not authorized/);
  });

  it("lets no key or token into an error, even when STS repeats the request", async () => {
    server.secrets.set("OWN", "another-secret");
    const token = `tok${"e".repeat(300)}n`;
    const error = await failure({
      credentials: new AwsCredentials({ accessKeyId: "OWN", secretAccessKey: "own-secret", sessionToken: token }),
    });
    assert.equal(error.code, "credentials_rejected");
    assert.doesNotMatch(inspect(error, { depth: 20, showHidden: true }), /own-secret|tokee|[0-9a-f]{64}/);
    const short = await failure({
      credentials: new AwsCredentials({ accessKeyId: "OWN", secretAccessKey: "x", sessionToken: "short-tokeen" }),
    });
    assert.doesNotMatch(inspect(short, { depth: 20, showHidden: true }), /tokee/);
    server.secrets.set("OWN", "own-secret");
    server.failure = { status: 400, code: "ValidationError", message: `bad ${token} value` };
    assert.doesNotMatch(inspect(await failure(), { depth: 20, showHidden: true }), /own-secret|tokee/);
  });

  it("calls a closed port sts_unreachable", async () => {
    const closed = await HttpSts.start();
    const { url } = closed;
    await closed.stop();
    sts = new SdkSts({ env: { AWS_ENDPOINT_URL_STS: url } });
    const error = await failure();
    assert.deepEqual([error.code, error.retryable], ["sts_unreachable", true]);
    assert.match(error.message, /ECONNREFUSED/);
  });

  it("gives up on a server that does not answer, and on a chain that does not", async () => {
    const env = { AWS_ENDPOINT_URL_STS: server.url };
    sts = new SdkSts({ env, timeouts: { connect: 1000, attempt: 50, total: 10_000 } });
    server.failure = "hang";
    const error = await failure();
    assert.deepEqual([error.code, error.retryable, server.attempts], ["sts_unreachable", true, 2]);
    const never = () => Promise.resolve(() => new Promise<never>(() => {}));
    const waiting = new SdkSts({ env, timeouts: { connect: 1000, attempt: 1000, total: 50 }, ownChain: never });
    await assert.rejects(
      waiting.ownCredentials(),
      (thrown: unknown) => thrown instanceof AwsError && thrown.code === "credentials_missing",
    );
  });

  it("refuses an answer without credentials", async () => {
    server.failure = "garbage";
    assert.equal((await failure()).code, "sts_response_invalid");
  });

  it("knows which endpoint is configured as the SDKs do", () => {
    const overridden = (env: Record<string, string>) => new SdkSts({ env }).isOverridden;
    assert.equal(overridden({}), false);
    assert.equal(overridden({ AWS_ENDPOINT_URL_STS: "" }), false);
    assert.equal(overridden({ AWS_ENDPOINT_URL: "http://127.0.0.1:1" }), true);
    assert.equal(
      overridden({ AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" }),
      false,
    );
  });

  it("finds own credentials through the chain it is given, and says so when there are none", async () => {
    const expiration = new Date(Date.UTC(2030, 0, 1));
    const found = new SdkSts({
      env: {},
      ownChain: () =>
        Promise.resolve(() =>
          Promise.resolve({ accessKeyId: "A", secretAccessKey: "B", sessionToken: "C", expiration }),
        ),
    });
    const credentials = await found.ownCredentials();
    assert.deepEqual(
      [credentials.accessKeyId, credentials.sessionToken?.reveal(), credentials.expiresAt],
      ["A", "C", expiration.getTime()],
    );
    const none = new SdkSts({
      env: {},
      ownChain: () => Promise.resolve(() => Promise.reject(new Error("Command failed: get-keys --password hunter2"))),
    });
    await assert.rejects(
      none.ownCredentials(),
      (error: unknown) =>
        error instanceof AwsError &&
        error.code === "credentials_missing" &&
        error.retryable &&
        !inspect(error).includes("hunter2"),
    );
  });

  it("reads own credentials anew once AWS has refused them", async () => {
    let chains = 0;
    const chain = (): Promise<OwnCredentials> => {
      chains += 1;
      const secretAccessKey = chains === 1 ? "rotated-away" : "own-secret";
      return Promise.resolve(() => Promise.resolve({ accessKeyId: "OWN", secretAccessKey }));
    };
    let ahead = 0;
    const clock = { now: systemClock.now, monotonic: () => systemClock.monotonic() + ahead };
    const source = new CredentialSource({
      sts: new SdkSts({ env: { AWS_ENDPOINT_URL_STS: server.url }, ownChain: chain }),
      clock,
      random: () => 0.5,
      env: {},
    });
    const database = resolveDatabase({
      name: "orders",
      protocol: "dynamodb",
      aws: { region: "us-east-1", account_id: "123456789012" },
    });
    const wanted = { database, roleArn: ROLE, user: "alice", session: {} };
    await assert.rejects(
      source.credentialsFor(wanted),
      (error: unknown) => error instanceof AwsError && error.code === "credentials_rejected",
    );
    ahead = 2000;
    assert.equal((await source.credentialsFor(wanted)).accessKeyId, "GRANTED1");
    assert.equal(chains, 2);
    source.close();
  });
});
