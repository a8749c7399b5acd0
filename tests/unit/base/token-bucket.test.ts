import { deepEqual, equal } from "node:assert/strict";
import { describe, it } from "node:test";
import { TokenBucket } from "../../../src/base/token-bucket.ts";

describe("a bucket of tokens", () => {
  it("gives as many at once as it holds, then one each time that one has come, and says how long that takes", () => {
    const bucket = new TokenBucket({ burst: 3, every: 100 }, 1000);
    deepEqual(
      [1, 2, 3, 4].map(() => bucket.take(1000)),
      [0, 0, 0, 100],
    );
    equal(bucket.take(1040), 60);
    equal(bucket.take(1100), 0);
    equal(bucket.take(1100), 100);
    deepEqual(
      [1, 2, 3, 4].map(() => bucket.take(9000)),
      [0, 0, 0, 100],
      "no more than it holds, however long nobody takes any",
    );
  });

  it("is as if nothing had been taken when all has come back", () => {
    const bucket = new TokenBucket({ burst: 2, every: 100 }, 0);
    equal(bucket.isFull(0), true);
    bucket.take(0);
    deepEqual([bucket.isFull(99), bucket.isFull(100)], [false, true]);
  });
});
