import assert from "node:assert/strict";
import { it } from "node:test";
import { clientSecretContext } from "../../../src/control/connectors.ts";
import { deviceCodeContext } from "../../../src/control/device-logins.ts";
import { legContext } from "../../../src/control/oidc-logins.ts";
import { parseOidcConnector } from "../../../src/identity/oidc-connector.ts";
import type { SealingContext } from "../../../src/identity/sealing.ts";
import { LIAR_SECRET, startLyingProvider } from "../../support/lying-provider.ts";
import { openOidcDoor } from "../../support/oidc-door.ts";

it("what logins and connectors seal opens, and can be sealed anew, by what its resource says", async () => {
  const door = await openOidcDoor("kind: role\nversion: v7\nmetadata: {name: dev}\nspec: {}\n");
  const provider = await startLyingProvider(() => Date.now());
  try {
    await door.connect(`
kind: oidc
version: v3
metadata: {name: corp}
spec:
  issuer_url: ${provider.issuer}
  client_id: postern
  client_secret: ${LIAR_SECRET}
  redirect_url: ${door.redirectUrl}
  claims_to_roles: [{claim: groups, value: dev, roles: [dev]}]
`);
    await door.depart(await door.begin("corp"), door.browser(), ({ origin }) => origin === provider.issuer);
    await door.post("/v1/login/device", { connector: "corp", public_key: door.keys.publicKey });
    const places: Record<string, (value: unknown, name: string) => [text: unknown, context: SealingContext]> = {
      oidc: (value) => [
        (value as { spec: { client_secret: unknown } }).spec.client_secret,
        clientSecretContext(parseOidcConnector(value).value),
      ],
      browser_login: (value, id) => [(value as { leg: { verifier: unknown } }).leg.verifier, legContext(id)],
      device_login: (value, id) => [(value as { device_code: unknown }).device_code, deviceCodeContext(id)],
    };
    for (const [kind, place] of Object.entries(places)) {
      const [resource] = await door.cluster.store.list(kind);
      const [text, context] = place(resource?.value, resource?.name ?? "");
      assert.equal(typeof text, "string", kind);
      const before = door.ring.open(String(text), context).reveal();
      assert.equal(door.ring.open(door.ring.reseal(String(text), context), context).reveal(), before);
    }
  } finally {
    await provider.close();
    await door.close();
  }
});
