import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Secret } from "../../../src/base/secret.ts";
import { type RouteCredentials, RouteKeeper } from "../../../src/local-proxy/route-keeper.ts";
import { eventually } from "../../support/eventually.ts";

const HOUR = 3_600_000;

class World {
  now = 0;
  asked = 0;
  loginEnds = Infinity;
  failing: string | undefined;
  readonly renewed: number[] = [];
  readonly failed: string[] = [];
  readonly keeper = new RouteKeeper({
    clock: { now: () => this.now, monotonic: () => this.now },
    issue: async () => {
      this.asked++;
      // As long as asking takes.
      await new Promise((resolve) => setImmediate(resolve));
      if (this.failing !== undefined) throw new Error(this.failing);
      const made: RouteCredentials = {
        certificate: `certificate ${this.asked}`,
        privateKey: new Secret("key"),
        trusted: [],
        expires: Math.min(this.now + HOUR, this.loginEnds),
      };
      return made;
    },
    onRenewed: ({ expires }) => this.renewed.push(expires),
    onFailed: (error) => this.failed.push((error as Error).message),
  });
  async shown(): Promise<string> {
    return (await this.keeper.current()).certificate;
  }
}

describe("RouteKeeper", () => {
  it("asks once for all who come at the same time", async () => {
    const world = new World();
    const shown = await Promise.all(Array.from({ length: 50 }, () => world.shown()));
    assert.deepEqual([new Set(shown).size, world.asked, world.renewed], [1, 1, []]);
  });

  it("renews at two thirds of its life, while the one at hand serves on", async () => {
    const world = new World();
    await world.shown();
    world.now = (HOUR * 2) / 3 - 1;
    assert.equal(await world.shown(), "certificate 1");
    assert.equal(world.asked, 1);
    world.now += 1;
    const during = await Promise.all([world.shown(), world.shown()]);
    assert.deepEqual(during, ["certificate 1", "certificate 1"]);
    await eventually(async () => (await world.shown()) === "certificate 2");
    assert.deepEqual([world.asked, world.renewed], [2, [world.now + HOUR]]);
  });

  it("serves on with the one at hand when there is no other, and asks again after a while", async () => {
    const world = new World();
    await world.shown();
    world.now = HOUR * 0.7;
    world.failing = "the cluster is away";
    assert.equal(await world.shown(), "certificate 1");
    await eventually(() => world.failed.length === 1);
    await world.shown();
    assert.equal(world.asked, 2, "not with every connection");
    world.now += 15_000;
    await world.shown();
    await eventually(() => world.failed.length === 2);
  });

  it("asks but now and then at the end of a login, when no other holds longer, and says nothing of it", async () => {
    const world = new World();
    world.loginEnds = 60_000;
    await world.shown();
    for (world.now = 40_000; world.now < 60_000; world.now += 100) {
      await world.shown();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual([world.asked, world.renewed], [3, []]);
  });

  it("never shows one that has ended: who comes then is told why there is none, and is served when there is one again", async () => {
    const world = new World();
    await world.shown();
    world.now = HOUR;
    world.failing = "the login has ended";
    await assert.rejects(world.shown(), /the login has ended/);
    await assert.rejects(world.shown(), /the login has ended/);
    world.failing = undefined;
    assert.equal(await world.shown(), "certificate 4");
  });

  it("gets others for those that an agent seems to refuse, at most now and then", async () => {
    const world = new World();
    const refused = await world.keeper.current();
    world.keeper.doubt(refused);
    assert.equal(await world.shown(), "certificate 2");
    assert.equal(await world.shown(), "certificate 2");
    // What is no longer shown is doubted no more.
    world.now += 20_000;
    world.keeper.doubt(refused);
    assert.equal(await world.shown(), "certificate 2");
    world.keeper.doubt(await world.keeper.current());
    assert.equal(await world.shown(), "certificate 3");
    world.keeper.doubt(await world.keeper.current());
    assert.equal(await world.shown(), "certificate 3", "not within 15 s of the last");
    world.now += 15_000;
    world.keeper.doubt(await world.keeper.current());
    assert.equal(await world.shown(), "certificate 4");
  });

  it("shows the doubted ones on while there are no others", async () => {
    const world = new World();
    world.keeper.doubt(await world.keeper.current());
    world.failing = "the cluster is away";
    assert.equal(await world.shown(), "certificate 1");
  });

  it("gives others instead of those that do not fit, one for all who ask, and the same when there are none", async () => {
    const world = new World();
    const first = await world.keeper.current();
    assert.equal(await world.keeper.instead(first), first, "a moment old: there are no others yet");
    world.now += 1000;
    const others = await Promise.all([world.keeper.instead(first), world.keeper.instead(first)]);
    assert.deepEqual(
      others.map(({ certificate }) => certificate),
      ["certificate 2", "certificate 2"],
    );
    assert.equal((await world.keeper.instead(first)).certificate, "certificate 2", "those at hand are others");
    assert.equal(world.asked, 2);
    world.now += 1000;
    world.failing = "the cluster is away";
    const [second] = others;
    assert.equal(await world.keeper.instead(second), second);
  });
});
