import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SdkKms } from "../../../src/aws/kms.ts";

describe("the way to KMS", () => {
  it("leads nowhere where others could read the keys", () => {
    const at = (endpoint?: string): SdkKms => new SdkKms({ keyId: "alias/postern", region: "us-east-1", endpoint });
    for (const endpoint of [undefined, "https://kms.example.com", "http://127.0.0.1:5000", "http://[::1]:5000"])
      at(endpoint);
    for (const endpoint of [
      "http://kms.example.com",
      "http://127.0.0.1.example.com",
      "kms.example.com",
      "ftp://127.0.0.1",
    ])
      assert.throws(() => at(endpoint), { code: "endpoint_invalid", message: /plain HTTP leaves this machine/ });
  });
});
