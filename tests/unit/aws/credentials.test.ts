import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { AwsCredentials } from "../../../src/aws/aws-credentials.ts";
import {
  type CredentialRequest,
  CredentialSource,
  type CredentialSourceOptions,
} from "../../../src/aws/credentials.ts";
import { type DatabaseAwsSpec, type DatabaseSpec, resolveDatabase } from "../../../src/aws/database.ts";
import { AwsError } from "../../../src/aws/errors.ts";
import { FakeSts } from "./fake-sts.ts";

const ROLE = "arn:aws:iam::123456789012:role/Example";
const GATEWAY = "arn:aws:iam::123456789012:role/Gateway";
const UNREACHABLE = new AwsError("sts_unreachable", "down", { retryable: true });

function database(aws: Partial<DatabaseAwsSpec> = {}, rest: Partial<DatabaseSpec> = {}) {
  return resolveDatabase({
    name: "orders",
    protocol: "dynamodb",
    aws: { region: "us-east-1", account_id: "123456789012", ...aws },
    ...rest,
  });
}

function request(over: Partial<CredentialRequest> = {}): CredentialRequest {
  return { database: database(), roleArn: ROLE, user: "alice", session: {}, ...over };
}

function setUp(options: Partial<CredentialSourceOptions> = {}) {
  const sts = new FakeSts();
  const failures: string[] = [];
  const source = new CredentialSource({
    sts,
    clock: sts.clock,
    random: () => sts.random,
    env: {},
    onRefreshFailure: (error, role) => failures.push(`${error.code} ${role}`),
    ...options,
  });
  return { sts, source, failures };
}

const coded = (code: string) => (error: unknown) => error instanceof AwsError && error.code === code;
/** Lets what is already settled run its course. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("CredentialSource asks STS", () => {
  it("for the role, in the user's name, with our own credentials, for an hour", async () => {
    const { sts, source } = setUp();
    const credentials = await source.credentialsFor(request());
    assert.equal(credentials.accessKeyId, "key-1");
    const [call] = sts.calls;
    assert.equal(call?.credentials.accessKeyId, "own-1");
    const { credentials: _, ...rest } = call ?? assert.fail();
    assert.deepEqual(rest, {
      region: "us-east-1",
      fips: false,
      roleArn: ROLE,
      sessionName: "alice",
      durationSeconds: 3600,
      externalId: undefined,
      tags: {},
      sourceIdentity: undefined,
    });
  });

  it("with the external id on the user's role where there is no first hop", async () => {
    const { sts, source } = setUp();
    await source.credentialsFor(
      request({ database: database({ external_id: "ext-1", session_tags: { team: "pay" } }) }),
    );
    assert.deepEqual(
      sts.calls.map(({ externalId, tags }) => [externalId, tags]),
      [["ext-1", { team: "pay" }]],
    );
  });

  it("with the external id on the first hop only, and the tags on the second only", async () => {
    const { sts, source } = setUp();
    const chained = database({
      external_id: "ext-1",
      assume_role_arn: GATEWAY,
      session_tags: { team: "pay" },
      identity_tags: { source_identity: true },
    });
    await source.credentialsFor(request({ database: chained }));
    assert.deepEqual(
      sts.calls.map((call) => [
        call.roleArn,
        call.sessionName,
        call.externalId,
        call.tags,
        call.sourceIdentity,
        call.credentials.accessKeyId,
      ]),
      [
        [GATEWAY, "postern", "ext-1", {}, undefined, "own-1"],
        [ROLE, "alice", undefined, { team: "pay" }, "alice", "key-1"],
      ],
    );
  });

  it("once for the first hop that many users share", async () => {
    const { sts, source } = setUp();
    const chained = database({ assume_role_arn: GATEWAY });
    await Promise.all(["a1", "b1", "c1"].map((user) => source.credentialsFor(request({ database: chained, user }))));
    assert.equal(sts.calls.filter(({ roleArn }) => roleArn === GATEWAY).length, 1);
    assert.equal(sts.calls.length, 4);
  });

  it("with the user's name as tag and source identity where configured", async () => {
    const { sts, source } = setUp();
    const tagged = database({
      session_tags: { team: "pay" },
      identity_tags: { source_identity: true, user_tag: "postern:user" },
    });
    await source.credentialsFor(request({ database: tagged, user: "zoë smith" }));
    const [call] = sts.calls;
    assert.deepEqual(call?.tags, { team: "pay", "postern:user": "zoë smith" });
    assert.equal(call?.sourceIdentity, call?.sessionName);
    assert.match(call?.sessionName ?? "", /^zo__smith-/);
  });

  const durations: [number, number][] = [
    [7200, 3600],
    [3600, 3600],
    [1800.9, 1800],
    [900, 900],
    [60, 900],
  ];
  for (const [left, asked] of durations) {
    it(`for ${asked} s when the user's session has ${left} s left`, async () => {
      const { sts, source } = setUp();
      await source.credentialsFor(request({ session: { expiresAt: sts.now + left * 1000 } }));
      assert.equal(sts.calls[0]?.durationSeconds, asked);
    });
  }

  it("in AWS_REGION when it is in the database's partition, else in the database's region", async () => {
    const asked = async (env: Record<string, string>, region: string) => {
      const { sts, source } = setUp({ env });
      await source.credentialsFor(
        request({
          database: database({ region }),
          roleArn: ROLE.replace("aws:", region.startsWith("cn-") ? "aws-cn:" : "aws:"),
        }),
      );
      return sts.calls[0]?.region;
    };
    assert.equal(await asked({ AWS_REGION: "eu-west-1" }, "us-east-1"), "eu-west-1");
    assert.equal(await asked({ AWS_REGION: "us-gov-west-1" }, "us-east-1"), "us-east-1");
    assert.equal(await asked({ AWS_REGION: "eu-west-1" }, "cn-north-1"), "cn-north-1");
    assert.equal(await asked({ AWS_REGION: "nonsense" }, "us-east-1"), "us-east-1");
    assert.equal(await asked({}, "ap-east-1"), "ap-east-1");
  });

  it("at its FIPS endpoint for a FIPS database in the United States only", async () => {
    const asked = async (region: string) => {
      const { sts, source } = setUp();
      await source.credentialsFor(
        request({ database: database({ region }, { uri: `dynamodb-fips.${region}.amazonaws.com` }) }),
      );
      return sts.calls[0]?.fips;
    };
    assert.deepEqual([await asked("us-west-2"), await asked("ca-central-1")], [true, false]);
  });

  it("never for a role of another account, however the request came to name it", async () => {
    const { sts, source } = setUp();
    await assert.rejects(
      source.credentialsFor(request({ roleArn: "arn:aws:iam::210987654321:role/X" })),
      coded("role_account_mismatch"),
    );
    assert.equal(sts.calls.length, 0);
  });
});

describe("CredentialSource and an emulator", () => {
  const local = database({ region: "local" }, { uri: "http://127.0.0.1:8000" });

  it("gives made-up keys without asking anybody, so that no real session goes over plain HTTP", async () => {
    const { sts, source } = setUp();
    sts.ownFailure = new AwsError("credentials_missing", "none");
    assert.deepEqual(await source.probe([local]), { ready: true });
    const wanted = request({ database: local });
    assert.equal((await source.credentialsFor(wanted)).accessKeyId, "POSTERNEMULATOR");
    assert.equal(source.peek(wanted)?.accessKeyId, "POSTERNEMULATOR");
    assert.equal(sts.calls.length + sts.ownCalls, 0);
    assert.deepEqual(source.ages(), []);
  });

  it("still refuses a role of another account", async () => {
    const { source } = setUp();
    await assert.rejects(
      source.credentialsFor(request({ database: local, roleArn: "arn:aws:iam::210987654321:role/X" })),
      coded("role_account_mismatch"),
    );
  });

  it("asks the STS that is configured to go with it", async () => {
    const { sts, source } = setUp();
    sts.isOverridden = true;
    assert.equal((await source.credentialsFor(request({ database: local }))).accessKeyId, "key-1");
  });
});

describe("CredentialSource keeps credentials (pitfall 56)", () => {
  it("and gives them at once from then on", async () => {
    const { sts, source } = setUp();
    assert.equal(source.peek(request()), undefined);
    const first = await source.credentialsFor(request());
    assert.equal(source.peek(request()), first);
    assert.equal(await source.credentialsFor(request()), first);
    assert.equal(sts.calls.length, 1);
  });

  it("for everything that STS would tell apart on its own", async () => {
    const { sts, source } = setUp();
    const variants: Partial<CredentialRequest>[] = [
      {},
      { user: "bob" },
      { user: "alice\n" },
      { roleArn: `${ROLE}2` },
      { database: database({ external_id: "ext" }) },
      { database: database({ assume_role_arn: GATEWAY }) },
      { database: database({ assume_role_arn: GATEWAY, external_id: "ext" }) },
      { database: database({ session_tags: { a: "1" } }) },
      { database: database({ session_tags: { a: "2" } }) },
      { database: database({ identity_tags: { source_identity: true } }) },
      { database: database({ identity_tags: { user_tag: "user" } }) },
      { database: database({ region: "eu-west-1" }) },
      { database: database({}, { name: "other" }) },
      { database: database({}, { uri: "dynamodb-fips.us-east-1.amazonaws.com" }) },
    ];
    const keys = new Set<string>();
    for (const variant of variants) keys.add((await source.credentialsFor(request(variant))).accessKeyId);
    assert.equal(keys.size, variants.length);
    assert.equal(sts.calls.length, variants.length + 2);
  });

  it("when the same configuration is loaded again", async () => {
    const { sts, source } = setUp();
    await source.credentialsFor(request());
    await source.credentialsFor(request({ database: database() }));
    assert.equal(sts.calls.length, 1);
  });

  it("asking once for all who wait", async () => {
    const { sts, source } = setUp();
    sts.hold();
    const all = Promise.all(Array.from({ length: 50 }, () => source.credentialsFor(request())));
    await settle();
    sts.release();
    assert.equal(new Set(await all).size, 1);
    assert.equal(sts.calls.length, 1);
  });

  it("up to a bound, the least recently used going first", async () => {
    const { source } = setUp({ maxSessions: 2 });
    await source.credentialsFor(request({ user: "u1" }));
    await source.credentialsFor(request({ user: "u2" }));
    source.peek(request({ user: "u1" }));
    await source.credentialsFor(request({ user: "u3" }));
    assert.ok(source.peek(request({ user: "u1" })));
    assert.equal(source.peek(request({ user: "u2" })), undefined);
  });

  it("and refuses to have more than so many questions open", async () => {
    const { sts, source } = setUp({ maxInFlight: 2 });
    sts.hold();
    const waiting = ["u1", "u2"].map((user) => source.credentialsFor(request({ user })));
    await assert.rejects(
      source.credentialsFor(request({ user: "u3" })),
      (error: unknown) => coded("sts_busy")(error) && (error as AwsError).retryable,
    );
    sts.release();
    await Promise.all(waiting);
    await source.credentialsFor(request({ user: "u3" }));
  });

  it("not for a user whose session is over", async () => {
    const { sts, source } = setUp();
    const session = { expiresAt: sts.now + 10_000 };
    await source.credentialsFor(request({ session }));
    sts.now += 10_000;
    assert.equal(source.peek(request({ session })), undefined);
    await assert.rejects(source.credentialsFor(request({ session })), coded("session_expired"));
  });

  it("until they are refused by AWS", async () => {
    const { sts, source } = setUp();
    const first = await source.credentialsFor(request());
    source.invalidate(request(), first);
    assert.equal(source.peek(request()), undefined);
    const second = await source.credentialsFor(request());
    source.invalidate(request(), first);
    assert.equal(source.peek(request()), second, "an old refusal must not cost new credentials");
    assert.equal(sts.calls.length, 2);
  });
});

describe("CredentialSource renews", () => {
  it("in the background ahead of expiry, while the old ones serve", async () => {
    const { sts, source } = setUp();
    const first = await source.credentialsFor(request());
    sts.now += (3600 - 900 - 1) * 1000;
    assert.equal(source.peek(request()), first);
    assert.equal(sts.calls.length, 1);
    sts.now += 1000;
    sts.hold();
    assert.equal(source.peek(request()), first);
    assert.equal(source.peek(request()), first);
    sts.release();
    await settle();
    assert.equal(sts.calls.length, 2);
    assert.notEqual(source.peek(request()), first);
  });

  it("at a time that differs from process to process", async () => {
    const renewal = async (random: number) => {
      const { sts, source } = setUp();
      sts.random = random;
      await source.credentialsFor(request());
      let seconds = 0;
      for (; sts.calls.length === 1; seconds += 15, sts.now += 15_000) {
        source.peek(request());
        await settle();
      }
      return seconds;
    };
    const [early, late] = [await renewal(0.999), await renewal(0)];
    assert.ok(early < late && early >= 3600 - 1126 && late <= 3600 - 660, `${early} ${late}`);
  });

  it("and keeps the old ones while STS is down, until they are nearly expired", async () => {
    const { sts, source, failures } = setUp();
    const first = await source.credentialsFor(request());
    sts.failure = UNREACHABLE;
    const start = sts.now;
    sts.now = start + 2800 * 1000;
    while (sts.now < start + (3600 - 15) * 1000) {
      assert.equal(await source.credentialsFor(request()), first);
      await settle();
      sts.now += 5000;
    }
    assert.ok(failures.length > 50 && failures.every((each) => each === `sts_unreachable ${ROLE}`));
    assert.equal(source.peek(request()), undefined);
    await assert.rejects(source.credentialsFor(request()), coded("sts_unreachable"));
    sts.failure = undefined;
    sts.now += 10_000;
    assert.ok((await source.credentialsFor(request())) instanceof AwsCredentials);
  });

  it("at most about once a second at first, then every four, while STS is down", async () => {
    const { sts, source } = setUp();
    sts.failure = UNREACHABLE;
    for (let millisecond = 0; millisecond < 20_000; millisecond += 100, sts.now += 100) {
      await assert.rejects(source.credentialsFor(request()), coded("sts_unreachable"));
    }
    // At 0, 1, 3, 7, 11, 15 and 19 seconds.
    assert.equal(sts.calls.length, 7);
    sts.failure = undefined;
    sts.now += 4000;
    assert.ok((await source.credentialsFor(request())) instanceof AwsCredentials);
  });

  it("what the failed call was signed with, when AWS refuses that", async () => {
    const { sts, source } = setUp();
    sts.failure = new AwsError("credentials_rejected", "expired", { retryable: true });
    await assert.rejects(source.credentialsFor(request()), coded("credentials_rejected"));
    sts.failure = undefined;
    sts.now += 2000;
    await source.credentialsFor(request());
    assert.equal(sts.ownCalls, 2);
    assert.equal(sts.calls[1]?.credentials.accessKeyId, "own-2");
  });

  it("never from an answer that is expired on arrival", async () => {
    const { sts, source } = setUp();
    sts.lifetime = 10;
    await assert.rejects(
      source.credentialsFor(request()),
      (error: unknown) => coded("sts_response_invalid")(error) && /clock/.test((error as AwsError).hint ?? ""),
    );
    assert.equal(source.peek(request()), undefined);
  });
});

describe("CredentialSource tells", () => {
  it("readiness whether own credentials can be had", async () => {
    const { sts, source } = setUp();
    sts.ownFailure = new AwsError("credentials_missing", "none", { retryable: true });
    const readiness = await source.probe([database()]);
    assert.equal(readiness.ready ? "" : readiness.error.code, "credentials_missing");
    await source.probe([database()]);
    assert.equal(sts.ownCalls, 1, "a failed search is not repeated at once");
    sts.ownFailure = undefined;
    sts.now += 2000;
    assert.deepEqual(await source.probe([database()]), { ready: true });
    assert.deepEqual(await source.probe([]), { ready: true });
  });

  it("the gauge the soonest expiry of each role", async () => {
    const { sts, source } = setUp();
    await source.credentialsFor(request());
    sts.now += 100_000;
    await source.credentialsFor(request({ user: "bob" }));
    assert.deepEqual(source.ages(), [{ database: "orders", roleArn: ROLE, secondsToExpiry: 3500 }]);
  });

  it("nobody a secret, however deep it is inspected", async () => {
    const { source } = setUp();
    const credentials = await source.credentialsFor(request());
    for (const shown of [
      inspect(credentials, { depth: 9, showHidden: true }),
      JSON.stringify(credentials),
      inspect(source, { depth: 20, showHidden: true }),
    ]) {
      assert.doesNotMatch(shown, /secret-\d|token-\d|own-secret/);
    }
  });
});
