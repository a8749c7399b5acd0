import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requestHead } from "../../../src/platform/request-head.ts";

describe("the head of a request", () => {
  it("has exactly the headers that are given, and the length", () => {
    assert.equal(
      requestHead({ host: "example.com:8000", "X-Amz-Target": "DynamoDB_20120810.GetItem", "x-empty": "" }, 12),
      "POST / HTTP/1.1\r\nhost: example.com:8000\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\nx-empty: \r\ncontent-length: 12\r\n\r\n",
    );
    assert.ok(requestHead({ Host: "h", x: "\t\u00ff" }, 0).includes("content-length: 0\r\n"));
  });

  it("is refused when a header could end a line or become another byte", () => {
    // In Latin-1, U+010A loses its upper half and is a line feed.
    for (const bad of ["\r", "\n", "\r\n", "\0", "\u010a", "\u010d", "\u0100", "\ud83d\ude00", "\x7f", "\x1b"]) {
      for (const text of [bad, `a${bad}`, `${bad}a`, `a${bad}b`]) {
        assert.throws(() => requestHead({ host: "h", x: text }, 0), TypeError, JSON.stringify(text));
        assert.throws(() => requestHead({ host: "h", [text]: "x" }, 0), TypeError, JSON.stringify(text));
        assert.throws(() => requestHead({ host: text }, 0), TypeError, JSON.stringify(text));
      }
    }
    for (const name of ["", " ", "a b", "a:", "\u00e9", "(", "x\t"]) {
      assert.throws(() => requestHead({ host: "h", [name]: "x" }, 0), TypeError, JSON.stringify(name));
    }
  });

  it("is refused when a header says what is ours to say, or there is not one host", () => {
    for (const name of [
      "content-length",
      "Content-Length",
      "transfer-encoding",
      "Connection",
      "upgrade",
      "Expect",
      "TE",
    ]) {
      assert.throws(() => requestHead({ host: "h", [name]: "0" }, 0), TypeError, name);
    }
    assert.throws(() => requestHead({}, 0), TypeError);
    assert.throws(() => requestHead({ host: "a", Host: "b" }, 0), TypeError);
  });
});
