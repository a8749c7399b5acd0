import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { FollowedMembership } from "../../../src/agent/followed-membership.ts";
import { IdentityFile } from "../../../src/agent/host-identity.ts";
import { type Member, Membership, type MembershipOptions } from "../../../src/agent/membership.ts";
import { Secret } from "../../../src/base/secret.ts";
import { advanceRotation, pinOf, startRotation } from "../../../src/identity/authority.ts";
import { newAuthorityKey } from "../../../src/identity/authority-keys.ts";
import type { SignedIdentityRequest } from "../../../src/identity/iam-join.ts";
import { CHALLENGE_HEADER } from "../../../src/identity/iam-join.ts";
import type { StoredValue } from "../../../src/store/store.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { documents, ROOT } from "../../support/cluster.ts";
import { openRealDoor, type RealDoor } from "../../support/doors.ts";
import { eventually } from "../../support/eventually.ts";
import { identityAnswer, signedIdentityRequest } from "../../support/identity-request.ts";

const DAY = 24 * 3_600_000;
const TOKEN = "0123456789abcdef0123456789abcdef";
const TOKENS = `
kind: token
version: v2
metadata: {name: ${TOKEN}}
spec: {roles: [Db]}
---
kind: token
version: v2
metadata: {name: agents}
spec: {roles: [Db], join_method: iam, allow: [{aws_account: "123456789012"}]}
`;

describe("an agent's membership", () => {
  let door: RealDoor;
  let directory: string;
  let open: Member[];
  let log: string;
  /** Sleepers, with how long each wanted to sleep. */
  let sleeping: { readonly ms: number; readonly wake: () => void }[];

  beforeEach(async () => {
    // One each: TLS itself knows the machine's own time only, so that what a door issues later would be no use.
    door = await openRealDoor("", "off", { askSts: async () => ({ status: 200, body: identityAnswer() }) });
    await door.administration.create(ROOT, documents(TOKENS), { force: false });
    directory = mkdtempSync(join(tmpdir(), "postern-agent-"));
    open = [];
    log = "";
    sleeping = [];
    door.events.length = 0;
  });
  afterEach(async () => {
    await Promise.all(open.map((one) => one.close()));
    await door.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(more: Partial<MembershipOptions> = {}): Promise<Membership> {
    const port = Number(door.proxy.split(":")[1]);
    const membership = await Membership.open({
      proxy: { host: "127.0.0.1", port, text: door.proxy },
      pins: [door.pin],
      nodeName: "db-1",
      clock: door.clock,
      token: () => new Secret(TOKEN),
      file: new IdentityFile(directory),
      log: createLog({ severity: "debug", format: "text", write: (line) => void (log += line) }),
      random: () => 0.5,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve());
          sleeping.push({ ms, wake: resolve });
        }),
      needed: true,
      ...more,
    });
    open.push(membership);
    return membership;
  }

  /** Ends the sleep under way, and waits for the next one. @returns how long that is to be */
  async function wake(): Promise<number> {
    const before = sleeping.length;
    sleeping.at(-1)?.wake();
    await eventually(() => sleeping.length > before);
    return sleeping.at(-1)?.ms ?? 0;
  }

  const hostIdOf = ({ identity }: Membership): string | undefined => identity?.stated.hostId;
  const joins = (): number => door.events.filter(({ event }) => event === "instance.join").length;

  it("is joined once, kept where only this user reads it, and taken up after a restart", async () => {
    const first = await start();
    const { stated, trusted } = first.identity ?? assert.fail("it has not joined");
    assert.deepEqual([stated.role, stated.cluster, first.readiness], ["db", "example", null]);
    assert.deepEqual(trusted.host.map(pinOf), [door.pin]);
    assert.match(log, new RegExp(`Joined cluster "example" as host ${stated.hostId}`));
    const file = join(directory, "identity", "db.json");
    assert.deepEqual([statSync(file).mode & 0o777, statSync(join(directory, "identity")).mode & 0o777], [0o600, 0o700]);
    assert.ok(!log.includes(TOKEN) && !readFileSync(file, "utf8").includes(TOKEN));
    await first.close();
    const second = await start({ token: () => assert.fail("the token was asked for") });
    assert.deepEqual([second.identity?.stated.hostId, joins()], [stated.hostId, 1]);
  });

  it("is not lost when it cannot be written: it serves, and is written later, without another token", async () => {
    let isFull = true;
    class Disk extends IdentityFile {
      override write(identity: Parameters<IdentityFile["write"]>[0]): void {
        if (isFull) throw new Error("no space left on device");
        super.write(identity);
      }
    }
    const membership = await start({ file: new Disk(directory) });
    const hostId = hostIdOf(membership);
    assert.deepEqual([membership.readiness, await new IdentityFile(directory).read()], [null, undefined]);
    assert.match(log, /Cannot keep the new certificate.*no space left on device/);
    await wake();
    assert.equal(await new IdentityFile(directory).read(), undefined);
    isFull = false;
    await wake();
    assert.deepEqual([(await new IdentityFile(directory).read())?.stated.hostId, joins()], [hostId, 1]);
  });

  it("is renewed with another key when two thirds of the certificate's life are over, not before", async () => {
    const membership = await start();
    const first = membership.identity ?? assert.fail("it has not joined");
    door.advance(4 * DAY);
    await wake();
    assert.equal(membership.identity, first);
    door.advance(0.7 * DAY);
    await wake();
    const next = membership.identity ?? assert.fail("it is no member any more");
    assert.equal(next.stated.hostId, first.stated.hostId);
    assert.ok(next.stated.expires > first.stated.expires && !next.stated.publicKey.equals(first.stated.publicKey));
    assert.equal(new IdentityFile(directory).path.endsWith("db.json"), true);
    assert.equal((await new IdentityFile(directory).read())?.certificate, next.certificate);
    assert.equal(joins(), 1);
  });

  it("follows the cluster's authorities as they change their keys", async () => {
    const membership = await start();
    const { store } = door.cluster;
    const old = await door.cluster.authority("host");
    const set = async (value: object): Promise<void> => {
      await store.write([{ op: "put", kind: "authority", name: "host", value: value as StoredValue }]);
      door.listening.show(await door.identity.current());
    };
    const begun = startRotation(old, await newAuthorityKey("host", "example", door), door.clock.now());
    const newPin = pinOf(begun.other?.certificate ?? "");
    await set(begun);
    await wake();
    assert.deepEqual(membership.identity?.trusted.host.map(pinOf), [door.pin, newPin]);
    // The door shows the new one from here on.
    const issuing = advanceRotation(begun, "update_clients", door.clock.now());
    await set(issuing);
    await wake();
    assert.deepEqual(membership.identity?.trusted.host.map(pinOf), [newPin, door.pin]);
    await set(advanceRotation(advanceRotation(issuing, "update_servers", 0), "standby", 0));
    await wake();
    assert.deepEqual([membership.identity?.trusted.host.map(pinOf), membership.readiness], [[newPin], null]);
    assert.equal(joins(), 1);
  });

  it("goes on trying while the cluster cannot be reached, less and less often, and says so", async () => {
    const nowhere = { host: "127.0.0.1", port: 1, text: "127.0.0.1:1" };
    const membership = await start({ proxy: nowhere });
    assert.match(membership.readiness ?? "", /^has not joined the cluster yet: Cannot reach 127\.0\.0\.1:1/);
    const waits = [sleeping.at(-1)?.ms ?? 0];
    for (let at = 0; at < 9; at++) waits.push(await wake());
    assert.ok(waits.every((wait, at) => at === 0 || wait >= (waits[at - 1] ?? 0)));
    assert.ok((waits[0] ?? 0) <= 1000 && (waits.at(-1) ?? 0) <= 5 * 60_000 && (waits.at(-1) ?? 0) > 60_000);
    assert.equal(log.match(/Cannot join the cluster/g)?.length, 1);
    assert.match(log, /check postern\.proxy_server/);
  });

  it("serves on with the certificate at hand when a renewal fails, until that has ended; then it joins anew", async () => {
    const membership = await start();
    const { hostId } = membership.identity?.stated ?? assert.fail("it has not joined");
    const lock = `kind: lock\nversion: v2\nmetadata: {name: l}\nspec: {target: {server_id: ${hostId}}}\n`;
    await door.administration.create(ROOT, documents(lock), { force: false });
    door.advance(5 * DAY);
    await wake();
    assert.match(log, /the one at hand serves on.*it is locked/);
    assert.deepEqual([membership.identity?.stated.hostId, membership.readiness], [hostId, null]);
    door.advance(2 * DAY);
    assert.equal(hostIdOf(membership), undefined);
    assert.match(membership.readiness ?? "", /^the certificate has ended: .*locked/);
    await wake();
    assert.notEqual(hostIdOf(membership), hostId);
    assert.equal(membership.readiness, null);
  });

  it("proves its AWS identity anew for each certificate, and stays the host that it is", async () => {
    const asked: string[] = [];
    const proveIdentity = async (challenge: string): Promise<SignedIdentityRequest> => {
      asked.push(challenge);
      return signedIdentityRequest({ at: door.clock.now(), headers: { [CHALLENGE_HEADER]: challenge } });
    };
    const membership = await start({ token: () => new Secret("agents"), proveIdentity });
    const { hostId } = membership.identity?.stated ?? assert.fail("it has not joined");
    door.advance(5 * DAY);
    await wake();
    assert.deepEqual([membership.identity?.stated.hostId, new Set(asked).size, joins()], [hostId, 2, 2]);
  });

  it("is not begun with a wrong pin, with no known authority, or with a token that is refused", async () => {
    await assert.rejects(start({ pins: [`sha256:${"0".repeat(64)}`] }), { code: "pin_wrong" });
    await assert.rejects(start({ pins: [] }), {
      code: "proxy_untrusted",
      hint: /^set postern\.ca_pin to the pin/,
    });
    await assert.rejects(start({ token: () => new Secret("f".repeat(32)) }), { code: "join_refused" });
    assert.ok(!JSON.stringify(door.events).includes("f".repeat(20)));
    const tolerant = await start({ token: () => new Secret("f".repeat(32)), needed: false });
    assert.match(tolerant.readiness ?? "", /has not joined the cluster yet/);
  });

  it("says how far the clocks are apart, when they are", async () => {
    const { now, monotonic } = door.clock;
    const slow = { now: () => now() - 3_600_000, monotonic };
    await assert.rejects(start({ clock: slow }), { code: "clock_skew" });
    assert.match(log, /Clocks differ: this machine's clock is [0-9]+ s (?:behind|ahead of) the proxy's/);
  });

  for (const [what, spoil, code] of [
    ["others can read", (file: string) => chmodSync(file, 0o640), "identity_insecure"],
    ["lies where others can look", (file: string) => chmodSync(join(file, ".."), 0o755), "identity_insecure"],
    ["is not what was written", (file: string) => writeFileSync(file, "{}"), "identity_invalid"],
  ] as const) {
    it(`does not use an identity that ${what}`, async () => {
      await (await start()).close();
      const file = new IdentityFile(directory).path;
      const secret =
        (JSON.parse(readFileSync(file, "utf8")) as { private_key: string }).private_key.split("\n")[1] ?? "";
      spoil(file);
      await assert.rejects(start(), (error: Error & { code?: string }) => {
        assert.equal(error.code, code);
        assert.ok(!`${error.message}${String(error.cause)}`.includes(secret));
        return true;
      });
    });
  }

  it("is followed by other workers of the service, which join nothing and renew nothing", async () => {
    const file = new IdentityFile(directory);
    const follow = async (): Promise<FollowedMembership> => {
      const log = createLog({ severity: "debug", format: "text", write: () => undefined });
      const followed = await FollowedMembership.open({ file, clock: door.clock, log, every: 10 });
      open.push(followed);
      return followed;
    };
    const early = await follow();
    assert.equal(early.identity, undefined);
    assert.equal(early.readiness, "has not joined the cluster yet");
    const membership = await start();
    await eventually(() => early.identity?.certificate === membership.identity?.certificate);
    assert.equal(early.readiness, null);
    const late = await follow();
    const shown = late.identity;
    assert.equal(shown?.certificate, membership.identity?.certificate);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(late.identity, shown, "the same object while nothing changes");
    assert.equal(joins(), 1);
    const text = readFileSync(file.path, "utf8");
    writeFileSync(file.path, "what is no identity");
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(late.identity, shown, "the one at hand serves on");
    writeFileSync(file.path, text);
    await new Promise((resolve) => setTimeout(resolve, 100));
    door.advance(8 * DAY);
    assert.equal(late.identity, undefined);
    assert.equal(late.readiness, "the certificate has ended");
  });
});
