import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  AssumeRoleCommand,
  type AssumeRoleCommandInput,
  GetCallerIdentityCommand,
  STSClient,
} from "@aws-sdk/client-sts";
import type { Clock } from "../../../src/base/clock.ts";
import { startSandbox, type Sandbox } from "../../../src/sandbox/sandbox.ts";

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

describe("the sandbox's STS", () => {
  let sandbox: Sandbox;
  let skew = 0;
  const clock: Clock = { now: () => Date.now() + skew, monotonic: () => performance.now() };
  const clients: STSClient[] = [];

  before(async () => {
    sandbox = await startSandbox({ clock });
    const { agentArn } = sandbox;
    sandbox.putRole({
      name: "Guarded",
      trust: { principals: [agentArn], externalId: "ext-1", sessionTags: ["team"] },
      maxSessionDuration: 7200,
    });
    sandbox.putRole({ name: "Plain", trust: { principals: [agentArn] } });
    sandbox.putRole({ name: "Foreign", trust: { principals: ["arn:aws:iam::999999999999:user/other"] } });
    sandbox.putRole({
      name: "Chained",
      trust: { principals: [sandbox.roleArn("Plain")], sourceIdentity: true },
      maxSessionDuration: 43_200,
    });
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await sandbox.close();
  });

  function agentKeys(): Keys {
    return {
      accessKeyId: sandbox.env["AWS_ACCESS_KEY_ID"] ?? "",
      secretAccessKey: sandbox.env["AWS_SECRET_ACCESS_KEY"] ?? "",
    };
  }

  function client(credentials: Keys = agentKeys(), region = "us-east-1"): STSClient {
    const made = new STSClient({ endpoint: sandbox.sts.url, region, credentials, maxAttempts: 1 });
    clients.push(made);
    return made;
  }

  async function assume(
    role: string,
    input: Partial<AssumeRoleCommandInput> = {},
    keys: Keys = agentKeys(),
  ): Promise<Keys> {
    const answer = await client(keys).send(
      new AssumeRoleCommand({ RoleArn: sandbox.roleArn(role), RoleSessionName: "alice", ...input }),
    );
    return {
      accessKeyId: answer.Credentials?.AccessKeyId ?? "",
      secretAccessKey: answer.Credentials?.SecretAccessKey ?? "",
      sessionToken: answer.Credentials?.SessionToken ?? "",
    };
  }

  it("tells the agent who it is", async () => {
    const answer = await client().send(new GetCallerIdentityCommand({}));
    equal(answer.Arn, sandbox.agentArn);
    equal(answer.Account, "123456789012");
    match(answer.UserId ?? "", /^AIDA[A-Z2-7]{16}$/);
  });

  it("issues credentials that work, expire when they say and carry the session's name", async () => {
    const answer = await client().send(
      new AssumeRoleCommand({
        RoleArn: sandbox.roleArn("ExampleRole"),
        RoleSessionName: "alice",
        DurationSeconds: 900,
      }),
    );
    equal(answer.AssumedRoleUser?.Arn, "arn:aws:sts::123456789012:assumed-role/ExampleRole/alice");
    const expires = answer.Credentials?.Expiration?.getTime() ?? 0;
    ok(Math.abs(expires - clock.now() - 900_000) < 60_000);
    const keys = {
      accessKeyId: answer.Credentials?.AccessKeyId ?? "",
      secretAccessKey: answer.Credentials?.SecretAccessKey ?? "",
      sessionToken: answer.Credentials?.SessionToken ?? "",
    };
    equal(
      (await client(keys).send(new GetCallerIdentityCommand({}))).Arn,
      "arn:aws:sts::123456789012:assumed-role/ExampleRole/alice",
    );
    await rejects(client({ ...keys, sessionToken: "forged" }).send(new GetCallerIdentityCommand({})), {
      name: "InvalidClientTokenId",
    });
  });

  it("refuses a stranger, a wrong secret and a wrong region", async () => {
    const get = new GetCallerIdentityCommand({});
    await rejects(client({ accessKeyId: "AKIASTRANGER", secretAccessKey: "x" }).send(get), {
      name: "InvalidClientTokenId",
    });
    await rejects(client({ ...agentKeys(), secretAccessKey: "x" }).send(get), { name: "SignatureDoesNotMatch" });
    await rejects(client(agentKeys(), "eu-west-1").send(get), { name: "SignatureDoesNotMatch" });
  });

  it("refuses an absent role and one that trusts somebody else in the same words", async () => {
    const refusal = (role: string): object => ({
      name: "AccessDenied",
      message: `User: ${sandbox.agentArn} is not authorized to perform: sts:AssumeRole on resource: ${sandbox.roleArn(role)}`,
    });
    await rejects(assume("Nowhere"), refusal("Nowhere"));
    await rejects(assume("Foreign"), refusal("Foreign"));
  });

  it("asks for the external id, exactly", async () => {
    await assume("Guarded", { ExternalId: "ext-1" });
    await rejects(assume("Guarded"), { name: "AccessDenied" });
    await rejects(assume("Guarded", { ExternalId: "ext-2" }), { name: "AccessDenied" });
  });

  it("lets only the tags pass that the role's trust allows", async () => {
    await assume("Guarded", { ExternalId: "ext-1", Tags: [{ Key: "team", Value: "payments" }] });
    await rejects(assume("Guarded", { ExternalId: "ext-1", Tags: [{ Key: "cost", Value: "1" }] }), {
      name: "AccessDenied",
      message: /sts:TagSession/,
    });
    await rejects(assume("Plain", { Tags: [{ Key: "team", Value: "payments" }] }), { name: "AccessDenied" });
  });

  it("refuses ill-formed names, durations and tags with ValidationError", async () => {
    const invalid = { name: "ValidationError" };
    await rejects(assume("ExampleRole", { RoleSessionName: "a b" }), invalid);
    await rejects(assume("ExampleRole", { RoleSessionName: "x".repeat(65) }), invalid);
    await rejects(assume("ExampleRole", { DurationSeconds: 899 }), invalid);
    await rejects(assume("ExampleRole", { DurationSeconds: 3601 }), invalid);
    await rejects(assume("ExampleRole", { RoleArn: "arn:aws:iam::1:role/Short" }), invalid);
    await rejects(assume("ExampleRole", { Tags: [{ Key: "aws:x", Value: "1" }] }), invalid);
    await rejects(
      assume("ExampleRole", {
        Tags: [
          { Key: "a", Value: "1" },
          { Key: "A", Value: "2" },
        ],
      }),
      invalid,
    );
    await rejects(assume("ExampleRole", { Tags: [{ Key: "a", Value: "<script>" }] }), invalid);
    await assume("Guarded", { ExternalId: "ext-1", DurationSeconds: 7200 });
  });

  it("refuses a session policy, which it could not enforce", async () => {
    await rejects(assume("ExampleRole", { Policy: "{}" }), { name: "ValidationError", message: /'Policy'/ });
  });

  it("chains roles for one hour at most", async () => {
    const first = await assume("Plain");
    await rejects(assume("Chained"), { name: "AccessDenied" });
    await assume("Chained", { SourceIdentity: "alice" }, first);
    await rejects(assume("Chained", { DurationSeconds: 3601 }, first), {
      name: "ValidationError",
      message: /chaining/,
    });
    await rejects(assume("ExampleRole", {}, first), { name: "AccessDenied" });
  });

  it("refuses credentials after they expired or were revoked", async () => {
    const keys = await assume("ExampleRole", { DurationSeconds: 900 });
    skew = 901_000;
    try {
      const late = client(keys);
      late.config.systemClockOffset = skew;
      await rejects(late.send(new GetCallerIdentityCommand({})), { name: "ExpiredToken" });
    } finally {
      skew = 0;
    }
    const fresh = await assume("ExampleRole");
    sandbox.revokeSessions();
    await rejects(client(fresh).send(new GetCallerIdentityCommand({})), { name: "InvalidClientTokenId" });
  });

  it("records who called for what, without secrets", async () => {
    sandbox.forget();
    await assume("ExampleRole", { Tags: [{ Key: "user", Value: "alice" }] });
    await rejects(assume("Foreign"));
    deepEqual(
      sandbox.sts.calls.map((call) => [call.action, call.caller, call.status, call.refused]),
      [
        ["AssumeRole", sandbox.agentArn, 200, null],
        ["AssumeRole", sandbox.agentArn, 403, "AccessDenied"],
      ],
    );
    equal(sandbox.sts.calls[0]?.parameters["Tags.member.1.Value"], "alice");
    ok(!JSON.stringify(sandbox.sts.calls).includes(agentKeys().secretAccessKey));
  });

  it("fails as told, for as many requests as told", async () => {
    const get = new GetCallerIdentityCommand({});
    sandbox.fail("sts_down", { times: 1 });
    await rejects(client().send(get), /socket hang up|ECONNRESET|closed/);
    sandbox.fail("sts_unavailable", { times: 1 });
    await rejects(client().send(get), { name: "ServiceUnavailable" });
    sandbox.fail("sts_throttled", { times: 1 });
    await rejects(client().send(get), { name: "Throttling" });
    sandbox.fail("sts_slow", { times: 1, delayMs: 1 });
    await client().send(get);
    sandbox.fail("sts_down");
    sandbox.heal();
    await client().send(get);
  });
});
