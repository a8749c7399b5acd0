import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { it } from "node:test";
import { systemClock } from "../../../../src/base/clock.ts";
import { Secret } from "../../../../src/base/secret.ts";
import { logInAgain } from "../../../../src/cli/database/log-in-again.ts";
import { type Profile, Profiles, proxyAddress } from "../../../../src/cli/login/profiles.ts";
import { readOwnCertificate } from "../../../../src/identity/certificate-reader.ts";
import { ClusterAuthorities, HOUR, settableClock } from "../../../support/cluster-authorities.ts";
import { honest, playDoor } from "../../../support/doors.ts";

it("logging in again at a port of one cluster leaves another one the current", async () => {
  const directory = mkdtempSync(join(tmpdir(), "postern-again-"));
  const profiles = new Profiles(join(directory, "home"));
  const clock = settableClock(Date.now() - 2 * HOUR);
  const authorities = await ClusterAuthorities.make("example", clock);
  const { certificate } = await authorities.issueUser();
  clock.set(Date.now());
  const door = await playDoor(authorities, honest(authorities));
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => input });
  const profile: Profile = {
    proxy: proxyAddress(door.proxy),
    door: "cluster",
    certificate,
    privateKey: new Secret(authorities.keys.privateKey),
    trusted: [authorities.host.active.certificate],
    stated: await readOwnCertificate(certificate),
  };
  // Of another cluster, which is in use on another terminal.
  const other = { ...profile, proxy: proxyAddress("other.example:443") };
  try {
    profiles.save(profile);
    profiles.save(other);
    const say = (text: string): void => {
      if (text.startsWith("Press Enter")) input.write("\r");
      if (text.startsWith("Password of")) input.write("pw\r");
    };
    await logInAgain(
      {
        profile: async () => (await profiles.read(profile.proxy)) ?? assert.fail("it is gone"),
        signal: new AbortController().signal,
        onGivenUp: () => assert.fail("it was given up"),
      },
      { profiles, input: input as never, write: () => undefined, say, clock: systemClock, openBrowser: () => false },
    )();
    assert.notEqual((await profiles.read(profile.proxy))?.certificate, certificate);
    assert.equal(profiles.current(), "other.example:443");
  } finally {
    await door.close();
    rmSync(directory, { recursive: true, force: true });
  }
});
