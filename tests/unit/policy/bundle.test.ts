import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";

import { loadBundle, parseBundle } from "../../../src/policy/bundle.ts";
import { fixtureBundle } from "../../support/policy-fixture.ts";

interface Member {
  readonly name: string;
  readonly content: string;
  readonly type?: string;
}

function tarOf(members: readonly Member[]): Buffer {
  const blocks = members.map(({ name, content, type = "0" }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000600\0", 100);
    header.write(`${Buffer.byteLength(content).toString(8).padStart(11, "0")}\0`, 124);
    header.write(type, 156);
    header.write("ustar\0" + "00", 257);
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    const padded = Buffer.alloc(Math.ceil(Buffer.byteLength(content) / 512) * 512);
    padded.write(content);
    return Buffer.concat([header, padded]);
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const MANIFEST = {
  name: "/.manifest",
  content: JSON.stringify({ revision: "r1", wasm: [{ entrypoint: "postern/decision", module: "/policy.wasm" }] }),
};
const WASM = { name: "/policy.wasm", content: "\0asm" };
const code = (wanted: string, reason: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, wanted);
  assert.match((error as Error).message, reason);
  return true;
};

describe("parseBundle()", () => {
  it("reads the module, revision, entrypoints and data of a bundle", async () => {
    const data = { name: "./data.json", content: '{"postern":{"custom":{"a":1}}}' };
    const other = { name: "/postern/decision.rego", content: "package postern" };
    const bundle = await parseBundle(gzipSync(tarOf([MANIFEST, other, data, WASM])), "b");
    assert.deepEqual(
      { ...bundle, wasm: Buffer.from(bundle.wasm).toString() },
      {
        wasm: "\0asm",
        revision: "r1",
        entrypoints: ["postern/decision"],
        // It does not say, so it may.
        custom: true,
        data: { postern: { custom: { a: 1 } } },
      },
    );
  });

  it("reads what OPA writes", async () => {
    const bundle = await fixtureBundle();
    assert.equal(bundle.revision, "fixture");
    assert.deepEqual(bundle.entrypoints, [
      "postern/decision",
      "postern/patterns/invalid",
      "postern/visible/shown",
      "postern/databases/shown",
    ]);
    assert.equal(bundle.custom, false);
    assert.ok(WebAssembly.validate(bundle.wasm.slice()));
  });

  it("refuses a bundle without a module, twice the same member, or a member that is a link", async () => {
    const parse = (members: readonly Member[]): Promise<unknown> => parseBundle(gzipSync(tarOf(members)), "b");
    await assert.rejects(parse([MANIFEST]), code("bundle_invalid", /policy\.wasm/));
    await assert.rejects(parse([MANIFEST, WASM, { ...WASM, name: "policy.wasm" }]), code("bundle_invalid", /twice/));
    await assert.rejects(parse([MANIFEST, { ...WASM, type: "2" }]), code("bundle_invalid", /not a file/));
    await assert.rejects(
      parse([{ ...MANIFEST, content: "{" }, WASM]),
      code("bundle_invalid", /\.manifest is not JSON/),
    );
    await assert.rejects(parse([{ ...MANIFEST, content: "[]" }, WASM]), code("bundle_invalid", /not an object/));
  });

  it("refuses a damaged or cut archive", async () => {
    const tar = tarOf([MANIFEST, WASM]);
    await assert.rejects(parseBundle(Buffer.from("not gzip"), "b"), code("bundle_invalid", /header/));
    for (const end of [100, 512, 600, 1024 + 100]) {
      await assert.rejects(
        parseBundle(gzipSync(tar.subarray(0, end)), "b"),
        code("bundle_invalid", /ends|no end/),
        `at ${end}`,
      );
    }
    const damaged = Buffer.from(tar);
    damaged[3] = 0x7a;
    await assert.rejects(parseBundle(gzipSync(damaged), "b"), code("bundle_invalid", /damaged/));
  });
});

describe("loadBundle()", () => {
  it("compiles a directory through the compiler it was given, and says how when there is none", async () => {
    const directory = await mkdtemp(join(tmpdir(), "postern-bundle-"));
    try {
      const archive = gzipSync(tarOf([MANIFEST, WASM]));
      const bundle = await loadBundle(directory, async () => archive);
      assert.equal(bundle.revision, "r1");
      await assert.rejects(loadBundle(directory), code("bundle_unreadable", /is a directory/));
      await writeFile(join(directory, "b.tar.gz"), archive);
      assert.deepEqual(await loadBundle(join(directory, "b.tar.gz")), bundle);
      await assert.rejects(loadBundle(join(directory, "none")), code("bundle_unreadable", /none/));
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
