import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { systemClock } from "../../../src/base/clock.ts";
import { backup, readBackup, restore, type BackupHeader } from "../../../src/store/backup.ts";
import { GuardedStore } from "../../../src/store/guarded-store.ts";
import type { Store, StoredResource } from "../../../src/store/store.ts";
import { newStore } from "./support.ts";

const ABOUT = { clock: systemClock, version: "1.2.3" };

describe("A backup", () => {
  for (const kind of ["plain", "guarded"]) {
    it(`of a ${kind} store gives back every resource`, async (t) => {
      const key = randomBytes(32);
      const open = async (): Promise<Store> => {
        const store = await newStore(t);
        return kind === "plain" ? store : new GuardedStore(store, key);
      };
      const [from, to] = [await open(), await open()];
      await fill(from);
      const text = await textOf(from);
      const header = JSON.parse(text.split("\n")[0] ?? "") as Record<string, unknown>;
      assert.deepEqual(
        { ...header, created_at: typeof header["created_at"] },
        { format: "postern-backup", format_version: 1, version: "1.2.3", created_at: "string", resources: 132 },
      );
      assert.deepEqual(await putBack(to, inPieces(text)), header);
      assert.deepEqual(await contents(to), await contents(from));
      assert.notDeepEqual((await to.get("role", "ü/a"))?.revision, (await from.get("role", "ü/a"))?.revision);
    });
  }

  it("of an empty store can be restored", async (t) => {
    const text = await textOf(await newStore(t));
    assert.equal((await putBack(await newStore(t), inPieces(text))).resources, 0);
  });

  it("is refused by a store that has something, which stays as it is", async (t) => {
    const from = await newStore(t);
    await fill(from);
    const to = await newStore(t);
    await to.write([{ op: "put", kind: "user", name: "alice", value: 1 }]);
    const before = await contents(to);
    const text = await textOf(from);
    await assert.rejects(putBack(to, inPieces(text)), { code: "store_not_empty", message: /user "alice"/ });
    assert.deepEqual(await contents(to), before);
  });

  it("that is torn at any line or in its midst is refused before anything is written", async (t) => {
    const from = await newStore(t);
    await fill(from, 5);
    const text = await textOf(from);
    const to = await newStore(t);
    const ends = [...text.matchAll(/\n/g)].map(({ index }) => index);
    for (const end of [0, 1, ...ends.flatMap((at) => [at - 1, at, at + 1])]) {
      if (end >= text.length) continue;
      await assert.rejects(putBack(to, inPieces(text.slice(0, end))), {
        code: "backup_invalid",
        hint: /nothing was written/,
      });
    }
    assert.deepEqual(await contents(to), []);
  });

  it("that was altered anywhere is refused with what is wrong, never a value", async (t) => {
    const from = await newStore(t);
    await fill(from, 3);
    const lines = (await textOf(from)).split(/(?<=\n)/);
    const first = lines.findIndex((line) => line.includes("hunter2"));
    const altered: Readonly<Record<string, readonly [string[], RegExp]>> = {
      "another value": [lines.with(first, (lines[first] ?? "").replace("hunter2", "hunter3")), /its digest/],
      "a line less": [lines.toSpliced(first, 1), /its digest/],
      "a line twice": [lines.toSpliced(first, 0, lines[first] ?? ""), /its digest/],
      "lines in another order": [lines.toSpliced(1, 2, lines[2] ?? "", lines[1] ?? ""), /its digest/],
      "another header": [lines.with(0, (lines[0] ?? "").replace("1.2.3", "1.2.4")), /its digest/],
      "a line behind": [[...lines, lines[1] ?? ""], /behind its end/],
      "no JSON": [lines.with(first, "hunter2\n"), new RegExp(`line ${first + 1} is no JSON`)],
      "no backup": [['{"hunter2":1}\n'], /first line/],
      nothing: [[], /empty/],
      "a digest made anew over a line twice": [
        signed(lines.toSpliced(first, 0, lines[first] ?? "")),
        /resources and says/,
      ],
      "a digest made anew over a bad kind": [
        signed(lines.with(first, (lines[first] ?? "").replace('"kind":"', '"kind":"_'))),
        new RegExp(`line ${first + 1}: .*kind`),
      ],
    };
    const to = await newStore(t);
    for (const [title, [text, message]] of Object.entries(altered)) {
      await assert.rejects(putBack(to, inPieces(text.join(""))), (error: Error & { code: string }) => {
        assert.equal(error.code, "backup_invalid", title);
        assert.match(error.message, message, title);
        assert.doesNotMatch(`${error.stack}`, /hunter/, title);
        return true;
      });
    }
    await assert.rejects(putBack(to, inPieces(lines.join("").replace('"format_version":1', '"format_version":2'))), {
      code: "store_newer",
      hint: /1\.2\.3/,
    });
    assert.deepEqual(await contents(to), []);
  });

  it("shows nothing of a first line that ours never have", async (t) => {
    const [head = "", ...others] = (await textOf(await newStore(t))).split(/(?<=\n)/);
    for (const [member, value] of Object.entries({
      sealing_keys: ["\u001b]0;x\u0007"],
      version: "1\u009b31m",
      created_at: "\u001b[2J",
      resources: "0",
      other: 1,
    })) {
      const lines = [`${JSON.stringify({ ...(JSON.parse(head) as object), [member]: value })}\n`, ...others];
      await assert.rejects(putBack(await newStore(t), inPieces(signed(lines).join(""))), {
        code: "backup_invalid",
        message: /its first line is not that of a Postern backup$/,
      });
    }
  });

  it("of another cluster, or altered with its digest made anew, is refused by the key", async (t) => {
    const key = randomBytes(32);
    const from = new GuardedStore(await newStore(t), key);
    await fill(from, 3);
    const text = await textOf(from);
    const lines = text.split(/(?<=\n)/);
    const shorter = lines.with(0, (lines[0] ?? "").replace(/"resources":\d+/, `"resources":${lines.length - 3}`));
    const plain = await newStore(t);
    await fill(plain, 3);
    const refused: readonly (readonly [string, Buffer])[] = [
      [text, randomBytes(32)],
      [signed(shorter.toSpliced(1, 1)).join(""), key],
      [await textOf(plain), key],
    ];
    for (const [bad, own] of refused) {
      const to = new GuardedStore(await newStore(t), own);
      await assert.rejects(putBack(to, inPieces(bad)), { code: "store_tampered", hint: /key file of the cluster/ });
      assert.deepEqual(await contents(to), []);
    }
  });

  it("is not made of a store that was tampered with", async (t) => {
    const inner = await newStore(t);
    const store = new GuardedStore(inner, randomBytes(32));
    await fill(store, 3);
    await inner.write([{ op: "put", kind: "role", name: "planted", value: 1 }]);
    await assert.rejects(textOf(store), { code: "store_tampered", message: /role "planted"/ });
  });

  it("that was broken off is gone on with, by the same backup only", async (t) => {
    const from = await newStore(t);
    await fill(from);
    const text = await textOf(from);
    const to = await newStore(t);
    await assert.rejects(putBack(failingAfter(to, 2), inPieces(text)), /power cut/);
    assert.ok((await contents(to)).length > 0);
    await assert.rejects(textOf(to), { code: "restore_unfinished" });
    await from.write([{ op: "put", kind: "role", name: "more", value: 1 }]);
    const another = await textOf(from);
    await assert.rejects(putBack(to, inPieces(another)), { code: "store_not_empty", message: /another backup/ });
    await putBack(to, inPieces(text));
    await from.write([{ op: "delete", kind: "role", name: "more" }]);
    assert.deepEqual(await contents(to), await contents(from));
  });
});

async function fill(store: Store, count = 130): Promise<void> {
  const secret = { password: "hunter2", deep: [{ "": null }] };
  await store.write([
    { op: "create", kind: "role", name: "ü/a", value: secret, expiresAt: 9e15 },
    { op: "create", kind: "user", name: 'quo"te', value: "\u2028\n" },
  ]);
  for (let n = 0; n < count; n += 1) {
    await store.write([{ op: "create", kind: "db", name: `n${n}`, value: "x".repeat(n === 3 ? 290_000 : n) }]);
  }
}

async function putBack(store: Store, text: AsyncIterable<Uint8Array>): Promise<BackupHeader> {
  return restore(store, await readBackup(text));
}

async function textOf(store: Store): Promise<string> {
  let text = "";
  for await (const line of backup(store, ABOUT)) text += line;
  return text;
}

/** As a file comes: in pieces that end in the middle of characters. */
async function* inPieces(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777);
}

async function contents(store: Store): Promise<Omit<StoredResource, "revision">[]> {
  const all: Omit<StoredResource, "revision">[] = [];
  for await (const { revision: _, ...rest } of store.snapshot()) all.push(rest);
  return all;
}

/** The lines with the digest that belongs to them, as someone without the key would make it. */
function signed(lines: readonly string[]): string[] {
  const body = lines.slice(0, -1);
  const { seal } = JSON.parse(lines.at(-1) ?? "") as { seal?: string };
  const sha256 = createHash("sha256").update(body.join("")).digest("hex");
  return [...body, `${JSON.stringify({ sha256, seal })}\n`];
}

/** A store whose power is cut at one of its writes. */
function failingAfter(store: Store, writes: number): Store {
  let left = writes;
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "write" && (left -= 1) < 0) return () => Promise.reject(new Error("power cut"));
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
}
