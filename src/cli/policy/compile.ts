/** Compiles a user's policy directory together with the built-in policy. */

import { readFile } from "node:fs/promises";

import { compilePolicy, keyOf, readSources, run } from "../../../scripts/lib/compile-policy.mjs";
import { findOpa } from "../../../scripts/lib/find-opa.mjs";
import { messageOf, PosternError } from "../../base/errors.ts";
import { parseBundle } from "../../policy/bundle.ts";
import { PolicyDecisionPoint } from "../../policy/pdp.ts";
import { builtinSources } from "./builtin.ts";
import { readUserPolicy } from "./user-policy.ts";
import { withBuiltin } from "./wrap-opa.ts";

export interface CompileOptions {
  /** What the bundle is to be called. @default a digest of its sources and the compiler's version */
  readonly revision?: string;
  /** Gets a line for each wait. */
  readonly say?: (line: string) => void;
}

/**
 * Compiles `directory` to the bytes of a bundle that has passed its self-test. Fits `CompileDirectory` of policy/bundle.ts.
 *
 * @throws PosternError `policy_build_failed` with what OPA said, and what reading the directory or the self-test throws.
 */
export async function compileDirectory(directory: string, options: CompileOptions = {}): Promise<Uint8Array> {
  const { policies, capabilities } = builtinSources();
  const user = await readUserPolicy(directory);
  const opa = await findOpa(options.say === undefined ? {} : { say: options.say });
  // `opa build` knows no schemas: a rule that misspells a field of input would compile, and never deny anything.
  await withBuiltin(async (flags, builtin) => {
    const { code, stdout, stderr } = await run(opa.path, ["check", ...flags, builtin, directory]);
    if (code !== 0)
      throw new PosternError("policy_build_failed", `Cannot build "${directory}":\n${(stderr || stdout).trim()}`);
  });
  const sources = [...(await readSources(policies)), ...user.sources];
  const parts = [opa.version, await readFile(capabilities), JSON.stringify(user.data)];
  const revision = options.revision ?? keyOf([...parts, ...sources.flatMap(({ name, text }) => [name, text])]);
  const bytes = await compilePolicy({ opa: opa.path, sources, data: user.data, capabilities, revision }).catch(
    (cause: unknown) => {
      // The user's files stand below custom/ while OPA reads them.
      const said = messageOf(cause).replaceAll(/(^|\s)custom\//gm, `$1${directory.replace(/\/+$/, "")}/`);
      throw new PosternError("policy_build_failed", `Cannot build "${directory}":\n${said}`, { cause });
    },
  );
  const data = { postern: { compiled: { version: 1, roles: {}, indexes: {} } } } as const;
  await PolicyDecisionPoint.load({ bundle: await parseBundle(bytes, directory), data });
  return bytes;
}
