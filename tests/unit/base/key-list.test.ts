import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync } from "node:fs";
import { rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, beforeEach, describe, it } from "node:test";
import { addKeyToList, dropKeyFromList, readKeyList } from "../../../src/base/key-list.ts";

describe("a list of keys in a file", () => {
  let directory = "";
  let path = "";
  const place = (): { directory: string; name: string } => ({ directory, name: "sealing" });
  const read = (): readonly Buffer[] => readKeyList(place(), { make: false });
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "postern-keys-"));
    path = join(directory, "sealing.key");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("is made on first use for this user alone, and is the same from then on", () => {
    const [key] = readKeyList({ directory: join(directory, "new"), name: "sealing" }, { make: true });
    assert.equal(key?.length, 32);
    assert.equal(statSync(join(directory, "new", "sealing.key")).mode & 0o777, 0o600);
    assert.equal(statSync(join(directory, "new")).mode & 0o777, 0o700);
    assert.deepEqual(readKeyList({ directory: join(directory, "new"), name: "sealing" }, { make: true }), [key]);
  });

  it("is not made where it must be there", () => {
    assert.throws(read, { code: "sealing_key_lost" });
    assert.deepEqual(readdirSync(directory), []);
  });

  it("gets a new key in front, and loses old ones only", () => {
    const [first] = readKeyList(place(), { make: true });
    const [second, ...old] = addKeyToList(place());
    assert.deepEqual(old, [first]);
    assert.deepEqual(read(), [second, first]);
    assert.deepEqual(
      dropKeyFromList(place(), () => true),
      [second],
    );
    assert.deepEqual(read(), [second]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(directory), ["sealing.key"]);
  });

  it("is changed by one process at a time", () => {
    const keys = readKeyList(place(), { make: true });
    writeFileSync(`${path}.new`, "");
    assert.throws(() => addKeyToList(place()), { code: "sealing_key_unavailable", message: /another process/ });
    assert.deepEqual(read(), keys);
    rmSync(`${path}.new`);
    for (let count = 1; count < 16; count++) addKeyToList(place());
    assert.throws(() => addKeyToList(place()), { code: "sealing_key_invalid", message: /more than 16 keys/ });
    assert.equal(read().length, 16);
    assert.deepEqual(readdirSync(directory), ["sealing.key"]);
  });

  it("is changed past what a process left that was killed while it did", () => {
    const [first] = readKeyList(place(), { make: true });
    writeFileSync(`${path}.new`, "half a key");
    const earlier = new Date(Date.now() - 60_000);
    utimesSync(`${path}.new`, earlier, earlier);
    assert.equal(addKeyToList(place())[1]?.equals(first as Buffer), true);
    assert.deepEqual(readdirSync(directory), ["sealing.key"]);
  });

  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666, 0o777]) {
    it(`is refused with mode ${mode.toString(8)}`, () => {
      readKeyList(place(), { make: true });
      chmodSync(path, mode);
      for (const use of [read, () => addKeyToList(place()), () => readKeyList(place(), { make: true })]) {
        assert.throws(use, { code: "sealing_key_invalid", message: new RegExp(`mode 0${mode.toString(8)}`) });
      }
    });
  }

  it("is refused as a link and as a directory", () => {
    readKeyList(place(), { make: true });
    renameSync(path, join(directory, "elsewhere"));
    symlinkSync(join(directory, "elsewhere"), path);
    assert.throws(read, { code: "sealing_key_invalid", message: /is a link/ });
    rmSync(path);
    symlinkSync(join(directory, "nowhere"), path);
    assert.throws(() => readKeyList(place(), { make: true }), { code: "sealing_key_invalid", message: /is a link/ });
    rmSync(path);
    mkdirSync(path);
    assert.throws(read, { code: "sealing_key_invalid", message: /is not a file/ });
  });

  // Only root can give a file away.
  it("is refused as another user's", { skip: process.geteuid?.() !== 0 }, () => {
    readKeyList(place(), { make: true });
    chownSync(path, 54_321, 54_321);
    assert.throws(read, { code: "sealing_key_invalid", message: /belongs to another user/ });
  });

  const good = "0123456789abcdef".repeat(4);
  for (const [what, text] of Object.entries({
    "nothing in it": "",
    "an empty line": `${good}\n\n`,
    "a short key": `${good.slice(1)}\n`,
    "a long key": `${good}0\n`,
    "capital letters": `${good.toUpperCase()}\n`,
    "one good and one bad line": `${good}\nno key\n`,
    "a key twice": `${good}\n${good}\n`,
    "other line ends": `${good}\r\n`,
    "far too much": `${good}\n`.repeat(1000),
  })) {
    it(`is refused with ${what}, without a word of what it holds`, () => {
      writeFileSync(path, text, { mode: 0o600 });
      const refused = (error: Error & { code?: string }): boolean =>
        error.code === "sealing_key_invalid" && !`${error.message}${error.stack}`.includes(good.slice(0, 8));
      assert.throws(read, refused);
      assert.throws(() => addKeyToList(place()), refused);
      assert.equal(readFileSync(path, "utf8"), text);
    });
  }
});
