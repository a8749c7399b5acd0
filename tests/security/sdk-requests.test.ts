/** A proxy that lies about requests of SDKs: whatever it changes, swaps, keeps back or repeats, nothing is done in somebody's name. */

import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { duplexPair } from "node:stream";
import { after, before, beforeEach, describe, it } from "node:test";
import type { HostIdentity } from "../../src/agent/host-identity.ts";
import { Secret } from "../../src/base/secret.ts";
import { Admission } from "../../src/compose/admission.ts";
import { AgentKeys } from "../../src/compose/agent-keys.ts";
import { SdkRequests } from "../../src/compose/sdk-requests.ts";
import { readOwnHostCertificate } from "../../src/identity/certificate-reader.ts";
import { newSessionCredentials } from "../../src/identity/session-credentials.ts";
import { FrameReader, FrameWriter } from "../../src/tunnel/frames.ts";
import { headMessage, readAnswerHead } from "../../src/tunnel/sdk-request.ts";
import { ClusterAuthorities, type KeyPair, newKeyPair } from "../support/cluster-authorities.ts";
import { eventually } from "../support/eventually.ts";
import { ALICE_MAY_NEARLY_EVERYTHING, startTestGateway, type TestGateway } from "../support/gateway.ts";
import { changed, type KeyHolder, signedHeaders } from "../support/signed-headers.ts";

const DATABASE = "example";
const BODY = '{"TableName":"orders","Key":{"id":{"S":"ada#1"}}}';
const LOCK = "\n---\nkind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {user: alice}}\n";

const PEOPLE = `${ALICE_MAY_NEARLY_EVERYTHING}
---
kind: user
version: v2
metadata: {name: bob}
spec: {roles: [dev]}
`;

interface Dribble {
  readonly answered: () => string | undefined;
  readonly end: () => void;
}

let offset = 0;
const clock = { now: () => Date.now() + offset, monotonic: () => performance.now() + offset };

describe("a proxy that lies", () => {
  let gateway: TestGateway;
  let authorities: ClusterAuthorities;
  let identity: HostIdentity;
  let keys: AgentKeys;
  let requests: SdkRequests;
  let forwarded = 0;

  async function agent(hostId = "agent-1"): Promise<HostIdentity> {
    const { publicKey, privateKey } = newKeyPair();
    const { certificate } = await authorities.issueHost({ hostId, role: "db", names: [hostId], publicKey });
    return {
      stated: await readOwnHostCertificate(certificate),
      certificate,
      privateKey: new Secret(privateKey),
      trusted: { host: [authorities.host.active.certificate], user: [authorities.user.active.certificate] },
      door: "cluster",
      renewable: true,
    };
  }
  async function credentials(
    request: Parameters<ClusterAuthorities["issueUser"]>[0] = {},
    {
      of = authorities,
      to = identity,
      pair = newKeyPair(),
    }: { of?: ClusterAuthorities; to?: HostIdentity; pair?: KeyPair } = {},
  ): Promise<KeyHolder> {
    const { certificate } = await of.issueUser({
      user: { name: "alice", roles: ["dev"], traits: {}, mfaVerified: false },
      route: { database: DATABASE, db_user: "ExampleRole" },
      publicKey: pair.publicKey,
      ...request,
    });
    const made = newSessionCredentials({
      certificate: new X509Certificate(certificate).raw,
      privateKey: createPrivateKey(pair.privateKey),
      agents: [createPublicKey(createPrivateKey(to.privateKey.reveal()))],
    });
    return {
      accessKeyId: made.accessKeyId,
      secretAccessKey: made.secretAccessKey.reveal(),
      sessionToken: made.sessionToken.reveal(),
    };
  }
  const signed = (holder: KeyHolder, { body = BODY, region = "us-east-1", time = clock.now() } = {}): string[] =>
    signedHeaders(holder, { body, region, time });

  /** What the agent answers; undefined when it breaks off. */
  async function ask(
    headers: readonly string[],
    {
      body = [BODY],
      whole = true,
      database = DATABASE,
      to = requests,
    }: {
      body?: readonly string[];
      whole?: boolean;
      database?: string;
      to?: SdkRequests;
    } = {},
  ): Promise<{ status: number; type: string | undefined; id: string | undefined } | undefined> {
    const [proxy, own] = duplexPair();
    proxy.on("error", () => undefined);
    own.on("error", () => undefined).once("close", () => proxy.destroy());
    const answered = to.answer(own, { database, address: "192.0.2.7", connection: "c" });
    const writer = new FrameWriter(proxy);
    const reader = new FrameReader(proxy);
    const sending = (async () => {
      await writer.write(headMessage({ headers }));
      for (const part of body) await writer.write(Buffer.from(part));
      if (whole) writer.end();
      else proxy.end();
    })().catch(() => undefined);
    try {
      const head = readAnswerHead(await reader.next());
      let text = "";
      for await (const chunk of reader.rest()) text += Buffer.from(chunk).toString();
      await answered;
      const { __type: type } = JSON.parse(text) as { __type?: string };
      return { status: head?.status ?? 0, type: type?.split("#")[1], id: head?.headers["x-postern-decision-id"] };
    } catch {
      return undefined;
    } finally {
      proxy.destroy();
      await sending;
    }
  }
  /** Sends a head and some MiB of a body that does not end; what is answered all the same, sooner or later. */
  async function dribble(headers: readonly string[], size: number): Promise<Dribble> {
    const [proxy, own] = duplexPair();
    proxy.on("error", () => undefined);
    own.on("error", () => undefined);
    void requests.answer(own, { database: DATABASE, address: "192.0.2.9", connection: "c" });
    let answered: string | undefined;
    const reader = new FrameReader(proxy);
    void (async () => {
      await reader.next();
      for await (const chunk of reader.rest())
        answered = (JSON.parse(Buffer.from(chunk).toString()) as { __type: string }).__type.split("#")[1];
    })().catch(() => undefined);
    const writer = new FrameWriter(proxy);
    await writer.write(headMessage({ headers }));
    for (let sent = 0; sent < size; sent++) await writer.write(Buffer.alloc(1_048_576));
    return { answered: () => answered, end: () => [proxy, own].forEach((side) => side.destroy()) };
  }
  const typeOf = async (...args: Parameters<typeof ask>): Promise<string | number | undefined> => {
    const answer = await ask(...args);
    return answer?.type ?? answer?.status;
  };

  before(async () => {
    gateway = await startTestGateway({
      upstream: (real) => ({
        send: (request) => {
          forwarded++;
          return real.send(request);
        },
        close: () => real.close(),
      }),
    });
    authorities = await ClusterAuthorities.make("example", clock);
    gateway.writeResources(PEOPLE);
    await eventually(() => gateway.gateway.services.state().directory.principalOf("bob") !== undefined);
  });
  after(() => gateway.close());
  beforeEach(async () => {
    offset = 0;
    forwarded = 0;
    identity = await agent();
    keys = new AgentKeys(clock);
    keys.use(identity);
    requests = open(
      {
        get identity() {
          return identity;
        },
      },
      keys,
    );
  });
  const opened: SdkRequests[] = [];
  after(() => {
    for (const one of opened) one.close();
  });
  function open(membership: { readonly identity: HostIdentity }, own: AgentKeys): SdkRequests {
    const services = { ...gateway.gateway.services, clock };
    const admission = new Admission({ services, membership, clock });
    const made = new SdkRequests({ services, membership, keys: own, admission, patience: 2000 });
    opened.push(made);
    return made;
  }

  it("passes what it does not touch, in the name of who signed it", async () => {
    const answer = await ask(signed(await credentials()), { body: [BODY.slice(0, 9), BODY.slice(9)] });
    assert.equal(answer?.status, 200);
    const event = gateway.eventOf(answer?.id);
    assert.deepEqual([event["user"], event["db_service"]], ["alice", DATABASE]);
  });

  it("changes nothing unnoticed, and what it changed is nobody's on record", async () => {
    const alice = await credentials();
    const bob = await credentials({ user: { name: "bob", roles: ["dev"], traits: {}, mfaVerified: false } });
    const own = signed(alice);
    const invalid = "InvalidSignatureException";
    const cases: readonly (readonly [string, string[], string, string?])[] = [
      ["the operation", changed(own, "x-amz-target", () => "DynamoDB_20120810.DeleteItem"), invalid],
      ["the body", own, invalid, BODY.replace("ada#1", "bob#1")],
      ["a longer body", own, invalid, `${BODY} `],
      ["the host", changed(own, "host", () => "other.example.com"), invalid],
      ["the content type", changed(own, "content-type", () => "application/json"), invalid],
      ["the region", changed(own, "authorization", (value) => value.replace("us-east-1", "eu-west-1")), invalid],
      ["the service", changed(own, "authorization", (value) => value.replace("/dynamodb/", "/sts/")), invalid],
      [
        "the time",
        changed(own, "x-amz-date", (value) => value.replace(/\d\dZ$/, "59Z").replace(/T\d\d/, "T00")),
        invalid,
      ],
      ["the signature", changed(own, "authorization", (value) => value.replace(/.{64}$/, "0".repeat(64))), invalid],
      ["a header more", [...own, "X-Amz-Extra", "1"], "IncompleteSignatureException"],
      ["an encoding", [...own, "Content-Encoding", "gzip"], "IncompleteSignatureException"],
      [
        "the token of another",
        changed(own, "x-amz-security-token", () => bob.sessionToken),
        "UnrecognizedClientException",
      ],
      [
        "the token of another, and his key id",
        changed(
          changed(own, "x-amz-security-token", () => bob.sessionToken),
          "authorization",
          (value) => value.replace(alice.accessKeyId, bob.accessKeyId),
        ),
        invalid,
      ],
      ["two tokens", [...own, "X-Amz-Security-Token", bob.sessionToken], "UnrecognizedClientException"],
      [
        "no token",
        own.filter((_, at) => own[at - (at % 2)]?.toLowerCase() !== "x-amz-security-token"),
        "UnrecognizedClientException",
      ],
      [
        "no signature",
        own.filter((_, at) => own[at - (at % 2)]?.toLowerCase() !== "authorization"),
        "MissingAuthenticationTokenException",
      ],
    ];
    // What is right is in no cache of the agent's yet, and then it is.
    for (const round of ["before", "after"]) {
      for (const [what, headers, type, body = BODY] of cases) {
        const answer = await ask(headers, { body: [body] });
        assert.equal(answer?.type, type, `${what}, ${round}`);
        const event = gateway.eventOf(answer?.id);
        assert.deepEqual([event["user"], event["db_user"], event["body"]], ["", "", null], what);
        const { reasons } = event["decision"] as { reasons: { code: string }[] };
        assert.deepEqual(
          reasons.map(({ code }) => code),
          ["sender_unproven"],
          what,
        );
      }
      assert.equal(forwarded, round === "before" ? 0 : 1);
      await ask(own);
    }
  });

  it("turns an honest region of the client's into none of its own choice", async () => {
    assert.equal(await typeOf(signed(await credentials(), { region: "eu-west-1" })), "InvalidSignatureException");
  });

  it("repeats a request for five minutes at most, and not after a lock", async () => {
    const own = signed(await credentials());
    assert.equal(await typeOf(own), 200);
    assert.equal(await typeOf(own), 200);
    offset = 301_000;
    assert.equal(await typeOf(own), "InvalidSignatureException");
    offset = 0;
    assert.equal(
      await typeOf(signed(await credentials(), { time: Date.now() + 301_000 })),
      "InvalidSignatureException",
    );
    gateway.writeResources(PEOPLE + LOCK);
    await eventually(async () => (await typeOf(own)) === "AccessDeniedException");
    gateway.writeResources(PEOPLE);
    await eventually(async () => (await typeOf(own)) === 200);
  });

  it("cannot take it elsewhere: to another agent, or to another database", async () => {
    const holder = await credentials();
    const stranger = await agent("agent-2");
    const others = new AgentKeys(clock);
    others.use(stranger);
    assert.equal(
      await typeOf(signed(holder), { to: open({ identity: stranger }, others) }),
      "UnrecognizedClientException",
    );
    assert.equal(await typeOf(signed(holder)), 200);
    assert.equal(await typeOf(signed(holder), { database: "other" }), "UnrecognizedClientException");
  });

  it("makes no credentials by itself", async () => {
    const foreign = await ClusterAuthorities.make("example", clock);
    const login = { route: undefined } as unknown as Parameters<typeof credentials>[0];
    for (const [what, holder] of [
      ["an authority of its own", await credentials({}, { of: foreign })],
      ["the certificate of a login", await credentials(login)],
      [
        "the certificate of another database",
        await credentials({ route: { database: "other", db_user: "ExampleRole" } }),
      ],
    ] as const)
      assert.equal(await typeOf(signed(holder)), "UnrecognizedClientException", what);
    // The certificate of somebody, without its key.
    const pair = newKeyPair();
    const holder = await credentials({}, { pair: { publicKey: pair.publicKey, privateKey: newKeyPair().privateKey } });
    assert.equal(await typeOf(signed(holder)), "UnrecognizedClientException");
    assert.equal(forwarded, 0);
  });

  it("lets nobody use credentials that have ended", async () => {
    const holder = await credentials();
    assert.equal(await typeOf(signed(holder)), 200);
    offset = 3_600_001;
    assert.equal(await typeOf(signed(holder)), "ExpiredTokenException");
    offset += 3_600_000;
    assert.equal(await typeOf(signed(holder), { to: open({ identity }, keys) }), "ExpiredTokenException");
    assert.equal(forwarded, 1);
  });

  it("cuts a request short, and nothing is done", async () => {
    const own = signed(await credentials());
    assert.equal(await ask(own, { body: [BODY.slice(0, 10)], whole: false }), undefined);
    assert.equal(await ask(own, { body: [BODY], whole: false }), undefined);
    assert.equal(forwarded, 0);
  });

  it("fills no memory", async () => {
    const own = signed(await credentials());
    const body = Array.from({ length: 17 }, () => "x".repeat(1_048_576));
    assert.equal(await typeOf(own, { body }), "RequestEntityTooLarge");
  });

  it("fills no memory with what is not proven: the others, and who has signed, have room", async () => {
    const holder = await credentials({ user: { name: "bob", roles: ["dev"], traits: {}, mfaVerified: false } });
    assert.equal(await typeOf(signed(holder)), 200);
    const forged = changed(signed(holder), "authorization", (value) => value.replace(/.{64}$/, "0".repeat(64)));
    // As many as would take all that there is.
    const begun: Dribble[] = [];
    for (let each = 0; each < 17; each++) begun.push(await dribble(forged, 16));
    assert.equal(await typeOf(signed(await credentials())), 200);
    // Some wait for their ends, and the rest were refused.
    const answers = new Set(begun.map(({ answered }) => answered()));
    assert.deepEqual(answers, new Set([undefined, "ServiceUnavailable"]));
    for (const { end } of begun) end();
    // What is announced is room for nobody else, so that not many begin what none can end.
    const announced: Dribble[] = [];
    for (let each = 0; each < 3; each++)
      announced.push(await dribble([...forged, "Content-Length", String(16 * 1_048_576)], 0));
    await eventually(() => announced.at(-1)?.answered() === "ServiceUnavailable");
    assert.deepEqual(
      announced.map(({ answered }) => answered()),
      [undefined, undefined, "ServiceUnavailable"],
    );
    for (const { end } of announced) end();
  });

  it("has nothing read in the name of who is locked, and puts on record why, without the name", async () => {
    const own = signed(await credentials());
    assert.equal(await typeOf(own), 200);
    gateway.writeResources(PEOPLE + LOCK);
    await eventually(async () => (await typeOf(own)) === "AccessDeniedException");
    const { answered, end } = await dribble(own, 1);
    await eventually(() => answered() === "AccessDeniedException");
    end();
    const event = gateway.audit().findLast(({ event: kind }) => kind === "db.session.dynamodb.request");
    const { user, decision } = event as { user: string; decision: { reasons: { code: string; message: string }[] } };
    const { reasons } = decision;
    assert.deepEqual([user, reasons.map(({ code }) => code)], ["", ["locked"]]);
    assert.match(String(reasons[0]?.message), /"alice" is locked/);
    gateway.writeResources(PEOPLE);
    await eventually(async () => (await typeOf(own)) === 200);
  });

  it("needs not to be told at once of an agent's new key: the one before counts for an hour", async () => {
    const holder = await credentials();
    identity = await agent();
    keys.use(identity);
    assert.equal(keys.told?.key_ids.length, 2);
    assert.equal(await typeOf(signed(holder)), 200);
    assert.equal(await typeOf(signed(await credentials())), 200);
    offset = 3_600_000 + 121_000;
    assert.equal(keys.told?.key_ids.length, 1);
    const late = await credentials({}, { to: { ...identity, privateKey: identity.privateKey } });
    assert.equal(
      keys.open(late.sessionToken, { certificate: new Uint8Array(), keyIds: keys.told?.key_ids ?? [] })?.reveal(),
      late.secretAccessKey,
    );
  });
});
