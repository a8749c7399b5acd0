import { deepEqual, equal, ok } from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { Secret } from "../../../src/base/secret.ts";
import { readStore } from "../../../src/compose/store-follower.ts";
import { type Caller, Callers } from "../../../src/control/callers.ts";
import { RouteCertificates } from "../../../src/control/route-certificates.ts";
import { Trust, type VerifiedUser, verifyUserCertificate } from "../../../src/identity/certificate-reader.ts";
import { Directory } from "../../../src/identity/directory.ts";
import { principalOfSession } from "../../../src/identity/session.ts";
import { HOUR, newKeyPair } from "../../support/cluster-authorities.ts";
import { ROOT } from "../../support/cluster.ts";
import { startLogins, type TestLogins } from "../../support/logins.ts";

const ALICE = "kind: user\nversion: v2\nmetadata: {name: alice}\nspec: {roles: [access]}\n";
const ROUTE = { database: "orders", db_user: "reader" };

interface Routes extends TestLogins {
  /** Logs alice in with a password that is set right before: a reset. */
  logInAnew(lifetime?: number): Promise<Caller>;
  issue(caller: Caller): Promise<VerifiedUser>;
  /** Whether an agent serves whoever shows this. */
  serves(shown: VerifiedUser): Promise<boolean>;
}

async function withRoutes(t: TestContext): Promise<Routes> {
  const started = await startLogins(ALICE, "off");
  t.after(() => started.close());
  const { people, logins, cluster, ring, clock } = started;
  const events = { healthy: true, record: async () => undefined };
  const callers = new Callers({ cluster, events, clock });
  const routes = new RouteCertificates({ cluster, ring, events, clock, isShown: () => true });
  const { publicKey } = newKeyPair();
  let resets = 0;
  return {
    ...started,
    async logInAnew(lifetime) {
      const password = new Secret(`correct horse battery ${++resets}`);
      await people.setPassword(ROOT, "alice", password);
      const asked = { user: "alice", password, address: null, publicKey, lifetime };
      const { certificate } = (await logins.logIn(asked)).certificate;
      return callers.identify({ address: "192.0.2.7", certificate: new X509Certificate(certificate).raw });
    },
    async issue(caller) {
      const { certificate } = await routes.issue(caller, ROUTE, newKeyPair().publicKey);
      const [host, user] = await Promise.all([cluster.authority("host"), cluster.authority("user")]);
      return verifyUserCertificate(certificate, { trust: new Trust({ host, user }), clock, isRevoked: () => false });
    },
    async serves({ user: { name, ...user }, ...shown }) {
      const set = await readStore(cluster.store);
      const directory = new Directory(set, clock);
      const ended = principalOfSession(
        { user: name, ...user, ...shown },
        { directory, voided: set.voided.get(name), now: clock.now() },
      );
      return !("ended" in ended);
    },
  };
}

describe("certificates for a database", () => {
  it("count right after a reset, as the login does that asks for them", async (t) => {
    const routes = await withRoutes(t);
    const caller = await routes.logInAnew();
    equal(await routes.serves(await routes.issue(caller)), true);
    const again = await routes.logInAnew();
    ok(again.issued > routes.clock.now(), "the login says that it was issued after what the reset voids");
    const shown = await routes.issue(again);
    equal(await routes.serves(shown), true);
    deepEqual([shown.issued, shown.expires], [again.issued, again.issued + HOUR]);
    // An ordinary one is of the instant at which it is asked for.
    routes.advance(10 * 60_000);
    const later = await routes.issue(again);
    ok(Math.abs(later.issued - routes.clock.now()) < 5_000);
  });

  it("last no longer than the login, also right after a reset", async (t) => {
    const routes = await withRoutes(t);
    await routes.logInAnew();
    const caller = await routes.logInAnew(10 * 60_000);
    const shown = await routes.issue(caller);
    equal(shown.expires, caller.expires);
  });

  it("count no more when the user is reset while they are asked for", async (t) => {
    const routes = await withRoutes(t);
    await routes.logInAnew();
    const caller = await routes.logInAnew();
    await routes.logInAnew();
    equal(await routes.serves(await routes.issue(caller)), false);
  });
});
