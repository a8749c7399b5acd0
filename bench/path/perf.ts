/** Linux's own profiler on processes of a way, where it can be had: it sees the kernel, OpenSSL and nghttp2, which V8's does not. */

import { join } from "node:path";
import { run } from "../../scripts/lib/compile-policy.mjs";
import { startProgram, temporaryDirectory } from "../load/processes.ts";
import { readSamples, type Sample } from "./layers.ts";

/** Samples a second. Not a round number, so that nothing that recurs is always met. */
const PER_SECOND = 1_999;

/** Why there can be none here; undefined when there can. */
export async function whyNoPerf(): Promise<string | undefined> {
  try {
    const { code, stderr } = await run("perf", ["record", "-o", "/dev/null", "--", "true"]);
    return code === 0 ? undefined : stderr.trim().split("\n", 1)[0];
  } catch {
    return "perf is not installed";
  }
}

/** Samples processes while something is done. */
export async function sampled<T>(
  pids: readonly number[],
  act: () => Promise<T>,
): Promise<{ readonly result: T; readonly samples: Sample[] }> {
  const directory = temporaryDirectory();
  try {
    const file = join(directory.path, "perf.data");
    const recorder = startProgram("perf", ["record", "-F", `${PER_SECOND}`, "-p", pids.join(","), "-o", file]);
    const ended = new Promise((resolve) => recorder.process.once("exit", resolve));
    const result = await act();
    recorder.process.kill("SIGINT");
    await ended;
    const { code, stdout, stderr } = await run("perf", ["script", "-i", file, "-F", "pid,ip,sym,dso"]);
    if (code !== 0) throw new Error(`perf script ended with ${code}: ${stderr}`);
    return { result, samples: readSamples(stdout) };
  } finally {
    directory.remove();
  }
}
