import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import { parseAddress } from "../../../src/config/address.ts";
import { publicAddressOf } from "../../../src/config/public-address.ts";

function addressOf(listening: string, written?: string): ReturnType<typeof publicAddressOf> {
  const parsed = parseAddress(listening);
  assert.ok("address" in parsed);
  const proxy = {
    enabled: true,
    listen_addr: parsed.address,
    ...(written === undefined ? {} : { public_addr: written }),
  };
  return publicAddressOf({ proxy_service: proxy, positionOf: () => undefined } as unknown as Config);
}

describe("publicAddressOf()", () => {
  it("is what is written, with browsers' spelling of the origin", () => {
    assert.deepEqual(addressOf("0.0.0.0:3080", "Postern.Example.com:443"), {
      host: "postern.example.com",
      proxy: "postern.example.com:443",
      origin: "https://postern.example.com",
      isName: true,
    });
    assert.equal(addressOf("0.0.0.0:3080", "postern.example.com").proxy, "postern.example.com:443");
    assert.equal(addressOf("0.0.0.0:3080", "postern.example.com:3080").origin, "https://postern.example.com:3080");
    assert.equal(addressOf("127.0.0.1:1", "192.0.2.1:3080").isName, false);
    assert.equal(addressOf("0.0.0.0:1", "127.0.0.1:3080").host, "127.0.0.1");
  });

  it("is called localhost where only this machine or every address is meant", () => {
    for (const listening of ["127.0.0.1:3080", "[::1]:3080", "0.0.0.0:3080", "[::]:3080", "localhost:3080"])
      assert.equal(addressOf(listening).origin, "https://localhost:3080");
    const { proxy, origin, isName } = addressOf("[2001:db8::1]:3080");
    assert.deepEqual([proxy, origin, isName], ["[2001:db8::1]:3080", "https://[2001:db8::1]:3080", false]);
  });

  it("refuses what is no address", () => {
    for (const text of ["https://x/y", "/run/x.sock", "unix:x", "x:70000", ":443"])
      assert.throws(() => addressOf("127.0.0.1:3080", text), { code: "public_addr_invalid" });
  });
});
