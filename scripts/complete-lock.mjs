// Completes package-lock.json with the packages of other platforms that the registry at hand did not serve when the lock
// was written: `npm ci` refuses a lock without them, on every platform. Name and version come from the package that wants
// them, platform from the name. They carry no integrity until a lock is written where they are served.
// Run it after each `npm install`: node scripts/complete-lock.mjs

import { readFileSync, writeFileSync } from "node:fs";

const file = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(file, "utf8"));
const OS = {
  android: "android",
  darwin: "darwin",
  freebsd: "freebsd",
  linux: "linux",
  openharmony: "openharmony",
  win32: "win32",
  windows: "win32",
};
const CPU = {
  arm: "arm",
  armeabi: "arm",
  eabi: "arm",
  arm64: "arm64",
  x64: "x64",
  ia32: "ia32",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  wasm32: "wasm32",
  wasi: "wasm32",
};

let added = 0;
for (const [path, parent] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    if (path === "" || `node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages)
      continue;
    const words = name.split("/").at(-1).split("-");
    const os = words.map((word) => OS[word]).find((word) => word !== undefined);
    const cpu = words.map((word) => CPU[word]).find((word) => word !== undefined);
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(cpu === undefined ? {} : { cpu: [cpu] }),
      ...(lock.packages[path].dev === true ? { dev: true } : {}),
      optional: true,
      ...(os === undefined ? {} : { os: [os] }),
    };
    added++;
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`Added ${added} packages of other platforms to package-lock.json\n`);
