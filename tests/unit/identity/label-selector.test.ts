import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { labelsFit, type LabelSelector } from "../../../src/identity/label-selector.ts";

describe("labelsFit()", () => {
  const cases: readonly (readonly [LabelSelector, Readonly<Record<string, string>>, boolean, string])[] = [
    [{}, {}, false, "no label means nothing"],
    [{ "*": ["*"] }, {}, true, "everything, even without labels"],
    [{ env: ["dev"] }, { env: "dev" }, true, "one text"],
    [{ env: ["dev"] }, { env: "Dev" }, false, "case counts"],
    [{ env: ["dev", "staging"] }, { env: "staging" }, true, "one of several"],
    [{ env: ["dev"], team: ["pay"] }, { env: "dev" }, false, "all labels must fit"],
    [{ env: ["*"] }, { env: "" }, true, "* is any text"],
    [{ env: ["*"] }, {}, false, "but the label must be there"],
    [{ env: ["dev-*"] }, { env: "dev-1" }, true, "a pattern"],
    [{ env: ["dev"] }, { env: "devil" }, false, "the whole text"],
    [{ toString: ["*"] }, {}, false, "what every object has is no label"],
    [{ "*": ["*"], env: ["dev"] }, { env: "prod" }, true, "beside * nothing else counts"],
  ];
  for (const [selector, labels, fits, why] of cases)
    it(`${JSON.stringify(selector)} ${fits ? "fits" : "does not fit"} ${JSON.stringify(labels)}: ${why}`, () => {
      assert.equal(labelsFit(selector, labels), fits);
    });
});
