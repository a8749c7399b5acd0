// Whether node_modules holds what package-lock.json asks for.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Compares the lock file with the record that npm leaves inside node_modules when it has finished. A package that is
 * optional (for another platform, say) may be absent; every other one is there in the locked version, or all is stale.
 */
export async function dependenciesAreFresh(root) {
  try {
    const [locked, installed] = await Promise.all(
      ["package-lock.json", "node_modules/.package-lock.json"].map(async (name) => {
        const { packages } = JSON.parse(await readFile(join(root, name), "utf8"));
        return packages;
      }),
    );
    return Object.entries(locked).every(([path, { version, integrity, optional, link }]) => {
      if (path === "" || link) return true;
      const found = installed[path];
      if (found === undefined) return optional === true;
      return found.version === version && found.integrity === integrity;
    });
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw new Error(`Cannot tell whether node_modules is up to date: ${error.message}`);
  }
}
