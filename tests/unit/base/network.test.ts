import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { networkOf } from "../../../src/base/network.ts";

describe("networkOf()", () => {
  it("is an IPv4 address itself, however it is written, and 64 bits of an IPv6 one", () => {
    for (const [address, network] of [
      ["192.0.2.1", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["2001:db8:0:1:aaaa::1", "2001:db8:0:1"],
      ["2001:0db8::1:0:0:0:2", "2001:db8:0:1"],
      ["2001:db8:0:2::1", "2001:db8:0:2"],
      ["fe80::1%eth0", "fe80:0:0:0"],
      ["::1", "0:0:0:0"],
      ["", ""],
    ] as const)
      assert.equal(networkOf(address), network, address);
  });
});
