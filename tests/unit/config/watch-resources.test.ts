import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { PosternError } from "../../../src/base/errors.ts";
import { loadResources, type Resources, type ResourcesOptions } from "../../../src/config/resources.ts";
import { lookAt } from "../../../src/config/look.ts";
import { watchPath, type Closer } from "../../../src/config/watch-path.ts";
import { watchResources } from "../../../src/config/watch-resources.ts";

const user = (name: string): string => `kind: user\nversion: v2\nmetadata: {name: ${name}}\nspec: {roles: [access]}\n`;

describe("watchResources()", () => {
  let folder = "";
  let closer: Closer | undefined;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), "postern-watch-")), "resources");
    mkdirSync(folder);
  });
  afterEach(async () => {
    await closer?.close();
    closer = undefined;
    rmSync(join(folder, ".."), { recursive: true, force: true });
  });

  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  const watch = async (
    options: Partial<ResourcesOptions> & { apply?: (resources: Resources) => void } = {},
  ): Promise<Queue<string>> => {
    const seen = new Queue<string>();
    const { apply, ...rest } = options;
    const current = await loadResources(folder);
    closer = watchResources(folder, {
      ...rest,
      current,
      settleMs: 15,
      pollMs: 40,
      onChange: (resources) => {
        apply?.(resources);
        seen.push(
          `users ${resources.directory
            .users()
            .map(({ name }) => name)
            .join()}`,
        );
      },
      onError: ({ code, cause }) => seen.push(cause instanceof Error ? `${code} ${cause.message.slice(0, 6)}` : code),
    });
    return seen;
  };

  it("puts a changed, an added and a removed file in force", async () => {
    write("a.yaml", user("alice"));
    const seen = await watch();
    write("a.yaml", user("anna"));
    assert.equal(await seen.next(), "users anna");
    write("b.yaml", user("bob"));
    assert.equal(await seen.next(), "users anna,bob");
    rmSync(join(folder, "a.yaml"));
    assert.equal(await seen.next(), "users bob");
  });

  it("notices what changed before the watch began", async () => {
    write("a.yaml", user("alice"));
    const current = await loadResources(folder);
    write("a.yaml", user("anna"));
    const seen = new Queue<string>();
    closer = watchResources(folder, {
      current,
      onChange: ({ directory }) => seen.push(directory.users()[0]?.name ?? ""),
      onError: (error) => seen.push(error.message),
    });
    assert.equal(await seen.next(), "anna");
  });

  it("keeps the last good set when a document is bad, and recovers", async () => {
    write("a.yaml", user("alice"));
    const seen = await watch();
    write("b.yaml", "kind: user\n");
    assert.equal(await seen.next(), "resources_invalid");
    write("c.yaml", user("carol"));
    rmSync(join(folder, "b.yaml"));
    assert.equal(await seen.next(), "users alice,carol");
  });

  it("says the same of a bad set only once, however often it is judged", async () => {
    write("a.yaml", user("alice"));
    const judged = new Queue<string>();
    const validate = ({ directory }: Resources): void => {
      judged.push(
        directory
          .users()
          .map(({ name }) => name)
          .join(),
      );
      if (directory.user("mallory") !== undefined) throw new PosternError("x", "no mallory");
    };
    const seen = await watch({ validate });
    write("b.yaml", user("mallory"));
    assert.equal(await seen.next(), "resources_invalid no mal");
    assert.equal(await judged.next(), "alice,mallory");
    write("c.yaml", user("carol"));
    while ((await judged.next()) !== "alice,mallory,carol");
    // Time for a second word, had there been one: a change during the loading would only have begun it anew.
    await new Promise((resolve) => setTimeout(resolve, 30));
    rmSync(join(folder, "b.yaml"));
    assert.equal(await seen.next(), "users alice,carol");
  });

  it("says that an error is over even when the set is the one in force", async () => {
    write("a.yaml", user("alice"));
    const seen = await watch();
    write("b.yaml", "kind: user\n");
    assert.equal(await seen.next(), "resources_invalid");
    rmSync(join(folder, "b.yaml"));
    assert.equal(await seen.next(), "users alice");
  });

  it("survives an editor that renames a new file into place", async () => {
    write("a.yaml", user("alice"));
    const seen = await watch();
    for (const name of ["anna", "amy"]) {
      write(".a.yaml.tmp", user(name));
      renameSync(join(folder, ".a.yaml.tmp"), join(folder, "a.yaml"));
      assert.equal(await seen.next(), `users ${name}`);
    }
  });

  it("follows the swapped links of a mounted ConfigMap", async () => {
    const release = (number: number, name: string): void => {
      mkdirSync(join(folder, `..${number}`));
      write(`..${number}/a.yaml`, user(name));
      symlinkSync(`..${number}`, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    };
    release(1, "alice");
    symlinkSync("..data/a.yaml", join(folder, "a.yaml"));
    const seen = await watch();
    release(2, "anna");
    assert.equal(await seen.next(), "users anna");
    assert.equal(readlinkSync(join(folder, "..data")), "..2");
  });

  it("keeps the state while the directory is away, and takes it up again under a new one", async () => {
    write("a.yaml", user("alice"));
    const seen = await watch();
    renameSync(folder, `${folder}-old`);
    assert.match(await seen.next(), /^resources_unreadable/);
    mkdirSync(folder);
    write("b.yaml", user("bob"));
    // An empty directory may be seen on the way.
    let last = await seen.next();
    while (last !== "users bob") last = await seen.next();
    write("b.yaml", user("bert"));
    assert.equal(await seen.next(), "users bert");
  });

  it("tells onError what validation or application throws, and puts nothing in force", async () => {
    write("a.yaml", user("alice"));
    let refuse = true;
    const seen = await watch({
      apply: () => {
        if (refuse) throw new Error("no room");
      },
    });
    write("a.yaml", user("anna"));
    assert.equal(await seen.next(), "resources_not_applied no roo");
    refuse = false;
    write("a.yaml", user("amy"));
    assert.equal(await seen.next(), "users amy");
  });

  it("calls nothing after it is closed", async () => {
    write("a.yaml", user("alice"));
    const seen = await watch();
    write("a.yaml", user("anna"));
    await closer?.close();
    const count = seen.length;
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(seen.length, count);
  });
});

describe("watchPath()", () => {
  it("notices changes below a directory and of a single file, and nothing at the start", async () => {
    const folder = mkdtempSync(join(tmpdir(), "postern-watch-"));
    mkdirSync(join(folder, "deep", "er"), { recursive: true });
    const file = join(folder, "deep", "er", "a.rego");
    writeFileSync(file, "1");
    const seen = new Queue<string>();
    const prints = await Promise.all([folder, file].map((path) => lookAt(path)));
    const closers = [folder, file].map((path, at) =>
      watchPath(path, () => seen.push(path), { settleMs: 10, pollMs: 30, since: prints[at]?.print ?? "" }),
    );
    try {
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(seen.length, 0);
      writeFileSync(file, "two");
      assert.deepEqual([await seen.next(), await seen.next()].sort(), [folder, file].sort());
    } finally {
      await Promise.all(closers.map((closer) => closer.close()));
      rmSync(folder, { recursive: true });
    }
  });
});

/** What callbacks said, one by one. */
class Queue<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T) => void)[] = [];

  get length(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#items.push(item);
    else waiting(item);
  }

  next(): Promise<T> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item);
  }
}
