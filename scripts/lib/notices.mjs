// The notices of third-party packages whose code a build contains, as their licences ask of whoever passes a copy on.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * @param {{ inputs: Record<string, unknown> }} metafile esbuild's
 * @param {string} root where the paths in it start
 * @returns {Promise<string>} name, version, licence and the whole text of the licence of each package
 * @throws Error when a package has no licence text
 */
export async function noticesOf(metafile, root) {
  const folders = new Set(Object.keys(metafile.inputs).flatMap((path) => PACKAGE.exec(path)?.[0] ?? []));
  const notices = new Map();
  for (const folder of folders) {
    const place = join(root, folder);
    const { name, version, license } = JSON.parse(await readFile(join(place, "package.json"), "utf8"));
    const files = (await readdir(place)).filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file));
    files.sort((one, other) => (one < other ? -1 : 1));
    if (!files.some((file) => /^(?:licen[cs]e|copying)/i.test(file)))
      throw new Error(`${name} ${version} is built in, but has no licence text that could be passed on`);
    const texts = await Promise.all(files.map((file) => readFile(join(place, file), "utf8")));
    const whole = texts.map((text) => text.trim()).join("\n\n");
    notices.set(`${name} ${version}`, `${name} ${version} (${license})\n\n${whole}\n`);
  }
  const names = [...notices.keys()].sort((one, other) => (one < other ? -1 : 1));
  return names.map((key) => notices.get(key)).join(`\n${"-".repeat(80)}\n\n`);
}

/** The folder of the innermost package of a path. */
const PACKAGE = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/;
