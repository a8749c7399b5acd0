import assert from "node:assert/strict";
import { it } from "node:test";
import { PosternError } from "../../../src/base/errors.ts";
import { formatFinding, failed } from "../../../src/cli/doctor/findings.ts";
import { reportError } from "../../../src/cli/report-error.ts";

/** Clears the screen, turns the line around, and is a command of one byte to some terminals. */
const ODD = "\u001b[2J\u202e\u009bx";
const error = new PosternError("odd", `Cannot do it: ${ODD}\nand ${ODD}`, { hint: `do ${ODD}\npostern: error: y` });

it("an error shows nothing that a terminal would take for a command, wherever its text is from", () => {
  let said = "";
  reportError(error, (text) => (said += text));
  assert.equal(
    said,
    "postern: error: Cannot do it: ?[2J??x\n  and ?[2J??x\npostern: hint: do ?[2J??x?postern: error: y\n",
  );
});

it("a finding of doctor's shows nothing of the kind, either", () => {
  assert.equal(
    formatFinding(failed(`database ${ODD}`, error), false),
    "fail  database ?[2J??x: Cannot do it: ?[2J??x\n      and ?[2J??x\n      do ?[2J??x\n      postern: error: y\n",
  );
});
