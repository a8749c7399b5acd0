import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { it } from "node:test";
import { openOidcDoor, refusalOf } from "../support/oidc-door.ts";

it("a login ends by itself when the identity provider takes connections and says nothing", async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => void sockets.add(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const door = await openOidcDoor("kind: role\nversion: v7\nmetadata: {name: dev}\nspec: {}\n");
  try {
    await door.connect(`
kind: oidc
version: v3
metadata: {name: silent}
spec:
  issuer_url: http://127.0.0.1:${(silent.address() as AddressInfo).port}
  client_id: postern
  redirect_url: ${door.redirectUrl}
  claims_to_roles: [{claim: groups, value: dev, roles: [dev]}]
`);
    const begun = await door.begin("silent");
    const answered = await door.redeem(begun, await door.depart(begun, door.browser()));
    assert.equal(refusalOf(answered), "503 oidc_provider_failed");
    assert.match(answered.text, /there was no answer in time/);
    assert.ok(sockets.size > 0);
  } finally {
    for (const socket of sockets) socket.destroy();
    silent.close();
    await door.close();
  }
});
