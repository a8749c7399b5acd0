/** Rego compiled with OPA once for each content: what tests build again and again is kept in build/test-policies. */

import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { compilePolicy, keyOf, type PolicySource, writeWhole } from "../../scripts/lib/compile-policy.mjs";
import { findOpa, type FoundOpa } from "../../scripts/lib/find-opa.mjs";

/** What the bytes depend on, but for OPA itself and for how we call it. */
export interface Sources {
  readonly sources: readonly PolicySource[];
  readonly revision: string;
  readonly data?: Readonly<Record<string, unknown>>;
  /** Path of the capabilities file. */
  readonly capabilities?: string;
}

/** The bytes of the bundle, from the cache if the same compiler made them of the same content. Rejects as OPA does. */
export async function compileCached(policy: Sources): Promise<Uint8Array> {
  const opa = await theOpa();
  const file = join(directory, `${await digestOf(opa, policy)}.tar.gz`);
  const known = await readFile(file).catch(() => undefined);
  if (known !== undefined) return known;
  const bundle = await compilePolicy({ opa: opa.path, ...policy });
  await mkdir(directory, { recursive: true });
  await writeWhole(file, bundle);
  await forgetOld();
  return bundle;
}

const directory = fileURLToPath(new URL("../../build/test-policies/", import.meta.url));
const compiler = new URL("../../scripts/lib/compile-policy.mjs", import.meta.url);
const KEPT_MS = 7 * 24 * 60 * 60 * 1000;
const found: { opa?: Promise<FoundOpa> } = {};

/** One look for all: it starts OPA to ask for its version. */
function theOpa(): Promise<FoundOpa> {
  found.opa ??= findOpa();
  return found.opa;
}

async function digestOf(opa: FoundOpa, { sources, revision, data, capabilities }: Sources): Promise<string> {
  const { size, mtimeMs } = await stat(opa.path);
  return keyOf([
    JSON.stringify([opa.version, size, mtimeMs, sources, revision, data ?? null]),
    capabilities === undefined ? "" : await readFile(capabilities),
    await readFile(compiler),
  ]);
}

/** Each change of a policy leaves its builds behind. */
async function forgetOld(): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const written = await stat(path).catch(() => undefined);
    if (written !== undefined && written.mtimeMs < Date.now() - KEPT_MS) await rm(path, { force: true });
  }
}
