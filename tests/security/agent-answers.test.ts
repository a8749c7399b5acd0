import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, before, describe, it } from "node:test";
import { IdentityFile } from "../../src/agent/host-identity.ts";
import { Membership } from "../../src/agent/membership.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { Secret } from "../../src/base/secret.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { ClusterAuthorities, HOUR, newKeyPair, settableClock } from "../support/cluster-authorities.ts";
import { type Play, type PlayedDoor, type PlayOptions, playDoor } from "../support/doors.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

/** Everything that an honest door says to an agent that joins. */
interface Answer {
  host_id: string;
  certificate: string;
  renewable: boolean;
  cluster: string;
  trusted: { host: { certificate: string }[]; user: { certificate: string }[] };
}

describe("what an agent believes of a door", () => {
  let ours: ClusterAuthorities;
  let theirs: ClusterAuthorities;
  let door: PlayedDoor | undefined;
  let directory: string;
  before(async () => {
    ours = await ClusterAuthorities.make("example", systemClock);
    theirs = await ClusterAuthorities.make("example", systemClock);
  });
  afterEach(async () => {
    await door?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function play(change: (answer: Answer, publicKey: string) => Promise<object> | object): Play {
    return async ({ path, body }) => {
      const trusted = {
        host: [{ certificate: ours.host.active.certificate }],
        user: [{ certificate: ours.user.active.certificate }],
      };
      if (path === "/v1/authorities") return { cluster: "example", trusted };
      const { public_key: publicKey } = JSON.parse(body) as { public_key: string };
      const { certificate } = await ours.issueHost({ hostId: "h-1", role: "db", names: ["h-1"], publicKey });
      return change({ host_id: "h-1", certificate, renewable: true, cluster: "example", trusted }, publicKey);
    };
  }

  async function joins(played: Play, options: PlayOptions = {}): Promise<Membership> {
    directory = mkdtempSync(join(tmpdir(), "postern-agent-"));
    door = await playDoor(ours, played, options);
    return await opened();
  }

  async function opened(clock: Clock = systemClock): Promise<Membership> {
    const { proxy, pin } = door ?? assert.fail("there is no door");
    const [host = "", port = ""] = proxy.split(":");
    return await Membership.open({
      proxy: { host, port: Number(port), text: proxy },
      pins: [pin],
      nodeName: "db-1",
      clock,
      token: () => new Secret(TOKEN),
      file: new IdentityFile(directory),
      log: createLog({ severity: "error", format: "text", write: () => undefined }),
      random: () => 0.5,
      sleep: (_, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
      needed: true,
    });
  }

  it("is all of it when it is honest", async () => {
    const membership = await joins(play((answer) => answer));
    assert.equal(membership.identity?.stated.hostId, "h-1");
    await membership.close();
  });

  const lies: Record<string, (answer: Answer, publicKey: string) => Promise<object> | object> = {
    "a certificate for another key": async (answer) => ({
      ...answer,
      certificate: (await ours.issueHost({ hostId: "h-1", role: "db", names: [], publicKey: newKeyPair().publicKey }))
        .certificate,
    }),
    "a certificate for another role": async (answer, publicKey) => ({
      ...answer,
      certificate: (await ours.issueHost({ hostId: "h-1", role: "proxy", names: [], publicKey })).certificate,
    }),
    "a certificate for another host than it says": (answer) => ({ ...answer, host_id: "h-2" }),
    "a user's certificate": async (answer, publicKey) => ({
      ...answer,
      certificate: (await ours.issueUser({ publicKey })).certificate,
    }),
    "a certificate that none of the authorities signed": async (answer, publicKey) => ({
      ...answer,
      certificate: (await theirs.issueHost({ hostId: "h-1", role: "db", names: [], publicKey })).certificate,
    }),
    "another cluster's name": (answer) => ({ ...answer, cluster: "other" }),
    "authorities among which is none that vouches for the door": (answer) => ({
      ...answer,
      trusted: { ...answer.trusted, host: [{ certificate: theirs.host.active.certificate }] },
    }),
    "a user authority that is none": (answer) => ({
      ...answer,
      trusted: { ...answer.trusted, user: [{ certificate: answer.certificate }] },
    }),
    "a host authority that is none": (answer) => ({
      ...answer,
      trusted: {
        ...answer.trusted,
        host: [...answer.trusted.host, { certificate: answer.certificate }],
      },
    }),
  };
  for (const [what, change] of Object.entries(lies)) {
    it(`is not ${what}`, async () => {
      await assert.rejects(joins(play(change)), { code: "join_answer_refused" });
      assert.ok(!existsSync(join(directory, "identity")));
    });
  }

  it("is not a certificate that has ended; then it is said how far the clocks are apart", async () => {
    const past = settableClock(Date.now() - 30 * 24 * HOUR);
    const old = await ClusterAuthorities.make("example", past);
    directory = mkdtempSync(join(tmpdir(), "postern-agent-"));
    door = await playDoor(
      old,
      play((answer) => answer),
    );
    const ahead = { now: () => Date.now() + 8 * HOUR, monotonic: () => 0 };
    await assert.rejects(opened(ahead), (error: Error & { code?: string; hint?: string }) => {
      assert.equal(error.code, "clock_skew");
      assert.match(
        error.hint ?? "",
        /^this machine's clock is 2(?:879|880)[0-9] s ahead of the proxy's: set it right$/,
      );
      return true;
    });
    assert.ok(!door.asked.some(({ body }) => body.includes(TOKEN)));
  });

  it("is nothing of an agent that stands in the door, which gets to see no token", async () => {
    await assert.rejects(
      joins(
        play((answer) => answer),
        { host: { role: "db" } },
      ),
      {
        code: "proxy_untrusted",
      },
    );
    assert.deepEqual(
      door?.asked.map(({ path }) => path),
      ["/v1/authorities"],
    );
  });

  it("is nothing of a door that only shows the pinned authority beside its own certificate", async () => {
    const pinned = theirs.host.active.certificate;
    await assert.rejects(
      joins(
        play((answer) => answer),
        { beside: pinned },
      ),
      (error: Error & { code?: string }) => ["pin_wrong", "proxy_untrusted"].includes(String(error.code)),
    );
    assert.deepEqual(door?.asked, []);
  });
});
