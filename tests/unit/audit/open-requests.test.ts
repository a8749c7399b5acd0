import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { OpenRequest, OpenRequests } from "../../../src/audit/open-requests.ts";
import { newFacts } from "./support.ts";

const requestOf = (uid: string, first: number): OpenRequest => new OpenRequest(uid, newFacts().session, "{}", first);

describe("OpenRequests", () => {
  it("holds what was added until it is deleted, in whatever order, once", () => {
    const open = new OpenRequests();
    const requests = Array.from({ length: 50 }, (_, at) => requestOf(String(at), 100 - at));
    for (const request of requests) open.add(request);
    const order = requests.toSorted((one, other) => ((Number(one.uid) * 17) % 50) - ((Number(other.uid) * 17) % 50));
    const left = new Set(requests);
    for (const request of order) {
      assert.equal(open.size, left.size);
      assert.equal(open.first, Math.min(...[...left].map(({ first }) => first)));
      open.delete(request);
      open.delete(request);
      left.delete(request);
      assert.deepEqual(
        requests.map((one) => open.has(one)),
        requests.map((one) => left.has(one)),
      );
    }
    assert.deepEqual([open.size, open.first, open.late()], [0, undefined, []]);
  });

  it("knows its own from those of another, and those that are late", () => {
    const [open, other] = [new OpenRequests(), new OpenRequests()];
    const [mine, theirs] = [requestOf("mine", 1), requestOf("theirs", 1)];
    open.add(mine);
    other.add(theirs);
    open.delete(theirs);
    assert.deepEqual([open.has(theirs), open.has(mine), other.has(theirs)], [false, true, true]);
    mine.late = true;
    assert.deepEqual([open.late(), other.late()], [[mine], []]);
  });
});
