import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { JsonError, parseJson, type JsonReason } from "../../src/base/json.ts";

/** Bodies that two readers would understand differently; policy must never see one reading and DynamoDB another. */
describe("ambiguous JSON is refused", () => {
  it("duplicate keys at any level (pitfall 13)", () => {
    refuses('{"TableName":"public","TableName":"secret"}', "duplicate_key");
    refuses('{"a":{"b":[{"c":1,"c":1}]}}', "duplicate_key");
    refuses('{"":1,"":2}', "duplicate_key");
    refuses('{"__proto__":1,"__proto__":2}', "duplicate_key");
  });

  it("duplicate keys of which one is written with escapes (pitfall 13)", () => {
    refuses('{"TableName":"public","\\u0054ableName":"secret"}', "duplicate_key");
    refuses('{"\\u0054able\\u004eame":"public","TableName":"secret"}', "duplicate_key");
    refuses('{"\\/":1,"/":2}', "duplicate_key");
    refuses('{"😀":1,"\\ud83d\\ude00":2}', "duplicate_key");
  });

  it("keys that only look alike are different keys (pitfalls 16, 21)", () => {
    const value = parseJson(Buffer.from('{"é":1,"e\u0301":2,"E":3,"e":4}'));
    assert.ok(value instanceof Map);
    assert.equal(value.size, 4);
  });

  it("a byte order mark (pitfall 14)", () => {
    refuses("\ufeff{}", "byte_order_mark");
    refuses(Buffer.from([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]), "invalid_utf8");
  });

  it("invalid UTF-8: overlong, surrogates, beyond Unicode, cut off, stray (pitfall 14)", () => {
    for (const bytes of [
      [0xc0, 0xaf],
      [0xe0, 0x80, 0xaf],
      [0xf0, 0x80, 0x80, 0xaf],
      [0xc1, 0xbf],
      [0xed, 0xa0, 0x80],
      [0xed, 0xbf, 0xbf],
      [0xf4, 0x90, 0x80, 0x80],
      [0xf5, 0x80, 0x80, 0x80],
      [0xe2, 0x82],
      [0x80],
      [0xff],
    ]) {
      refuses(Buffer.from([0x22, ...bytes, 0x22]), "invalid_utf8", 1);
      refuses(Buffer.concat([Buffer.from('{"ключ":"'), Buffer.from(bytes), Buffer.from('"}')]), "invalid_utf8", 13);
    }
  });

  it("lone surrogates in escapes (pitfall 14)", () => {
    for (const text of [
      '"\\ud800"',
      '"\\udc00"',
      '"\\ud800\\ud800"',
      '"\\udc00\\ud800"',
      '"\\ud83dx"',
      '"\\ud83d\\n"',
    ]) {
      refuses(text, "lone_surrogate");
    }
    refuses('"\\ud83d\\u', "truncated");
  });

  it("control characters and NUL in strings and between tokens", () => {
    for (let code = 0; code < 0x20; code++) refuses(`"a${String.fromCharCode(code)}"`, "control_character");
    refuses("{}\u0000", "trailing_bytes");
    refuses("\u0000{}", "unexpected_byte");
    refuses('{"a"\u0000:1}', "unexpected_byte");
  });

  it("bytes behind the value", () => {
    for (const text of ["{}{}", "{} {}", "{},", "{}]", '{}"', "{}//"]) refuses(text, "trailing_bytes");
  });

  it("nesting without end, quickly and without overflowing the stack (pitfall 17)", () => {
    refuses("[".repeat(1_000_000), "too_deep");
    refuses('{"a":'.repeat(1_000_000), "too_deep");
    assert.throws(() => parseJson(Buffer.from("[".repeat(100_000)), { depth: Number.MAX_SAFE_INTEGER }), JsonError);
  });

  it("keys that mean something to JavaScript mean nothing here (pitfall 18)", () => {
    const value = parseJson(
      Buffer.from('{"__proto__":{"admin":true},"constructor":{"prototype":1},"hasOwnProperty":2}'),
    );
    assert.ok(value instanceof Map);
    assert.equal(value.size, 3);
    assert.equal(Object.getPrototypeOf(value), Map.prototype);
    assert.equal(Reflect.get({}, "admin"), undefined);
  });
});

function refuses(input: string | Buffer, reason: JsonReason, offset?: number): void {
  const bytes = typeof input === "string" ? Buffer.from(input) : input;
  assert.throws(
    () => parseJson(bytes),
    (error) => {
      assert.ok(error instanceof JsonError, String(error));
      assert.equal(error.reason, reason, bytes.toString("latin1").slice(0, 60));
      if (offset !== undefined) assert.equal(error.offset, offset, bytes.toString("hex"));
      return true;
    },
  );
}
