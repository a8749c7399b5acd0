/** Where the policy of a configuration comes from: its bundle, its directory compiled with OPA, or the built-in one. */

import type { Config } from "../../config/config.ts";
import { loadBundle, type PolicyBundle } from "../../policy/bundle.ts";
import { loadBuiltinBundle } from "../policy/builtin.ts";
import { compileDirectory } from "../policy/compile.ts";

/** A reader of the configured policy. @throws PosternError what is wrong with it, with file and line where OPA says them */
export function policySource(config: Config): () => Promise<PolicyBundle> {
  const { bundle } = config.policy;
  return bundle === undefined
    ? () => loadBuiltinBundle()
    : () => loadBundle(bundle, (directory) => compileDirectory(directory));
}
