import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import { buildPolicy } from "../../../scripts/lib/built-policy.mjs";
import { dependenciesAreFresh } from "../../../scripts/lib/dependencies.mjs";
import { findOpa, OPA_RELEASE, OPA_VERSION, OpaNotFound, type OpaRelease } from "../../../scripts/lib/find-opa.mjs";

let home = "";
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "postern-opa-"));
});
afterEach(() => rm(home, { recursive: true }));

const saying = (version: string): string => `#!/bin/sh\necho "Version: ${version}"\n`;

async function program(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
  await chmod(path, 0o755);
  return path;
}

function environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { PATH: join(home, "bin"), XDG_CACHE_HOME: join(home, "cache"), ...more };
}

/** A release whose one asset is `text`, served by `listener`, while `work` runs. */
async function withRelease(
  listener: RequestListener,
  text: string,
  work: (release: OpaRelease) => Promise<void>,
): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const sha256 = createHash("sha256").update(text).digest("hex");
    await work({ version: "1.9.9", base: `http://127.0.0.1:${port}`, assets: { here: ["opa_here", sha256] } });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function reasonsOf(found: Promise<unknown>): Promise<string> {
  const error: unknown = await found.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof OpaNotFound, String(error));
  return error.message;
}

describe("findOpa()", () => {
  it("takes OPA_BIN before PATH before the cache", async () => {
    const named = await program(join(home, "named"), saying("1.5.0"));
    const cached = await program(join(home, "cache", "postern", "opa", OPA_VERSION, "opa"), saying(OPA_VERSION));
    assert.deepEqual(await findOpa({ env: environment() }), { path: cached, version: OPA_VERSION, from: "cache" });
    const seen = await program(join(home, "bin", "opa"), saying("1.0.0"));
    assert.deepEqual(await findOpa({ env: environment() }), { path: seen, version: "1.0.0", from: "PATH" });
    assert.deepEqual(await findOpa({ env: environment({ OPA_BIN: named }) }), {
      path: named,
      version: "1.5.0",
      from: "OPA_BIN",
    });
  });

  it("says what is wrong with OPA_BIN rather than take another", async () => {
    await program(join(home, "bin", "opa"), saying("1.5.0"));
    const old = await program(join(home, "old"), saying("0.70.0"));
    assert.match(await reasonsOf(findOpa({ env: environment({ OPA_BIN: old }) })), /0\.70\.0; 1\.0 or later/);
    assert.match(
      await reasonsOf(findOpa({ env: environment({ OPA_BIN: join(home, "none") }) })),
      /cannot be run \(ENOENT\)/,
    );
  });

  it("downloads the release when nothing is at hand, checks it, and finds it in the cache the next time", async () => {
    const text = saying("1.9.9");
    const paths: (string | undefined)[] = [];
    const listener: RequestListener = (request, response) => {
      paths.push(request.url);
      response.end(text);
    };
    await withRelease(listener, text, async (release) => {
      const said: string[] = [];
      const options = { env: environment(), release, platform: "here", say: (line: string) => void said.push(line) };
      const found = await findOpa(options);
      assert.deepEqual([found.version, found.from], ["1.9.9", "download"]);
      assert.equal((await stat(found.path)).mode & 0o111, 0o111);
      assert.equal(said.length, 1);
      assert.deepEqual(await findOpa(options), { ...found, from: "cache" });
      assert.deepEqual(paths, ["/v1.9.9/opa_here"]);
    });
  });

  it("deletes a download whose checksum is another, and says so", async () => {
    await withRelease(
      (_, response) => void response.end("tampered"),
      saying("1.9.9"),
      async (release) => {
        const message = await reasonsOf(findOpa({ env: environment(), release, platform: "here" }));
        assert.match(message, /SHA-256 is [0-9a-f]{64} instead of [0-9a-f]{64}; it was deleted/);
        assert.deepEqual(await readdir(join(home, "cache", "postern", "opa")), []);
      },
    );
  });

  it("gives up on a server that refuses, answers with an error, or never answers", async () => {
    const gone = { version: "1.9.9", base: "http://127.0.0.1:1", assets: { here: ["opa_here", ""] as const } };
    assert.match(
      await reasonsOf(findOpa({ env: environment(), release: gone, platform: "here" })),
      /could not be had: fetch failed/,
    );
    await withRelease(
      (_, response) => void response.writeHead(404).end(),
      "",
      async (release) => {
        assert.match(await reasonsOf(findOpa({ env: environment(), release, platform: "here" })), /answered 404/);
      },
    );
    await withRelease(
      () => undefined,
      "",
      async (release) => {
        const found = findOpa({ env: environment(), release, platform: "here", connectMs: 50 });
        assert.match(await reasonsOf(found), /no connection within 0\.05 s/);
      },
    );
  });

  it("builds from source with go when there is no download, into the cache", async () => {
    await program(
      join(home, "bin", "go"),
      `#!/bin/sh\nprintf '#!/bin/sh\\necho "Version: ${OPA_VERSION}"' > "$GOBIN/opa"\n/bin/chmod +x "$GOBIN/opa"\necho "$@" > "$GOBIN/../args"\n`,
    );
    const found = await findOpa({ env: environment(), platform: "unheard-of" });
    assert.deepEqual([found.version, found.from], [OPA_VERSION, "go install"]);
    const cache = join(home, "cache", "postern", "opa");
    assert.equal(
      await readFile(join(cache, "args"), "utf8"),
      `install github.com/open-policy-agent/opa@v${OPA_VERSION}\n`,
    );
    assert.deepEqual((await readdir(cache)).toSorted(), [OPA_VERSION, "args"]);
  });

  it("names four ways and why each failed when all have", async () => {
    await program(join(home, "bin", "go"), "#!/bin/sh\necho 'no network' >&2\nexit 1\n");
    await program(join(home, "bin", "opa"), saying("0.1.0"));
    const message = await reasonsOf(findOpa({ env: environment(), platform: "unheard-of" }));
    for (const part of [
      "OPA_BIN is not set",
      "0.1.0; 1.0 or later",
      "there is none in",
      "no checksum is known for unheard-of",
      "no network",
    ]) {
      assert.ok(message.includes(part), `${part} in ${message}`);
    }
    assert.match(message, /1\. set OPA_BIN[\s\S]*2\. put opa[\s\S]*3\. allow the download[\s\S]*4\. install Go/);
  });

  it("pins a SHA-256 for every platform that it downloads for", () => {
    for (const [name, sha256] of Object.values(OPA_RELEASE.assets)) {
      assert.match(name, /^opa_[a-z]+_[a-z0-9]+(?:_static)?$/);
      assert.match(sha256, /^[0-9a-f]{64}$/);
    }
  });
});

describe("buildPolicy()", () => {
  const REGO = 'package postern\n\ndefault decision := {"allow": false}\n';
  const PATTERNS = "package postern.patterns\n\ninvalid := []\n";
  const VISIBLE = "package postern.visible\n\nshown := false\n";
  const DATABASES = "package postern.databases\n\nshown := false\n";

  it("builds once, again when any input differs, and not for what is no part of the policy", async () => {
    const policies = join(home, "policies");
    const write = async (name: string, text: string): Promise<void> => {
      await mkdir(dirname(join(policies, name)), { recursive: true });
      await writeFile(join(policies, name), text);
    };
    const opa = await findOpa();
    const built = async (as = opa): Promise<boolean> => (await buildPolicy({ opa: as, root: home })).built;
    await write("capabilities.json", (await readFile("policies/capabilities.json", "utf8")).trim());
    await write("schemas/input.json", "{}");
    await write("postern/decision.rego", REGO);
    await write("postern/patterns/patterns.rego", PATTERNS);
    await write("postern/visible/visible.rego", VISIBLE);
    await write("postern/databases/databases.rego", DATABASES);
    assert.equal(await built(), true);
    assert.equal(await built(), false);
    await write("postern/decision_test.rego", "package postern_test\n");
    await write("cases/a.yaml", "a: 1");
    assert.equal(await built(), false);
    await write("schemas/input.json", '{"type": "object"}');
    assert.equal(await built(), true);
    await write("postern/decision.rego", `${REGO}\n# changed\n`);
    assert.equal(await built(), true);
    assert.equal(await built({ ...opa, version: "9.9.9" }), true);
    await writeFile(join(home, "build", "policy", "bundle.tar.gz"), "half a bun");
    assert.equal(await built(), true);
    const parallel = await Promise.all([built(), built(), built()]);
    assert.deepEqual(parallel, [false, false, false]);
    assert.deepEqual(await readdir(join(home, "build", "policy")), ["bundle.tar.gz"]);
  });

  it("keeps the old build when the new policy would allow what asks nothing", async () => {
    const policies = join(home, "policies");
    await mkdir(join(policies, "schemas"), { recursive: true });
    await writeFile(join(policies, "capabilities.json"), await readFile("policies/capabilities.json"));
    await writeFile(join(policies, "decision.rego"), 'package postern\n\ndecision := {"allow": true}\n');
    await writeFile(join(policies, "patterns.rego"), PATTERNS);
    await writeFile(join(policies, "visible.rego"), VISIBLE);
    await writeFile(join(policies, "databases.rego"), DATABASES);
    await assert.rejects(buildPolicy({ opa: await findOpa(), root: home }), /does not deny an empty input/);
    await assert.rejects(stat(join(home, "build")), /ENOENT/);
  });
});

describe("dependenciesAreFresh()", () => {
  it("compares what npm installed with what is locked; only the optional may be absent", async () => {
    const write = async (name: string, packages: unknown): Promise<void> => {
      await mkdir(dirname(join(home, name)), { recursive: true });
      await writeFile(join(home, name), JSON.stringify({ packages }));
    };
    const a = { version: "1.0.0", integrity: "sha512-a" };
    await write("package-lock.json", { "": {}, "node_modules/a": a, "node_modules/b": { ...a, optional: true } });
    assert.equal(await dependenciesAreFresh(home), false);
    await write("node_modules/.package-lock.json", { "node_modules/a": a });
    assert.equal(await dependenciesAreFresh(home), true);
    for (const other of [{ ...a, version: "1.0.1" }, { ...a, integrity: "sha512-b" }, undefined]) {
      await write("node_modules/.package-lock.json", { "node_modules/a": other });
      assert.equal(await dependenciesAreFresh(home), false, JSON.stringify(other));
    }
  });
});
